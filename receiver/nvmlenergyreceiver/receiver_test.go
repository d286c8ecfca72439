// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml/nvmltest"
)

func TestPoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, nvmltest.New(&nvmltest.GPU{ID: "GPU-a"}), nil)
		metrics := h.sink.AllMetrics()[0]
		require.Equal(t, 1, metrics.ResourceMetrics().Len())
		assert.Equal(t, map[string]any{"host.id": "machine", "host.name": "node"}, metrics.ResourceMetrics().At(0).Resource().Attributes().AsRaw())
		assert.Equal(t, map[string]bool{"hw.energy": true, "hw.status": true}, names(metrics))
		metric := metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
		assert.Equal(t, "J", metric.Unit())
		assert.True(t, metric.Sum().IsMonotonic())
		assert.Equal(t, pmetric.AggregationTemporalityCumulative, metric.Sum().AggregationTemporality())
		assert.Equal(t, map[string]any{
			"hw.id": "GPU-a", "hw.type": "gpu", "hw.name": "NVIDIA Fake", "energy.method": "counter", "energy.scope": "gpu",
		}, metric.Sum().DataPoints().At(0).Attributes().AsRaw())
	})
}

func names(metrics pmetric.Metrics) map[string]bool {
	found := map[string]bool{}
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				found[m.Name()] = true
			}
		}
	}
	return found
}

func TestOptionalMetrics(t *testing.T) {
	vitalSymbols := []string{
		nvml.SymbolTemperature, nvml.SymbolUtilization, nvml.SymbolEncoder, nvml.SymbolDecoder, nvml.SymbolMemory,
		nvml.SymbolClock, nvml.SymbolEventReasons,
	}
	for metric, tt := range map[string]struct {
		enable  func(*Config)
		symbols []string
		want    []float64
	}{
		"hw.power":       {func(c *Config) { c.Metrics.Metrics.HwPower.Enabled = true }, nil, []float64{350}},
		"hw.temperature": {func(c *Config) { c.Metrics.Metrics.HwTemperature.Enabled = true }, []string{nvml.SymbolTemperature}, []float64{55}},
		"hw.gpu.utilization": {
			func(c *Config) { c.Metrics.Metrics.HwGpuUtilization.Enabled = true },
			[]string{nvml.SymbolUtilization, nvml.SymbolEncoder, nvml.SymbolDecoder},
			[]float64{0.42, 0.03, 0.04},
		},
		"hw.gpu.memory.usage":       {func(c *Config) { c.Metrics.Metrics.HwGpuMemoryUsage.Enabled = true }, []string{nvml.SymbolMemory}, []float64{2 << 30}},
		"hw.gpu.memory.limit":       {func(c *Config) { c.Metrics.Metrics.HwGpuMemoryLimit.Enabled = true }, []string{nvml.SymbolMemory}, []float64{8 << 30}},
		"hw.gpu.memory.utilization": {func(c *Config) { c.Metrics.Metrics.HwGpuMemoryUtilization.Enabled = true }, []string{nvml.SymbolMemory}, []float64{0.25}},
		"nvidia.gpu.clock.frequency": {
			func(c *Config) { c.Metrics.Metrics.NvidiaGpuClockFrequency.Enabled = true },
			[]string{nvml.SymbolClock},
			[]float64{1.98e9, 1.98e9, 2.619e9, 1.5e9},
		},
		"nvidia.gpu.throttled": {
			func(c *Config) { c.Metrics.Metrics.NvidiaGpuThrottled.Enabled = true },
			[]string{nvml.SymbolEventReasons},
			[]float64{0, 1, 0, 0, 0, 1},
		},
	} {
		t.Run(metric, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &nvmltest.GPU{
					ID: "GPU-a", Utilization: nvml.Utilization{GPU: 42}, Encoder: 3, Decoder: 4, Temperature: 55,
					Memory:     nvml.Memory{Used: 2 << 30, Total: 8 << 30},
					Clocks:     map[nvml.Clock]uint32{nvml.GraphicsClock: 1980, nvml.SMClock: 1980, nvml.MemoryClock: 2619, nvml.VideoClock: 1500},
					Throttling: 0x44, // power cap and heat
				}
				d := nvmltest.New(g)
				h := run(t, d, func(c *Config) {
					rarely(c)
					tt.enable(c)
				})
				d.Set(func() { g.Millijoules = 3_500_000 })
				h.tick()
				var got []float64
				for _, dp := range h.last(metric) {
					got = append(got, dp.DoubleValue()+float64(dp.IntValue()))
					id, _ := dp.Attributes().Get("hw.id")
					assert.Equal(t, "GPU-a", id.Str())
				}
				assert.ElementsMatch(t, tt.want, got)
				for _, symbol := range vitalSymbols {
					calls := 0
					for _, s := range tt.symbols {
						if s == symbol {
							calls = 2
						}
					}
					if symbol == nvml.SymbolClock {
						calls *= 4
					}
					assert.Equal(t, calls, d.Calls(symbol), "%s: once for each collection, and not if it is off", symbol)
				}
				if tt.symbols == nil {
					return
				}
				h.messages()
				for _, err := range []error{nvml.FunctionNotFound, nvml.FunctionNotFound, nil} {
					d.Set(func() { g.Fail(tt.symbols[0], err) })
					h.tick()
					assert.Equal(t, err == nil, len(h.last(metric)) == len(tt.want))
					assert.Len(t, h.last("hw.energy"), 1)
				}
				messages := h.messages()
				calls := len(messages) / 2 // each of which fails once and is well once
				assert.Equal(t, append(slices.Repeat([]string{"GPU cannot be read"}, calls), slices.Repeat([]string{"GPU can be read again"}, calls)...), messages)
				assert.NotZero(t, h.skipped()["unsupported"])
			})
		})
	}
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a"}
		d := nvmltest.New(g)
		h := run(t, d, nil)
		require.Empty(t, h.last("hw.errors"))
		d.Push(g, nvml.Event{Xid: 79}, nvml.Event{Xid: 48}, nvml.Event{Xid: 48}, nvml.Event{MIGChanged: true})
		h.tick()
		got := map[int64]int64{}
		for _, dp := range h.last("hw.errors") {
			xid, _ := dp.Attributes().Get("nvidia.xid")
			kind, _ := dp.Attributes().Get("error.type")
			assert.Equal(t, "uncorrected", kind.Str())
			got[xid.Int()] = dp.IntValue()
		}
		require.Equal(t, map[int64]int64{48: 2, 79: 1}, got)
	})
}

func TestErrorsCostNothingWhenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nvmltest.New(&nvmltest.GPU{ID: "GPU-a"})
		h := run(t, d, func(c *Config) { c.Metrics.Metrics.HwErrors.Enabled = false })
		h.tick()
		require.Zero(t, d.Calls(nvml.SymbolEventWait))
		require.Zero(t, d.Calls(nvml.SymbolComputeProcesses), "nor do processes")
		require.Zero(t, d.Calls(nvml.SymbolProcessUtilization))
	})
}

// While a change of MIG mode is pending, the driver is let go, so that the change can be made.
func TestMIGPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a", Slices: 7}
		d := nvmltest.New(g, &nvmltest.GPU{ID: "GPU-b"})
		h := run(t, d, nil)
		h.tick()
		require.True(t, d.Opened())
		d.Set(func() { g.MIGPending = true; g.Millijoules = 5000 })
		time.Sleep(seldom)
		synctest.Wait()
		require.False(t, d.Opened())
		time.Sleep(25 * time.Second)
		require.False(t, d.Opened(), "for 30 s")
		d.Set(func() { g.MIGCurrent = true })
		h.tick()
		h.tick()
		require.True(t, d.Opened())
		require.InDelta(t, 5, h.joules()["GPU-a"], 0)
		require.Contains(t, h.messages(), "a change of MIG mode is pending: the driver is let go, so that the GPU can be reset")

		// One that nobody completes is not waited for endlessly.
		d.Set(func() { g.MIGCurrent = false })
		time.Sleep(15 * time.Minute)
		before := d.Calls(nvml.SymbolInit)
		time.Sleep(4 * time.Minute)
		require.Equal(t, before, d.Calls(nvml.SymbolInit))
		require.True(t, d.Opened())
	})
}

func TestMIGPendingIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nvmltest.New(&nvmltest.GPU{ID: "GPU-a", Slices: 7, MIGPending: true})
		h := run(t, d, func(c *Config) { c.ReleaseHandles = releaseNever })
		h.tick()
		require.True(t, d.Opened())
		require.Zero(t, d.Calls(nvml.SymbolMIGMode))
	})
}

// A suspend is seen by the clocks.
func TestSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slept time.Duration
		g := &nvmltest.GPU{ID: "GPU-a", Average: map[nvml.Scope]uint32{nvml.GPU: 100_000}}
		g.Fail(nvml.SymbolEnergy, nvml.NotSupported)
		d := nvmltest.New(g)
		h := newHarness(t, newConfig(nil), d)
		h.common.suspended = func() (s time.Duration) {
			d.Set(func() { s = slept })
			return s
		}
		require.NoError(t, h.Start(t.Context(), componenttest.NewNopHost()))
		time.Sleep(firstCollection)
		h.tick()
		before := h.joules()["GPU-a"]
		d.Set(func() { slept = time.Hour })
		h.tick()
		require.InDelta(t, before+900, h.joules()["GPU-a"], 1e-9, "one second is not known")
		require.Contains(t, h.messages(), "the machine was suspended")
		require.NoError(t, h.Shutdown(t.Context()))
	})
}

func TestGPUWithoutCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a", Average: map[nvml.Scope]uint32{nvml.GPU: 100_000}}
		g.Fail(nvml.SymbolEnergy, nvml.NotSupported)
		h := run(t, nvmltest.New(g), nil)
		h.tick()
		points := h.last("hw.energy")
		require.Len(t, points, 1, "no counter of 0 J")
		method, _ := points[0].Attributes().Get("energy.method")
		require.Equal(t, "integrated", method.Str())
		require.InDelta(t, 1000, points[0].DoubleValue(), 101)
	})
}

// Two GPUs that show the energy of the one module they are on: it counts once.
func TestModuleCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		module := uint32(3)
		gpu := func(id string) *nvmltest.GPU {
			return &nvmltest.GPU{
				ID: id, Module: &module, Average: map[nvml.Scope]uint32{nvml.GPU: 100_000, nvml.Module: 300_000}, Maximum: 1_000_000,
				Counter: func() uint64 { return uint64(300 * time.Since(began).Milliseconds()) },
			}
		}
		h := run(t, nvmltest.New(gpu("GPU-a"), gpu("GPU-b")), nil)
		require.Empty(t, h.energy(), "it is not known yet what the counter covers")
		others := machine.Others("/", nil)
		require.Len(t, others, 1)
		_, decided := others[0].Devices()
		require.False(t, decided)
		h.tick()
		points := h.last("hw.energy")
		require.Len(t, points, 2, "its first 0, and the first value")
		scope, _ := points[1].Attributes().Get("energy.scope")
		require.Equal(t, "module", scope.Str())
		require.InDelta(t, 3000, points[1].DoubleValue(), 301)
		devices, decided := others[0].Devices()
		require.True(t, decided)
		require.Len(t, devices, 1)
		require.True(t, devices[0].Module)
		require.InDelta(t, 3000, float64(devices[0].Millijoules)/1000, 301)
		require.NoError(t, h.Shutdown(t.Context()))
		require.Empty(t, machine.Others("/", nil))
	})
}

func TestHangAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, other := &nvmltest.GPU{ID: "GPU-a"}, &nvmltest.GPU{ID: "GPU-b"}
		d := nvmltest.New(g, other)
		h := run(t, d, nil)
		d.Hang(g)
		time.Sleep(2 * time.Second)
		d.Set(func() { other.Millijoules = 7000 })
		h.messages()
		begin := time.Now()
		require.NoError(t, h.Shutdown(t.Context()))
		assert.LessOrEqual(t, time.Since(begin), patience)
		assert.Equal(t, []string{"a call to the driver is left behind; what that GPU used since its last reading is not delivered"}, h.messages())
		assert.InDelta(t, 7, h.joules()["GPU-b"], 0, "that of the others is")
		d.Unhang(g)
		synctest.Wait()
	})
}

func TestHangAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nvmltest.New(&nvmltest.GPU{ID: "GPU-a"})
		d.Hang(nil)
		h := newHarness(t, newConfig(nil), d)
		begin := time.Now()
		require.NoError(t, h.Start(t.Context(), componenttest.NewNopHost()))
		assert.Zero(t, time.Since(begin))
		require.NoError(t, h.Shutdown(t.Context()))
		d.Unhang(nil)
		synctest.Wait()
	})
}

func TestRequired(t *testing.T) {
	for name, tt := range map[string]struct {
		d    *nvmltest.Driver
		want string
	}{
		"no driver": {
			&nvmltest.Driver{Errors: map[string]error{nvml.SymbolInit: nvml.DriverNotLoaded}},
			"required: no NVIDIA GPU can be read: nvmlInit_v2: the NVIDIA kernel driver is not loaded (NVML error 9)",
		},
		"no GPU":       {nvmltest.New(), "required: no NVIDIA GPU can be read: the NVIDIA driver has no GPU"},
		"not built in": {&nvmltest.Driver{Errors: map[string]error{nvml.SymbolInit: nvml.ErrBuiltWithout}}, "required: no NVIDIA GPU can be read: nvmlInit_v2: " + nvml.ErrBuiltWithout.Error()},
		"a GPU":        {nvmltest.New(&nvmltest.GPU{ID: "GPU-a"}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, newConfig(func(c *Config) { c.Required = true }), tt.d)
				err := h.Start(t.Context(), componenttest.NewNopHost())
				if tt.want == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tt.want)
				}
				require.NoError(t, h.Shutdown(t.Context()))
				require.False(t, tt.d.Opened())
			})
		})
	}
}

func TestRequiredHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := nvmltest.New(&nvmltest.GPU{ID: "GPU-a"})
		d.Hang(nil)
		h := newHarness(t, newConfig(func(c *Config) { c.Required = true }), d)
		err := h.Start(t.Context(), componenttest.NewNopHost())
		require.EqualError(t, err, "required: no NVIDIA GPU can be read: the NVIDIA driver does not answer: nvmlInit_v2 has been running for 5s")
		d.Unhang(nil)
		require.NoError(t, h.Shutdown(t.Context()))
	})
}

func TestRootPathIsChecked(t *testing.T) {
	h := newHarness(t, newConfig(func(c *Config) { c.Host.RootPath = "/nonexistent" }), nvmltest.New())
	require.ErrorContains(t, h.Start(t.Context(), componenttest.NewNopHost()), "root_path")
	require.NoError(t, h.Shutdown(t.Context()))
}

func TestIdleForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &nvmltest.Driver{Errors: map[string]error{nvml.SymbolInit: nvml.ErrBuiltWithout}}
		h := run(t, d, nil)
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"the receiver is idle"}, h.messages())
		assert.Equal(t, 1, d.Calls(nvml.SymbolInit), "what was not built in does not appear")
		assert.Zero(t, h.sink.DataPointCount())
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		g := &nvmltest.GPU{ID: "GPU-a", Millijoules: 1000}
		d := nvmltest.New(g)
		h := run(t, d, nil)
		h.tick()
		time.Sleep(3 * time.Second)
		d.Set(func() { g.Millijoules = 3500 })
		require.NoError(t, h.Shutdown(t.Context()))
		assert.Equal(t, map[string]measured{"GPU-a": {2.5, begin.UTC(), begin.Add(14*time.Second + 500*time.Millisecond).UTC()}}, h.energy(),
			"what was drawn since the last collection")
		assert.False(t, d.Opened(), "the driver is closed")
		require.NoError(t, h.Shutdown(t.Context()), "again")
		assert.Len(t, h.sink.AllMetrics(), 3)
	})
}

func TestShutdownWithoutStart(t *testing.T) {
	d := nvmltest.New()
	h := newHarness(t, newConfig(nil), d)
	require.NoError(t, h.Shutdown(t.Context()))
	require.NoError(t, h.Shutdown(t.Context()))
	require.Zero(t, d.Calls(nvml.SymbolInit))
}
