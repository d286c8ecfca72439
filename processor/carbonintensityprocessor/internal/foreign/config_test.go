// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestConfig(t *testing.T) {
	cfg := DefaultConfig()
	require.NoError(t, cfg.Validate())
	assert.Empty(t, cfg.Presets)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"presets": []any{"dcgm", "kepler", "scaphandre", "ceems"},
		"max_gap": "2m",
		"rules": []any{map[string]any{
			"metric": "pdu_outlet_kwh", "kind": "counter", "unit": "kW.h", "target": "hw.host.energy",
			"attributes": map[string]any{"hw.id": "pdu-{outlet}", "host.name": "{server}"},
			"where":      map[string]any{"phase": ""},
		}},
	}).Unmarshal(&cfg))
	require.NoError(t, cfg.Validate())

	h := newHarness(t, func(c *Config) { *c = cfg })
	reading := func(labels ...string) sample {
		s := sample{metric: "pdu_outlet_kwh", kind: Gauge, time: at(0), value: 2, labels: map[string]string{}}
		for i := 0; i < len(labels); i += 2 {
			s.labels[labels[i]] = labels[i+1]
		}
		return s
	}
	assert.Equal(t, map[string]float64{"hw.host.energy pdu-7": 7.2e6}, joules(t, h.translate(resource("pdu",
		reading("outlet", "7", "server", "node-1"), reading("outlet", "7", "server", "node-1", "phase", "L1")))))
}

func TestConfigErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"preset":       {func(c *Config) { c.Presets = []string{"dcgm", "alumet"} }, `presets[1]: "alumet": must be one of ceems, dcgm, kepler, scaphandre`},
		"preset twice": {func(c *Config) { c.Presets = []string{"dcgm", "dcgm"} }, `presets[1]: "dcgm": is named twice`},
		"gap":          {func(c *Config) { c.MaxGap = 0 }, `max_gap: 0s: must be above 0s`},
		"streams":      {func(c *Config) { c.MaxStreams = 0 }, `max_streams: 0: must be at least 1`},
		"metric":       {func(c *Config) { c.Rules[0].Metric = "" }, `rules[0]: metric: not set`},
		"not foreign":  {func(c *Config) { c.Rules[0].Metric = "hw.energy" }, `rules[0]: metric: "hw.energy": is not foreign`},
		"kind":         {func(c *Config) { c.Rules[0].Kind = "sum" }, `rules[0]: kind: "sum": must be counter (energy) or gauge (power)`},
		"unit":         {func(c *Config) { c.Rules[0].Unit = "BTU" }, `rules[0]: unit: "BTU": a counter must be in one of J, MJ, MW.h, W.h, W.s, kJ, kW.h, mJ, uJ`},
		"no unit":      {func(c *Config) { c.Rules[0].Unit = "" }, `rules[0]: unit: "": a counter must be in one of`},
		"unit of kind": {func(c *Config) { c.Rules[0].Kind = Gauge }, `rules[0]: unit: "mJ": a gauge must be in one of MW, W, kW, mW, uW`},
		"target":       {func(c *Config) { c.Rules[0].Target = "hw.power" }, `rules[0]: target: "hw.power": must be one of hw.energy, hw.host.energy, workload.energy`},
		"id":           {func(c *Config) { delete(c.Rules[0].Attributes, "hw.id") }, `rules[0]: attributes: hw.id: not set: hw.energy needs it`},
		"workload":     {func(c *Config) { c.Rules[0].Target = Workload }, `rules[0]: attributes: workload.kind: not set: workload.energy needs it`},
		"method":       {func(c *Config) { c.Rules[0].Attributes["energy.method"] = "guess" }, `rules[0]: attributes: energy.method: "guess": must be counter, integrated or model`},
		"source":       {func(c *Config) { c.Rules[0].Attributes["energy.source"] = "x" }, `rules[0]: attributes: energy.source: is set to the name of the metric: remove it`},
		"open":         {func(c *Config) { c.Rules[0].Attributes["hw.id"] = "x{a" }, `rules[0]: attributes: hw.id: "x{a": braces must hold the name of a label`},
		"close":        {func(c *Config) { c.Rules[0].Attributes["hw.id"] = "a}" }, `attributes: hw.id: "a}": braces must hold`},
		"empty":        {func(c *Config) { c.Rules[0].Attributes["hw.id"] = "{}" }, `attributes: hw.id: "{}": braces must hold`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Rules = []Rule{{
				Metric: "m", Kind: Counter, Unit: "mJ", Target: Device, Attributes: map[string]string{"hw.id": "{id}", "hw.type": "gpu"},
			}}
			require.NoError(t, cfg.Validate())
			tc.change(&cfg)
			require.ErrorContains(t, cfg.Validate(), tc.want)
			_, err := New(cfg, "", nil)
			require.ErrorContains(t, err, tc.want)
		})
	}
	cfg := DefaultConfig()
	require.Error(t, confmap.NewFromStringMap(map[string]any{"preset": []any{"dcgm"}}).Unmarshal(&cfg), "unknown keys are refused")
}
