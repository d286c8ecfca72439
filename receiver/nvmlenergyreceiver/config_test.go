// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
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
			c.PollInterval = 100 * time.Millisecond
			c.Storage = &storetest.ID
			c.Processes = ProcessesConfig{Enabled: true, Idle: ledger.IdleReserved, MaxWorkloads: 50, ResourceSlices: true}
			c.Calibration = []CalibrationConfig{{GPU: "NVIDIA A100*", Gain: 1.03, Offset: -4, IdlePower: 55}}
			c.ReleaseHandles = releaseNever
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
		"poll interval":  {map[string]any{"poll_interval": "2m"}, "poll_interval: 2m0s is not between 1ms and 1m0s"},
		"no poll":        {map[string]any{"poll_interval": "0s"}, "poll_interval: 0s is not between 1ms and 1m0s"},
		"release":        {map[string]any{"release_handles": "always"}, `release_handles: "always" is neither on_mig_pending nor never`},
		"idle":           {map[string]any{"processes": map[string]any{"idle": "fair"}}, `processes: idle: "fair" is none of [unattributed equal reserved proportional]`},
		"max workloads": {
			map[string]any{"processes": map[string]any{"max_workloads": 0}},
			"processes: max_workloads: 0: must be at least 1; set enabled to false to tell none apart",
		},
		"any GPU":       {calibration("", 1, 0, 0), `calibration::0: gpu: "": must be a UUID or a product name`},
		"broken GPU":    {calibration("[", 1, 0, 0), `calibration::0: gpu: "[": must be`},
		"negative gain": {calibration("A100", -1, 0, 0), "calibration::0: gain: -1: must be a number above 0, such as 1.02; leave it out for 1"},
		"no offset":     {calibration("A100", 1, math.NaN(), 0), "calibration::0: offset: NaN: must be a number of W"},
		"idle power":    {calibration("A100", 1, 0, 4001), "calibration::0: idle_power: 4001: must be a number of W between 0 and 4000"},
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

func calibration(gpu string, gain, offset, idle float64) map[string]any {
	return map[string]any{"calibration": []any{map[string]any{"gpu": gpu, "gain": gain, "offset": offset, "idle_power": idle}}}
}

func TestCalibrationIsFound(t *testing.T) {
	c := &Config{Calibration: []CalibrationConfig{{GPU: "GPU-1", Gain: 2}, {GPU: "NVIDIA A100*", Gain: 3}, {GPU: "*", Gain: 4}}}
	assert.InDelta(t, 2.0, c.calibration("GPU-1", "NVIDIA A100 80GB").Gain, 0, "the first that matches")
	assert.InDelta(t, 3.0, c.calibration("GPU-2", "NVIDIA A100-SXM4-80GB").Gain, 0)
	assert.InDelta(t, 4.0, c.calibration("GPU-2", "NVIDIA H100").Gain, 0)
	assert.Zero(t, (&Config{}).calibration("GPU-1", "NVIDIA H100"))
}
