// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/model"
)

func TestConfigOfEveryKey(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, unmarshal(t, cfg, `
collection_interval: 30s
initial_delay: 2s
timeout: 5s
root_path: /hostfs/
host_id: rack-7
host_name: node-a
required: true
model:
  idle_power_per_cpu: 0.5
  max_power_per_cpu: 5
  memory_power_per_gib: 0.4
attribution:
  idle: equal
  residual: spread
  max_workloads: 7
metrics:
  hw.energy.inner:
    enabled: true
resource_attributes:
  host.name:
    enabled: false
`))
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, 30*time.Second, cfg.Controller.CollectionInterval)
	assert.Equal(t, 2*time.Second, cfg.Controller.InitialDelay)
	assert.Equal(t, 5*time.Second, cfg.Controller.Timeout)
	assert.Equal(t, host.Config{RootPath: "/hostfs/", HostID: "rack-7", HostName: "node-a"}, cfg.Host)
	assert.True(t, cfg.Required)
	assert.Equal(t, model.Config{IdlePowerPerCPU: 0.5, MaxPowerPerCPU: 5, MemoryPowerPerGiB: 0.4}, cfg.Model)
	assert.Equal(t, AttributionConfig{Enabled: true, Idle: ledger.IdleEqual, Residual: residualSpread, MaxWorkloads: 7}, cfg.Attribution)
	assert.True(t, cfg.Metrics.Metrics.HwEnergyInner.Enabled)
	assert.False(t, cfg.Metrics.ResourceAttributes.HostName.Enabled)
}

func TestDefaultConfig(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, 10*time.Second, cfg.Controller.CollectionInterval)
	assert.False(t, cfg.Required)
	assert.Zero(t, cfg.Model)
	assert.Equal(t, AttributionConfig{Enabled: true, Idle: ledger.IdleUnattributed, Residual: residualOwn, MaxWorkloads: 500}, cfg.Attribution)
	assert.True(t, cfg.Metrics.Metrics.HwEnergy.Enabled)
	assert.True(t, cfg.Metrics.Metrics.HwHostEnergy.Enabled)
	assert.False(t, cfg.Metrics.Metrics.HwEnergyInner.Enabled)
	assert.False(t, cfg.Metrics.Metrics.HwPower.Enabled)
	assert.False(t, cfg.Metrics.Metrics.HwHostPower.Enabled)
}

func TestConfigRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ yaml, want string }{
		"unknown key":        {"rapl: true", "rapl"},
		"unknown model key":  {"model: {tdp: 65}", "tdp"},
		"unknown metric":     {"metrics: {hw.watts: {enabled: true}}", "hw.watts"},
		"zero interval":      {"collection_interval: 0s", `"collection_interval": requires positive value`},
		"relative root_path": {"root_path: hostfs", `root_path: "hostfs" is not an absolute path`},
		"negative power":     {"model: {idle_power_per_cpu: -1}", "model: idle_power_per_cpu: -1 W is not between 0"},
		"unknown policy":     {"attribution: {idle: nobody}", `attribution: idle: "nobody" is none of [unattributed equal reserved proportional]`},
		"unknown residual":   {"attribution: {residual: all}", `attribution: residual: "all" is neither own nor spread`},
		"no workloads":       {"attribution: {max_workloads: 0}", "attribution: max_workloads: 0: must be at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			err := unmarshal(t, cfg, tt.yaml)
			if err == nil {
				err = confmap.Validate(cfg)
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestSupported(t *testing.T) {
	require.NoError(t, supported("linux"))
	require.EqualError(t, supported("darwin"), "the hostenergy receiver reads /sys and /proc of Linux and does not work on darwin")
}

func unmarshal(t *testing.T, cfg *Config, yaml string) error {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	return conf.Unmarshal(cfg)
}
