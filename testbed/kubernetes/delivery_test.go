// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kubernetes

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	core "k8s.io/api/core/v1"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

// What README.md tells to set in Prometheus.
const promote = "otlp: {promote_all_resource_attributes: true}"

// Hosts have devices of the same id, and are told apart by the resource only: they are series of their own at the backend, in
// either protocol.
func TestHostsAreApartAtTheBackend(t *testing.T) {
	t.Parallel()
	for exporter, path := range map[string]string{"prometheus_remote_write": "/api/v1/write", "otlp_http": "/api/v1/otlp"} {
		t.Run(exporter, func(t *testing.T) {
			t.Parallel()
			db, url := startBackend(t)
			send := startGateway(t, fmt.Sprintf("gateway: {exporter: %s, backend: {endpoint: '%s'}}", exporter, url+path))
			send(hostsWithOneID("node-a", "node-b"))

			querier, err := db.Querier(0, time.Now().Add(time.Minute).UnixMilli())
			require.NoError(t, err)
			defer querier.Close()
			found := querier.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "hw_energy_joules_total"))
			var hosts []string
			for found.Next() {
				assert.Equal(t, "cpu", found.At().Labels().Get("hw_id"))
				hosts = append(hosts, found.At().Labels().Get("host_name"))
			}
			assert.ElementsMatch(t, []string{"node-a", "node-b"}, hosts)
		})
	}
}

// startBackend takes metrics as Prometheus does.
func startBackend(t *testing.T) (db *teststorage.TestStorage, url string) {
	t.Helper()
	db = teststorage.New(t)
	cfg, err := config.Load(promote, promslog.NewNopLogger())
	require.NoError(t, err)
	log, registry := promslog.NewNopLogger(), prometheus.NewRegistry()
	mux := http.NewServeMux()
	mux.Handle("/api/v1/write", remote.NewWriteHandler(log, registry, db, remoteapi.MessageTypes{remoteapi.WriteV1MessageType}, false, false, false))
	mux.Handle("/api/v1/otlp/v1/metrics", remote.NewOTLPWriteHandler(log, registry, db, func() config.Config { return *cfg }, remote.OTLPOptions{}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return db, server.URL
}

// startGateway runs the binary with the chart's config of a gateway. What send returns from has reached the backend.
func startGateway(t *testing.T, values string) (send func(pmetric.Metrics)) {
	t.Helper()
	authority, dir := pki.NewAuthority(t, "of the cluster"), t.TempDir()
	certificate := authority.Issue(t)
	for name, file := range map[string]string{"ca.crt": authority.File, "tls.crt": certificate.File, "tls.key": certificate.KeyFile} {
		require.NoError(t, os.Symlink(file, filepath.Join(dir, name)))
	}
	rendered := get[*core.ConfigMap](t, render(t, required, values), "ConfigMap/"+release+"-gateway").Data["config.yaml"]
	replacements := []string{"/tls/", dir + "/"}
	address := ""
	for _, port := range []string{"13133", "9464", "8888", "4317"} {
		address = fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
		replacements = append(replacements, "${env:POD_IP}:"+port, address, "127.0.0.1:"+port, address, port, strings.TrimPrefix(address, "127.0.0.1:"))
	}
	c := exec.Command(binary, "--config=yaml:"+strings.NewReplacer(replacements...).Replace(rendered))
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		err := c.Wait()
		if t.Failed() {
			t.Logf("output of the gateway:\n%s", &output)
		}
		assert.NoError(t, err)
	})

	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(authority.Client(t, certificate))))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close()) })
	client := pmetricotlp.NewGRPCClient(connection)
	return func(md pmetric.Metrics) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.Export(ctx, pmetricotlp.NewExportRequestFromMetrics(md), grpc.WaitForReady(true))
		require.NoError(t, err)
	}
}

func hostsWithOneID(names ...string) pmetric.Metrics {
	md, now := pmetric.NewMetrics(), pcommon.NewTimestampFromTime(time.Now())
	for i, name := range names {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("host.name", name)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("hw.energy")
		m.SetUnit("J")
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		dp := sum.DataPoints().AppendEmpty()
		dp.SetTimestamp(now)
		dp.SetDoubleValue(float64(1 + i))
		dp.Attributes().PutStr("hw.id", "cpu")
	}
	return md
}
