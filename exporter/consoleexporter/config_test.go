// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package consoleexporter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		yaml map[string]any
		want *Config
		err  string
	}{
		"default":         {nil, &Config{time.Second, 10_000}, ""},
		"all set":         {map[string]any{"refresh_interval": "5s", "max_streams": 7}, &Config{5 * time.Second, 7}, ""},
		"zero interval":   {map[string]any{"refresh_interval": "0s"}, nil, "refresh_interval is 0s, must be more than 0"},
		"negative time":   {map[string]any{"refresh_interval": "-1s"}, nil, "refresh_interval is -1s, must be more than 0"},
		"no streams":      {map[string]any{"max_streams": 0}, nil, "max_streams is 0, must be at least 1"},
		"unknown setting": {map[string]any{"refresh": "1s"}, nil, "invalid keys: refresh"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			err := confmap.NewFromStringMap(tt.yaml).Unmarshal(cfg)
			if err == nil {
				err = cfg.Validate()
			}
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, cfg)
		})
	}
}
