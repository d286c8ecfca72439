// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// intensityDE is the yearly average of DE in the embedded table, in g/kWh.
const intensityDE = 344.13992

// pipeline is a config that is good, for a test to spoil.
const pipeline = `
receivers:
  hostenergy:
    collection_interval: 100ms
  nvmlenergy:
    collection_interval: 100ms
    library_path: /nonexistent/libnvidia-ml.so.1
processors:
  carbonintensity:
    zone: DE
exporters:
  nop:
service:
  telemetry:
    logs:
      level: warn
      encoding: console
  pipelines:
    metrics:
      receivers: [hostenergy, nvmlenergy]
      processors: [carbonintensity]
      exporters: [nop]
`

// A config that cannot be meant is refused with one line that names the key, the value and what
// would be accepted.
func TestBadConfigs(t *testing.T) {
	good := writeFile(t, "good.yaml", pipeline)
	require.NoError(t, validate(t, []string{good}))
	for name, tc := range map[string]struct {
		spoil string
		want  []string
	}{
		"unknown key in the processor": {"processors::carbonintensity::zones: DE", []string{"carbonintensity", "zones"}},
		"unknown key in hostenergy":    {"receivers::hostenergy::intervall: 1s", []string{"hostenergy", "intervall"}},
		"unknown key in nvmlenergy":    {"receivers::nvmlenergy::gpu: 1", []string{"nvmlenergy", "gpu"}},
		"negative pue":                 {"processors::carbonintensity::pue: -1", []string{"processors::carbonintensity", "pue: -1", "from 1"}},
		"unknown zone":                 {"processors::carbonintensity::zone: Germny", []string{"processors::carbonintensity", `"Germny"`, "nearest: DE"}},
		"zero interval of hostenergy":  {"receivers::hostenergy::collection_interval: 0s", []string{"receivers::hostenergy", "collection_interval"}},
		"zero interval of nvmlenergy":  {"receivers::nvmlenergy::collection_interval: 0s", []string{"receivers::nvmlenergy", "collection_interval"}},
		"required without a driver":    {"receivers::nvmlenergy::required: true", []string{"nvmlenergy", noGPU, "required"}},
		"required without RAPL":        {"receivers::hostenergy: {required: true, root_path: " + t.TempDir() + "}", []string{"hostenergy", "powercap", "required"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, []string{good, "yaml:" + tc.spoil})
			assert.Equal(t, 1, c.exitCode())
			var lines []string
			for _, line := range c.output.lines() {
				if strings.HasPrefix(line, "Error: ") {
					lines = append(lines, line)
				}
			}
			require.Len(t, lines, 1, "%s", c.output)
			_, message, _ := strings.Cut(c.output.String(), "Error: ")
			for _, want := range tc.want {
				assert.Contains(t, message, want)
			}
		})
	}
}

// Hardware that is missing is no error: the collector runs, and says once what it could not find.
func TestMissingHardwareIsNoError(t *testing.T) {
	backend := newSink(t)
	c := start(t, []string{
		writeFile(t, "config.yaml", pipeline),
		"yaml:exporters::otlp_grpc: {endpoint: " + backend.address + ", tls: {insecure: true}}",
		"yaml:service::pipelines::metrics::exporters: [otlp_grpc]",
	})
	c.eventually(func() bool { return len(backend.named("hw.emissions", "hw.type", "cpu")) > 10 }, "emissions of the CPU")
	assert.Empty(t, backend.named("hw.energy", "hw.type", "gpu"))
	assert.Zero(t, c.stop())
	assert.Equal(t, 1, strings.Count(c.output.String(), noGPU), "said once:\n%s", c.output)
}
