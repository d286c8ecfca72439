// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"debug/elf"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is in the binary, what each part costs and what was left out for it is in docs/distribution.md.
func TestBinaryIsSmall(t *testing.T) {
	info, err := os.Stat(binary)
	require.NoError(t, err)
	assert.Less(t, float64(info.Size())/1e6, 120.0)
}

// A binary that binds all symbols at start would look up every NVML function and die where there is
// no driver, so it must bind lazily, also if the toolchain hardens by default.
func TestBinaryBindsLazily(t *testing.T) {
	f, err := elf.Open(binary)
	require.NoError(t, err)
	defer f.Close()
	for tag, bindNow := range map[elf.DynTag]uint64{
		elf.DT_FLAGS:    uint64(elf.DF_BIND_NOW),
		elf.DT_FLAGS_1:  uint64(elf.DF_1_NOW),
		elf.DT_BIND_NOW: ^uint64(0),
	} {
		values, err := f.DynValue(tag)
		require.NoError(t, err)
		for _, value := range values {
			assert.Zero(t, value&bindNow, tag)
		}
	}
}

func TestBinaryHasWhatItPromises(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), binary, "components").Output()
	require.NoError(t, err)
	listed := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- name: "); ok {
			listed[name] = true
		}
	}
	for _, name := range []string{
		"nvmlenergy", "hostenergy", "carbonintensity", "gridintensity", "console",
		"otlp", "prometheus", "host_metrics", "kafka",
		"memory_limiter", "batch", "k8s_attributes", "resource", "attributes", "transform", "filter",
		"metrics_transform", "groupbyattrs", "cumulative_to_delta", "delta_to_cumulative", "interval", "metric_start_time",
		"otlp_grpc", "otlp_http", "load_balancing", "prometheus_remote_write", "file", "debug", "nop",
		"influxdb", "count", "span_metrics", "forward",
		"health_check", "file_storage", "oidc", "oauth2client", "bearertokenauth", "basicauth", "headers_setter", "zpages", "pprof",
	} {
		assert.True(t, listed[name], name)
	}
}
