// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const foreignConfig = `
receivers:
  prometheus:
    config:
      scrape_configs:
        - job_name: gpus
          scrape_interval: 200ms
          scrape_timeout: 200ms
          static_configs: [{targets: ["${env:TARGET}"]}]
processors:
  carbonintensity:
    intensity: 360
    foreign: {presets: [dcgm]}
exporters:
  otlp_grpc: {endpoint: "${env:SINK}", tls: {insecure: true}, sending_queue: {enabled: false}}
service:
  telemetry:
    logs: {level: warn, encoding: console}
  pipelines:
    metrics: {receivers: [prometheus], processors: [carbonintensity], exporters: [otlp_grpc]}
`

// The Prometheus receiver scrapes a dcgm-exporter: a GPU that is listed for each MIG instance counts once.
func TestEnergyOfAScrapedExporter(t *testing.T) {
	t.Parallel()
	var millijoules atomic.Int64
	millijoules.Store(126_272_101_025)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprintln(w, "# HELP DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION Total energy consumption since boot (in mJ).")
		_, _ = fmt.Fprintln(w, "# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter")
		for _, instance := range []string{"1", "2", "3"} {
			_, _ = fmt.Fprintf(w, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\",UUID=\"%s\",device=\"nvidia0\",modelName=\"%s\",Hostname=\"n1\",GPU_I_PROFILE=\"1g.10gb\",GPU_I_ID=\"%s\"} %d\n",
				uuid(1), "NVIDIA H100 80GB HBM3", instance, millijoules.Load())
		}
	}))
	defer server.Close()
	backend := newSink(t)
	c := start(t, []string{writeFile(t, "config.yaml", foreignConfig)},
		"TARGET="+strings.TrimPrefix(server.URL, "http://"), "SINK="+backend.address)
	c.eventually(func() bool { return len(backend.named("hw.emissions", "hw.id", uuid(1))) > 0 }, "a base")
	millijoules.Add(3_600_000_000) // a kilowatt-hour
	c.eventually(func() bool {
		_, grams := backend.grams()
		return grams > 0
	}, "emissions")
	time.Sleep(500 * time.Millisecond) // for more scrapes, that must add nothing
	_, grams := backend.grams()
	assert.InEpsilon(t, 360.0, grams, 1e-9)
	require.Zero(t, c.stop())
}

// uuid is one that the kubelet's device plugin could have.
func uuid(n int) string { return fmt.Sprintf("GPU-00000000-0000-4000-8000-%012d", n) }
