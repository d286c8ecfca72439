// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
)

func TestConfigOfEveryKey(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, unmarshal(t, cfg, `
collection_interval: 5m
initial_delay: 2s
timeout: 5s
source: gridintensity/site
zones: [DE, us-east-1]
price_areas: [DE-LU, DK1]
horizons: [30m, 72h]
windows: [24h, 720h]
durations: [90m]
metrics:
  grid.carbon_intensity.marginal:
    enabled: true
`))
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, 5*time.Minute, cfg.Controller.CollectionInterval)
	assert.Equal(t, 2*time.Second, cfg.Controller.InitialDelay)
	assert.Equal(t, 5*time.Second, cfg.Controller.Timeout)
	assert.Equal(t, component.MustNewIDWithName("gridintensity", "site"), cfg.Source)
	assert.Equal(t, []string{"DE", "us-east-1"}, cfg.Zones)
	assert.Equal(t, []string{"DE-LU", "DK1"}, cfg.PriceAreas)
	assert.Equal(t, []time.Duration{30 * time.Minute, 72 * time.Hour}, cfg.Horizons)
	assert.Equal(t, []time.Duration{24 * time.Hour, 720 * time.Hour}, cfg.Windows)
	assert.Equal(t, []time.Duration{90 * time.Minute}, cfg.Durations)
	assert.True(t, cfg.Metrics.Metrics.GridCarbonIntensityMarginal.Enabled)
}

func TestDefaultConfig(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, unmarshal(t, cfg, "{source: gridintensity, zones: [DE]}"))
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, time.Minute, cfg.Controller.CollectionInterval)
	assert.Empty(t, cfg.PriceAreas)
	assert.Equal(t, []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}, cfg.Horizons)
	assert.Equal(t, []time.Duration{168 * time.Hour}, cfg.Windows)
	assert.Equal(t, []time.Duration{time.Hour, 4 * time.Hour}, cfg.Durations)
	m := cfg.Metrics.Metrics
	assert.True(t, m.GridCarbonIntensity.Enabled && m.GridCarbonIntensityAge.Enabled && m.GridCarbonIntensityForecast.Enabled &&
		m.GridCarbonIntensityPercentile.Enabled && m.GridGreenestStart.Enabled && m.GridGreenestMean.Enabled && m.GridPrice.Enabled)
	assert.False(t, m.GridCarbonIntensityMarginal.Enabled)
}

func TestConfigRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ yaml, want string }{
		"no source":            {"zones: [DE]", "source: not set: name a gridintensity extension"},
		"no zones":             {"source: gridintensity", "zones: empty: name at least one, such as DE"},
		"blank zone":           {"{source: gridintensity, zones: [DE, ' ']}", `zones::1: " ": name a zone`},
		"zone twice":           {"{source: gridintensity, zones: [DE, FR, de]}", `zones::2: "de" is there twice`},
		"blank area":           {"{source: gridintensity, zones: [DE], price_areas: ['']}", `price_areas::0: "": name a bidding zone, such as DE-LU`},
		"area twice":           {"{source: gridintensity, zones: [DE], price_areas: [DK1, DK2, dk1]}", `price_areas::2: "dk1" is there twice: name each once`},
		"unknown key":          {"{source: gridintensity, zones: [DE], zone: DE}", "zone"},
		"unknown metric":       {"{source: gridintensity, zones: [DE], metrics: {grid.cost: {enabled: true}}}", "grid.cost"},
		"not an id":            {"{source: 'grid intensity', zones: [DE]}", "grid intensity"},
		"zero interval":        {"{source: gridintensity, zones: [DE], collection_interval: 0s}", `"collection_interval": requires positive value`},
		"zero horizon":         {"{source: gridintensity, zones: [DE], horizons: [24h, 0s]}", "horizons::1: 0s: must be from 1m to 168h"},
		"far horizon":          {"{source: gridintensity, zones: [DE], horizons: [169h]}", "horizons::0: 169h: must be from 1m to 168h"},
		"horizon twice":        {"{source: gridintensity, zones: [DE], horizons: [60m, 24h, 1h]}", "horizons::2: 1h is there twice"},
		"short window":         {"{source: gridintensity, zones: [DE], windows: [30m]}", "windows::0: 30m: must be from 1h to 720h"},
		"long window":          {"{source: gridintensity, zones: [DE], windows: [721h]}", "windows::0: 721h: must be from 1h to 720h"},
		"negative duration":    {"{source: gridintensity, zones: [DE], durations: [-1h]}", "durations::0: -1h: must be from 1m to 24h, the longest of horizons"},
		"beyond all horizons":  {"{source: gridintensity, zones: [DE], durations: [24h30m10s]}", "durations::0: 24h30m10s: must be from 1m to 24h, the longest of horizons"},
		"duration, no horizon": {"{source: gridintensity, zones: [DE], horizons: []}", "durations::0: 1h: must be from 1m to 0s, the longest of horizons"},
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

func TestNothingButTheIntensity(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, unmarshal(t, cfg, "{source: gridintensity, zones: [DE], horizons: [], windows: [], durations: []}"))
	require.NoError(t, confmap.Validate(cfg))
	assert.Empty(t, cfg.Horizons)
}

func unmarshal(t *testing.T, cfg *Config, yaml string) error {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	return conf.Unmarshal(cfg)
}
