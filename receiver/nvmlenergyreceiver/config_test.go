// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
)

func TestConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf("testdata/config.yaml")
	require.NoError(t, err)
	for name, want := range map[string]*Config{
		"nvmlenergy": createDefaultConfig().(*Config),
		"nvmlenergy/all": newConfig(func(c *Config) {
			c.Controller.CollectionInterval = time.Minute
			c.Controller.InitialDelay = 2 * time.Second
			c.Controller.Timeout = 20 * time.Second
			c.Host = host.Config{RootPath: "/hostfs", HostID: "rack-7", HostName: "node-a"}
			c.LibraryPath = "/opt/nvidia/libnvidia-ml.so.1"
			c.Required = true
			c.Metrics.Metrics.HwPower.Enabled = true
		}),
	} {
		t.Run(name, func(t *testing.T) {
			sub, err := conf.Sub(name)
			require.NoError(t, err)
			cfg := createDefaultConfig().(*Config)
			require.NoError(t, sub.Unmarshal(cfg))
			require.NoError(t, confmap.Validate(cfg))
			want.Metrics.Metrics.HwPower = cfg.Metrics.Metrics.HwPower // holds what the user set
			assert.Equal(t, want, cfg)
		})
	}
	assert.Equal(t, 10*time.Second, createDefaultConfig().(*Config).Controller.CollectionInterval)
}

func TestBadConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		conf map[string]any
		want string
	}{
		"relative library": {
			map[string]any{"library_path": "libnvidia-ml.so.1"},
			`library_path: "libnvidia-ml.so.1" is not an absolute path such as /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1`,
		},
		"relative root":  {map[string]any{"root_path": "hostfs"}, `root_path: "hostfs" is not an absolute path such as /hostfs`},
		"zero interval":  {map[string]any{"collection_interval": 0}, `"collection_interval": requires positive value`},
		"unknown key":    {map[string]any{"library_pth": "/x"}, "library_pth"},
		"unknown metric": {map[string]any{"metrics": map[string]any{"hw.enrgy": map[string]any{"enabled": true}}}, "hw.enrgy"},
		"no bool":        {map[string]any{"required": "perhaps"}, "required"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig()
			err := confmap.NewFromStringMap(tt.conf).Unmarshal(cfg)
			if err == nil {
				err = confmap.Validate(cfg)
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}
