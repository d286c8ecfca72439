// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func parsed(t *testing.T, text string) (*Config, error) {
	t.Helper()
	conf, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(t, err)
	settings, err := conf.AsConf()
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	if err := settings.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func TestConfigOfAProvider(t *testing.T) {
	cfg, err := parsed(t, "{providers: [{type: energycharts}, {type: eia, name: us, token: abc, zones: {here: PJM}, timeout: 5s}]}")
	require.NoError(t, err)
	first, second := cfg.Providers[0], cfg.Providers[1]
	assert.Equal(t, "energycharts", first.Name)
	assert.Equal(t, "https://api.energy-charts.info", first.ClientConfig.Endpoint)
	assert.Equal(t, 2, first.RequestsPerMinute)
	assert.Equal(t, 30*time.Second, first.ClientConfig.Timeout)
	assert.Equal(t, "us", second.Name)
	assert.Equal(t, 5*time.Second, second.ClientConfig.Timeout)
}

func TestBadConfig(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                 "providers: empty: name at least one of eia, electricitymaps, energinet, energycharts",
		"{providers: [{type: energychart}]}": `providers::0: type: "energychart": must be one of`,
		"{providers: [{type: eia}]}":         "providers::0: token: not set: eia needs it; take it from the environment, as in ${env:NAME}",
		"{providers: [{type: neso, token: abc}]}":              "providers::0: token: neso does not use one",
		"{providers: [{type: neso, boundary: lifecycle}]}":     `providers::0: boundary: "lifecycle": neso has direct`,
		"{providers: [{type: neso, endpoint: here}]}":          `providers::0: endpoint: "here": must be a URL such as https://api.carbonintensity.org.uk`,
		"{providers: [{type: neso, options: {path: x}}]}":      `providers::0: options: "path" is not known; neso takes none`,
		"{providers: [{type: neso, requests_per_minute: -1}]}": "providers::0: requests_per_minute: -1: must be 0 (no limit) or more",
		"{providers: [{type: neso}, {type: neso}]}":            `providers::1::name: "neso" is taken`,
		"{providers: [{type: neso}], refresh_interval: 1s}":    "refresh_interval: 1s: must be from 1m to 720h",
		"{providers: [{type: neso}], history: 1000h}":          "history: 1000h0m0s: must be from 1m to 720h",
		"{providers: [{type: neso}], max_carry: -1}":           "max_carry: -1: must be 0 or more",
		"{providers: [{type: neso}], max_zones: 0}":            "max_zones: 0: must be at least 1",
		"{providers: [{type: neso}], allow_mixing: [basis]}":   `allow_mixing::0: "basis": must be boundary or gas`,
		"{providers: [{type: neso}], redis: {endpoint: here}}": `redis: endpoint: "here": must be host:port`,
		"{providers: [{type: static, zones: {hq: XQ}}]}":       `providers::0: zones::hq: "XQ" is not a known zone; nearest:`,
		"{providers: [{type: neso, zone: GB}]}":                `"zone" is no key of a provider`,
		"{providers: [{type: neso}], provider: x}":             "provider",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := parsed(t, text)
			require.ErrorContains(t, err, want)
		})
	}
}
