// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestConfigTakesAZoneAlone(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"zone": "DE"}).Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, "DE", mustIntensity(t, cfg).Zone)
}

func TestConfigRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"no zone":            {map[string]any{}, "zone: not set: name where the electricity is from"},
		"unknown zone":       {map[string]any{"zone": "DX"}, `zone: "DX" is not a known zone; nearest: `},
		"boundary":           {map[string]any{"zone": "DE", "boundary": "well-to-wheel"}, `boundary: "well-to-wheel": must be lifecycle or direct`},
		"negative pue":       {map[string]any{"zone": "DE", "pue": -1.2}, "pue: -1.2: must be from 1 (nothing but IT equipment) to 10"},
		"pue below one":      {map[string]any{"zone": "DE", "pue": 0.99}, "pue: 0.99: must be from 1"},
		"negative intensity": {map[string]any{"intensity": -1}, "intensity: -1: must be from 0 to 2000 g/kWh"},
		"intensity in g/MWh": {map[string]any{"intensity": 344139}, "intensity: 344139: must be from 0 to 2000 g/kWh"},
		"no streams":         {map[string]any{"zone": "DE", "max_streams": 0}, "max_streams: 0: must be at least 1"},
		"no staleness":       {map[string]any{"zone": "DE", "max_stale": "0s"}, "max_stale: 0s: must be above 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			require.NoError(t, confmap.NewFromStringMap(tc.settings).Unmarshal(cfg))
			assert.ErrorContains(t, confmap.Validate(cfg), tc.want)
		})
	}
}

func TestConfigRefusesUnknownKeys(t *testing.T) {
	err := confmap.NewFromStringMap(map[string]any{"zone": "DE", "zones": "DE"}).Unmarshal(createDefaultConfig())
	assert.ErrorContains(t, err, "zones")
}
