// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

const (
	gpu0 = "hw.energy GPU-604ac76c-d9cf-fef3-62e9-d92044ab6e52"
	gpu1 = "hw.energy GPU-e1ea63c1-4a3e-8e45-5a4b-7a6c5f2f1d90"
)

// What the programs publish becomes joules by device, each once.
func TestExpositions(t *testing.T) {
	for name, tc := range map[string]struct {
		file, preset string
		want         map[string]float64
		skipped      map[string]int
	}{
		"dcgm-exporter": {
			"dcgm.prom", "dcgm",
			map[string]float64{gpu0: 126272101.025, gpu1: 98000456.789},
			map[string]int{"other_source DCGM_FI_DEV_POWER_USAGE": 2},
		},
		"dcgm-exporter, four MIG instances repeat their GPU": {
			"dcgm_mig.prom", "dcgm",
			map[string]float64{gpu0: 126272101.025, gpu1: 88000000},
			map[string]int{
				"other_source DCGM_FI_DEV_POWER_USAGE": 2, "repeated DCGM_FI_DEV_POWER_USAGE": 3,
				"repeated DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 3,
			},
		},
		"dcgm-exporter, three pods share a GPU": {
			"dcgm_pods.prom", "dcgm",
			map[string]float64{gpu0: 126272101.025, gpu1: 98000456.789},
			map[string]int{"repeated DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 2},
		},
		"dcgm-exporter, a GPU without a counter and one without a value": {
			"dcgm_power.prom", "dcgm",
			map[string]float64{gpu0: 0},
			map[string]int{"value DCGM_FI_DEV_POWER_USAGE": 1},
		},
		"Kepler": {
			"kepler.prom", "kepler",
			map[string]float64{
				"hw.energy package": 17043.125, "hw.energy dram": 4021.5, "hw.host.energy psys": 30210.75, gpu0: 126272100.5,
				"workload.energy cpu train": 812.5, "workload.energy memory train": 120.25, "workload.energy gpu train": 5120.75,
				"workload.energy cpu init": 77.75, "workload.energy memory init": 30.5,
			},
			map[string]int{},
		},
		"Scaphandre": {
			"scaphandre.prom", "scaphandre",
			map[string]float64{
				"hw.energy package-0": 17010.50025, "hw.energy package-1": 13000.0005,
				"hw.energy package-0/dram": 2010.5, "hw.energy package-1/dram": 2000,
			},
			map[string]int{"other_source scaph_socket_power_microwatts": 2, "other_source scaph_domain_power_microwatts": 2},
		},
		"Scaphandre with psys": {
			"scaphandre_psys.prom", "scaphandre",
			map[string]float64{
				"hw.energy package-0": 17010.50025, "hw.energy package-1": 13000.0005,
				"hw.energy package-0/dram": 2010.5, "hw.energy package-1/dram": 2000, "hw.host.energy psys": 90211.00025,
			},
			map[string]int{
				"other_source scaph_socket_power_microwatts": 2, "other_source scaph_domain_power_microwatts": 2,
				"other_source scaph_host_power_microwatts": 1,
			},
		},
		"CEEMS": {
			"ceems.prom", "ceems",
			map[string]float64{
				"hw.energy package-0": 258218.293244, "hw.energy package-1": 130570.505826,
				"hw.energy package-0/dram": 24468.409791, "hw.energy package-1/dram": 64930.394974, "hw.host.energy bmc": 0,
			},
			map[string]int{},
		},
		"CEEMS on a Cray": {
			"ceems_cray.prom", "ceems",
			map[string]float64{"hw.energy cpu": 139431088, "hw.energy memory": 104283458, "hw.host.energy cray": 1360621494},
			map[string]int{"other_source ceems_rapl_joules_total": 2, "other_source ceems_redfish_current_watts": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, withPresets(tc.preset))
			rm := scrape(t, tc.file, noon)
			foreign := pmetric.NewScopeMetrics()
			rm.ScopeMetrics().At(0).CopyTo(foreign)
			got := joules(t, h.translate(rm))
			for key, want := range tc.want {
				assert.InDelta(t, want, got[key], 1e-12*want, key)
			}
			assert.Len(t, got, len(tc.want), "%v", got)
			assert.Equal(t, tc.skipped, h.skipped)
			assert.Equal(t, foreign, rm.ScopeMetrics().At(0), "the foreign metrics pass unchanged")
		})
	}
}

func TestPowerOfExpositionsIsIntegrated(t *testing.T) {
	for file, tc := range map[string]struct {
		preset string
		want   map[string]float64
	}{
		"dcgm_power.prom":       {"dcgm", map[string]float64{gpu0: 1000}},
		"scaphandre_power.prom": {"scaphandre", map[string]float64{"hw.energy package-0": 152.51, "hw.energy package-1": 95, "hw.host.energy psys": 412.51}},
	} {
		h := newHarness(t, withPresets(tc.preset))
		h.translate(scrape(t, file, noon))
		found := h.translate(scrape(t, file, noon.Add(10*time.Second)))
		got := joules(t, found)
		require.Len(t, got, len(tc.want), "%v", got)
		for key, want := range tc.want {
			assert.InDelta(t, want, got[key], 0.01, key) // a milliwatt, over 10 s
			assert.Equal(t, noon, found[key][0].StartTimestamp().AsTime())
			assert.Equal(t, "integrated", label(found[key][0].Attributes(), "energy.method"))
		}
	}
}

func TestWhatIsMade(t *testing.T) {
	h := newHarness(t, withPresets("kepler"))
	rm := scrape(t, "kepler.prom", noon)
	found := h.translate(rm)
	require.Equal(t, 2, rm.ScopeMetrics().Len())
	scope := rm.ScopeMetrics().At(1)
	assert.Equal(t, ScopeName, scope.Scope().Name())
	assert.Equal(t, "1.2.3", scope.Scope().Version())
	for _, m := range scope.Metrics().All() {
		assert.Equal(t, "J", m.Unit())
		assert.True(t, m.Sum().IsMonotonic())
		assert.Equal(t, pmetric.AggregationTemporalityCumulative, m.Sum().AggregationTemporality())
	}
	for key, want := range map[string]map[string]any{
		"hw.energy package": {
			"hw.id": "package", "hw.type": "cpu", "energy.scope": "package", "energy.method": "counter",
			"energy.source": "kepler_node_cpu_joules_total", "host.name": "node-1",
		},
		gpu0: {
			"hw.id": "GPU-604ac76c-d9cf-fef3-62e9-d92044ab6e52", "hw.type": "gpu", "hw.name": "NVIDIA H100 80GB HBM3", "energy.scope": "gpu",
			"energy.method": "counter", "energy.source": "kepler_node_gpu_joules_total", "host.name": "node-1",
		},
		"hw.host.energy psys": {
			"hw.id": "psys", "energy.method": "counter", "energy.source": "kepler_node_cpu_joules_total", "host.name": "node-1",
		},
		"workload.energy gpu train": {
			"hw.type": "gpu", "energy.method": "integrated", "energy.source": "kepler_container_gpu_joules_total",
			"container.id": "0f4c1a7b5d2e46ad9c9f0e1a8c3b7d55aa11", "container.name": "train",
			"k8s.pod.uid": "5d0ffe5a-4a1b-4f1c-9e0c-1a2b3c4d5e6f", "host.name": "node-1",
			"workload.kind": "container", "workload.attribution": "estimated_share",
		},
	} {
		require.Len(t, found[key], 1, key)
		assert.Equal(t, want, found[key][0].Attributes().AsRaw(), key)
		assert.Equal(t, noon, found[key][0].Timestamp().AsTime())
	}

	rm = scrape(t, "kepler.prom", noon.Add(time.Minute))
	rm.Resource().Attributes().PutStr("host.name", "node-1")
	_, ok := newHarness(t, withPresets("kepler")).translate(rm)["hw.energy package"][0].Attributes().Get("host.name")
	assert.False(t, ok, "the resource says it")
}

// Every preset rule is reached by an exposition, or it is dead.
func TestEachPresetRuleIsUsed(t *testing.T) {
	files := map[string][]string{
		"dcgm": {"dcgm.prom"}, "kepler": {"kepler.prom"},
		"scaphandre": {"scaphandre_psys.prom"}, "ceems": {"ceems.prom", "ceems_cray.prom"},
	}
	require.Len(t, files, len(Presets()))
	for preset, rules := range presets {
		for i, rule := range rules {
			h := newHarness(t, func(c *Config) { c.Rules = []Rule{rule.Rule} })
			made := 0
			for _, file := range files[preset] {
				made += len(h.translate(scrape(t, file, noon)))
			}
			assert.Positive(t, made, "%s %d: %v", preset, i, rule)
		}
	}
}
