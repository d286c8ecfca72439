// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadatatest"
)

const interval = 10 * time.Second // the default

func TestMachines(t *testing.T) {
	everything := func(cfg *Config) {
		cfg.Metrics.Metrics.HwEnergyInner.Enabled = true
		cfg.Metrics.Metrics.HwPower.Enabled = true
		cfg.Metrics.Metrics.HwHostPower.Enabled = true
	}
	const name = "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz"
	tests := []struct {
		name   string
		tree   string
		change func(*Config)
		raw    map[string]string // energy_uj after ten seconds
		want   map[string]float64
		attrs  map[string]map[string]any
	}{
		{
			name: "client", tree: "client",
			raw: map[string]string{
				"intel-rapl:0": "240000000", "intel-rapl-mmio:0": "240000000",
				"intel-rapl:0:0": "110000000", "intel-rapl:0:1": "6000000", "intel-rapl:1": "450000000",
			},
			want: map[string]float64{"hw.energy package-0": 150, "hw.host.energy psys": 250},
			attrs: map[string]map[string]any{
				"hw.energy package-0": {"hw.id": "package-0", "hw.type": "cpu", "hw.name": name, "energy.method": "counter", "energy.scope": "package"},
				"hw.host.energy psys": {"hw.id": "psys", "energy.method": "counter"},
			},
		},
		{
			name: "client with everything", tree: "client", change: everything,
			raw: map[string]string{
				"intel-rapl:0": "240000000", "intel-rapl:0:0": "110000000", "intel-rapl:0:1": "6000000", "intel-rapl:1": "450000000",
			},
			want: map[string]float64{
				"hw.energy package-0": 150, "hw.power package-0": 15,
				"hw.energy.inner package-0/core": 60, "hw.energy.inner package-0/uncore": 5,
				"hw.host.energy psys": 250, "hw.host.power psys": 25,
			},
			attrs: map[string]map[string]any{
				"hw.energy.inner package-0/core": {
					"hw.id": "package-0/core", "hw.type": "cpu", "hw.name": "Cores of package-0", "hw.parent": "package-0",
					"energy.method": "counter", "energy.scope": "core",
				},
			},
		},
		{
			name: "server", tree: "server", change: everything,
			raw: map[string]string{
				"intel-rapl:0": "2001000000", "intel-rapl:1": "1003000000", "intel-rapl:2": "505000000",
				"intel-rapl:0:0": "302000000", "intel-rapl:1:0": "204000000", "intel-rapl:2:0": "106000000",
				"intel-rapl:3": "5007000000",
			},
			want: map[string]float64{
				"hw.energy package-0": 2000, "hw.energy package-1-die-0": 1000, "hw.energy package-1-die-1": 500,
				"hw.energy package-0/dram": 300, "hw.energy package-1-die-0/dram": 200, "hw.energy package-1-die-1/dram": 100,
				"hw.power package-0": 200, "hw.power package-1-die-0": 100, "hw.power package-1-die-1": 50,
				"hw.power package-0/dram": 30, "hw.power package-1-die-0/dram": 20, "hw.power package-1-die-1/dram": 10,
				"hw.host.energy psys": 5000, "hw.host.power psys": 500,
			},
			attrs: map[string]map[string]any{
				"hw.energy package-1-die-0/dram": {
					"hw.id": "package-1-die-0/dram", "hw.type": "memory", "hw.name": "Memory of package-1-die-0", "hw.parent": "package-1-die-0",
					"energy.method": "counter", "energy.scope": "dram",
				},
			},
		},
		{
			name: "amd, whose core zone is one core only", tree: "amd", change: everything,
			raw:  map[string]string{"intel-rapl:0": "1007000000", "intel-rapl:0:0": "11000000"},
			want: map[string]float64{"hw.energy package-0": 1000, "hw.power package-0": 100},
		},
		{
			name: "virtual machine", tree: "vm", change: everything,
			// 0.74 W * 2 CPUs * 10 s: /proc/stat stands still.
			want: map[string]float64{"hw.energy cpu": 14.8, "hw.power cpu": 1.48},
			attrs: map[string]map[string]any{
				"hw.energy cpu": {"hw.id": "cpu", "hw.type": "cpu", "hw.name": "AMD EPYC (estimated)", "energy.method": "model", "energy.scope": "package"},
			},
		},
		{
			name: "unreadable", tree: "unreadable",
			want: map[string]float64{"hw.energy cpu": 14.8},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := tree(t, tt.tree)
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, root, tt.change)
				begin := time.Now()
				require.NoError(t, r.Start(t.Context(), nil))
				synctest.Wait()
				for key, first := range r.latest(t) {
					assert.Zero(t, first.value, key)
					assert.True(t, begin.Equal(first.start) && begin.Equal(first.at), key)
				}

				for zone, raw := range tt.raw {
					write(t, energyFile(root, zone), raw+"\n")
				}
				time.Sleep(interval)
				synctest.Wait()
				got := r.latest(t)
				assert.InDeltaMapValues(t, tt.want, values(got), 1e-9)
				for key, p := range got {
					assert.True(t, begin.Equal(p.start), key)
					assert.Equal(t, interval, p.at.Sub(begin), key)
					assert.Equal(t, map[string]any{"host.id": "4c4c4544004a3510805ac7c04f4d3132", "host.name": "node-a"}, p.resource)
				}
				for key, want := range tt.attrs {
					assert.Equal(t, want, got[key].attrs, key)
				}
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

func TestVanishedZone(t *testing.T) {
	root := tree(t, "server")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, nil)
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		scrape := func() map[string]point {
			time.Sleep(interval)
			synctest.Wait()
			return r.latest(t)
		}
		lost, hidden := energyFile(root, "intel-rapl:0:0"), energyFile(root, "lost")
		write(t, lost, "12000000")
		require.InEpsilon(t, 10.0, scrape()["hw.energy package-0/dram"].value, 1e-12)

		require.NoError(t, os.MkdirAll(filepath.Dir(hidden), 0o755))
		require.NoError(t, os.Rename(lost, hidden))
		for range 3 {
			got := scrape()
			require.NotContains(t, got, "hw.energy package-0/dram", "no reading, no point")
			require.Contains(t, got, "hw.energy package-0")
		}
		require.Equal(t, 1, r.logs.FilterMessageSnippet("no points until it can").Len(), "a change is logged once")

		write(t, hidden, "45000000")
		require.NoError(t, os.Rename(hidden, lost))
		back := scrape()
		require.InEpsilon(t, 43.0, back["hw.energy package-0/dram"].value, 1e-12, "what it counted meanwhile is not lost")
		require.Equal(t, back["hw.energy package-0"].start, back["hw.energy package-0/dram"].start)
		require.Equal(t, 1, r.logs.FilterMessageSnippet("energy can be read").Len())
		r.assertSkipped(t, map[string]int64{"unreadable": 3})
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestReadingsThatDoNotCount(t *testing.T) {
	root := tree(t, "amd")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, nil)
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		file := energyFile(root, "intel-rapl:0")
		write(t, file, "60000000000") // 6 kW
		time.Sleep(interval)
		synctest.Wait()
		require.Equal(t, 1, r.sink.DataPointCount(), "no reading, no point")
		// The receiver's own reading, 6.4 s later, finds the same value: counting goes on from there.
		time.Sleep(interval * 7 / 10)
		write(t, file, "60100000000")
		time.Sleep(interval * 3 / 10)
		synctest.Wait()
		require.InEpsilon(t, 100.0, r.latest(t)["hw.energy package-0"].value, 1e-12)
		r.assertSkipped(t, map[string]int64{"implausible": 1, "rebased": 1})
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func (r *rig) assertSkipped(t *testing.T, want map[string]int64) {
	t.Helper()
	var dps []metricdata.DataPoint[int64]
	for reason, n := range want {
		dps = append(dps, metricdata.DataPoint[int64]{Value: n, Attributes: attribute.NewSet(attribute.String("reason", reason))})
	}
	metadatatest.AssertEqualHostenergyReadingsSkipped(t, r.telemetry, dps, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

// An administrator follows the advice in the log while the collector runs.
func TestAccessIsGranted(t *testing.T) {
	root := tree(t, "amd")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, nil)
		var granted sync.Mutex
		open := false
		r.reading(func(path string) ([]byte, error) {
			granted.Lock()
			defer granted.Unlock()
			if !open && filepath.Base(path) == "energy_uj" {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
			}
			return os.ReadFile(path)
		})
		require.NoError(t, r.Start(t.Context(), nil))
		time.Sleep(interval)
		synctest.Wait()
		require.InDeltaMapValues(t, map[string]float64{"hw.energy cpu": 14.8}, values(r.latest(t)), 1e-9)

		granted.Lock()
		open = true
		granted.Unlock()
		time.Sleep(interval)
		synctest.Wait()
		both := r.latest(t)
		require.InDeltaMapValues(t, map[string]float64{"hw.energy cpu": 29.6, "hw.energy package-0": 0}, values(both), 1e-9)
		require.Equal(t, both["hw.energy package-0"].start, both["hw.energy package-0"].at)
		require.Equal(t, 2*interval, both["hw.energy package-0"].start.Sub(both["hw.energy cpu"].start), "each starts at its own first reading")

		write(t, energyFile(root, "intel-rapl:0"), "17000000")
		time.Sleep(interval)
		synctest.Wait()
		require.Equal(t, map[string]float64{"hw.energy package-0": 10}, values(r.latest(t)), "the estimate ends where the measurement begins")
		require.Equal(t, 1, r.logs.FilterMessageSnippet("measured from here on").Len())
		require.Zero(t, r.logs.FilterMessageSnippet("no points until it can").Len(), "the start said it")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestNothingCanBeRead(t *testing.T) {
	root := tree(t, "vm")
	require.NoError(t, os.Remove(filepath.Join(root, "proc/stat")))
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, nil)
		require.NoError(t, r.Start(t.Context(), nil))
		time.Sleep(2 * interval)
		synctest.Wait()
		assert.Zero(t, r.sink.DataPointCount())
		assert.Equal(t, 1, r.logs.FilterMessageSnippet("no points until it can").Len())
		r.assertSkipped(t, map[string]int64{"unreadable": 3})
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestTimestampsNeverGoBack(t *testing.T) {
	var r reporter
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	first := r.timestamp(noon)
	assert.True(t, noon.Equal(first.AsTime()))
	second := r.timestamp(noon.Add(-time.Hour))
	assert.Greater(t, second, first)
	assert.True(t, noon.Add(time.Minute).Equal(r.timestamp(noon.Add(time.Minute)).AsTime()))
}

// Where a counter and the model exist, the model is fitted to the counter, and says how far it was off.
func TestModelIsCalibrated(t *testing.T) {
	const watts = 50
	root := tree(t, "amd")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Model.IdlePowerPerCPU, cfg.Model.MaxPowerPerCPU = 20, 100 }) // of two CPUs
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		for i := range 60 {
			write(t, energyFile(root, "intel-rapl:0"), strconv.Itoa(7_000_000+(i+1)*10*watts*1_000_000))
			time.Sleep(interval)
			synctest.Wait()
		}
		gauge := func(name string) map[string]float64 {
			got, err := r.telemetry.GetMetric(name)
			require.NoError(t, err)
			values := map[string]float64{}
			for _, dp := range got.Data.(metricdata.Gauge[float64]).DataPoints {
				which, _ := dp.Attributes.Value("model")
				values[which.AsString()] = dp.Value
			}
			return values
		}
		off := gauge("otelcol_hostenergy.model.error")
		assert.InDelta(t, 40.0/watts-1, off["table"], 0.01)
		assert.InDelta(t, 0, off["calibrated"], 0.02)
		assert.InDelta(t, watts, gauge("otelcol_hostenergy.cpu.idle_power")[""], 2)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}
