// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

func TestPoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDriver{gpus: []*fakeGPU{{id: "GPU-a"}}}
		h := run(t, d, nil)
		metrics := h.sink.AllMetrics()[0]
		require.Equal(t, 1, metrics.ResourceMetrics().Len())
		assert.Equal(t, map[string]any{"host.id": "machine", "host.name": "node"}, metrics.ResourceMetrics().At(0).Resource().Attributes().AsRaw())
		metric := metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
		assert.Equal(t, 1, metrics.DataPointCount(), "hw.energy alone by default")
		assert.Equal(t, "hw.energy", metric.Name())
		assert.Equal(t, "J", metric.Unit())
		assert.True(t, metric.Sum().IsMonotonic())
		assert.Equal(t, pmetric.AggregationTemporalityCumulative, metric.Sum().AggregationTemporality())
		assert.Equal(t, map[string]any{
			"hw.id": "GPU-a", "hw.type": "gpu", "hw.name": "NVIDIA Fake", "energy.method": "counter", "energy.scope": "gpu",
		}, metric.Sum().DataPoints().At(0).Attributes().AsRaw())
	})
}

func TestOptionalMetrics(t *testing.T) {
	for metric, tt := range map[string]struct {
		enable func(*Config)
		symbol string
		want   any
	}{
		"hw.power":                  {func(c *Config) { c.Metrics.Metrics.HwPower.Enabled = true }, "", 350.0},
		"hw.temperature":            {func(c *Config) { c.Metrics.Metrics.HwTemperature.Enabled = true }, symbolTemperature, int64(55)},
		"hw.gpu.utilization":        {func(c *Config) { c.Metrics.Metrics.HwGpuUtilization.Enabled = true }, symbolUtilization, 0.42},
		"hw.gpu.memory.usage":       {func(c *Config) { c.Metrics.Metrics.HwGpuMemoryUsage.Enabled = true }, symbolMemory, int64(2 << 30)},
		"hw.gpu.memory.limit":       {func(c *Config) { c.Metrics.Metrics.HwGpuMemoryLimit.Enabled = true }, symbolMemory, int64(8 << 30)},
		"hw.gpu.memory.utilization": {func(c *Config) { c.Metrics.Metrics.HwGpuMemoryUtilization.Enabled = true }, symbolMemory, 0.25},
	} {
		t.Run(metric, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGPU{id: "GPU-a", errs: map[string]error{}}
				d := &fakeDriver{gpus: []*fakeGPU{g}}
				h := run(t, d, tt.enable)
				d.set(func() { g.raw = 3_500_000 })
				h.tick()
				points := h.last(metric)
				require.Len(t, points, 1)
				if number, ok := tt.want.(float64); ok {
					assert.InDelta(t, number, points[0].DoubleValue(), 1e-9)
				} else {
					assert.Equal(t, tt.want, points[0].IntValue())
				}
				id, _ := points[0].Attributes().Get("hw.id")
				assert.Equal(t, "GPU-a", id.Str())
				for _, symbol := range []string{symbolTemperature, symbolUtilization, symbolMemory} {
					if symbol == tt.symbol {
						assert.Equal(t, 2, d.called(symbol), "once for each collection")
					} else {
						assert.Zero(t, d.called(symbol), "what is off is not asked for")
					}
				}
				if tt.symbol == "" {
					return
				}
				h.messages()
				for _, err := range []error{functionNotFound, functionNotFound, nil} {
					d.set(func() { g.errs[tt.symbol] = err })
					h.tick()
					assert.Equal(t, err == nil, len(h.last(metric)) == 1)
					assert.Len(t, h.last("hw.energy"), 1)
				}
				assert.Equal(t, []string{"GPU cannot be read: no points of this kind until it can", "GPU can be read again"}, h.messages())
				assert.Equal(t, map[string]int64{"unsupported": 2}, h.skipped())
			})
		})
	}
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, other := &fakeGPU{id: "GPU-a"}, &fakeGPU{id: "GPU-b"}
		d := &fakeDriver{gpus: []*fakeGPU{g, other}, unhang: make(chan struct{})}
		h := run(t, d, nil)
		scrape := func() (points int, waited time.Duration, err error) {
			begin := time.Now()
			metrics, err := h.scrape(t.Context())
			return metrics.DataPointCount(), time.Since(begin), err
		}
		d.set(func() { g.hangs = true })
		points, waited, err := scrape()
		require.EqualError(t, err, "the NVIDIA driver does not answer: nvmlDeviceGetTotalEnergyConsumption of GPU-a has been running for 5s")
		require.Zero(t, points)
		require.Equal(t, 5*time.Second, waited)

		_, waited, err = scrape()
		require.ErrorContains(t, err, "has been running for 5s")
		require.Zero(t, waited, "there is no patience left with this call")
		h.tick()
		require.Equal(t, int64(2*3), h.skipped()["hung"], "both GPUs, in two scrapes here and one of the controller")
		require.Equal(t, 3, d.called(symbolEnergy), "no call is made beside the one that hangs")

		d.set(func() { g.hangs = false; g.raw, other.raw = 5000, 6000 })
		close(d.unhang)
		h.tick()
		require.Equal(t, map[string]float64{"GPU-a": 5, "GPU-b": 6}, h.joules(), "nothing is lost by it")
	})
}

func TestHangAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGPU{id: "GPU-a"}
		d := &fakeDriver{gpus: []*fakeGPU{g}, unhang: make(chan struct{})}
		h := run(t, d, nil)
		d.set(func() { g.hangs = true })
		time.Sleep(11 * time.Second) // into the next scrape
		h.messages()
		begin := time.Now()
		require.NoError(t, h.Shutdown(t.Context()))
		assert.LessOrEqual(t, time.Since(begin), patience)
		assert.Subset(t, h.messages(), []string{"the energy since the last collection is not delivered", "a call to the driver is left behind"})
		close(d.unhang)
		synctest.Wait()
		assert.Zero(t, d.opened, "what was left behind still closes the driver when it can")
	})
}

func TestHangAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDriver{gpus: []*fakeGPU{{id: "GPU-a", hangs: true}}, unhang: make(chan struct{})}
		h := newHarness(t, newConfig(nil), d)
		begin := time.Now()
		require.NoError(t, h.Start(t.Context(), componenttest.NewNopHost()))
		assert.Zero(t, time.Since(begin))
		require.NoError(t, h.Shutdown(t.Context()))
		close(d.unhang)
		synctest.Wait()
	})
}

func TestSlowDriverIsNoHungDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDriver{gpus: []*fakeGPU{{id: "GPU-a"}, {id: "GPU-b"}, {id: "GPU-c"}}}
		h := newHarness(t, newConfig(func(c *Config) { c.Required = true }), slowDriver{d})
		require.NoError(t, h.Start(t.Context(), componenttest.NewNopHost()))
		require.NoError(t, h.Shutdown(t.Context()))
		require.Len(t, h.energy(), 3)
	})
}

// slowDriver needs 4 s for each GPU that it opens.
type slowDriver struct{ *fakeDriver }

func (d slowDriver) device(index int) (device, error) {
	time.Sleep(4 * time.Second)
	return d.fakeDriver.device(index)
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDriver{gpus: []*fakeGPU{{id: "GPU-a", hangs: true}}, unhang: make(chan struct{})}
		h := run(t, d, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := h.scrape(ctx)
		require.ErrorContains(t, err, "has been running for 2s")
		d.set(func() { d.gpus[0].hangs = false })
		close(d.unhang)
	})
}

func TestRequired(t *testing.T) {
	for name, tt := range map[string]struct {
		d    *fakeDriver
		want string
	}{
		"no driver":    {&fakeDriver{openErr: driverNotLoaded}, "required: no NVIDIA GPU can be read: the NVIDIA kernel driver is not loaded (NVML error 9)"},
		"no GPU":       {&fakeDriver{}, "required: no NVIDIA GPU can be read: the NVIDIA driver has no GPU"},
		"not built in": {&fakeDriver{openErr: errBuiltWithout}, "required: no NVIDIA GPU can be read: " + errBuiltWithout.Error()},
		"a GPU":        {&fakeDriver{gpus: []*fakeGPU{{id: "GPU-a"}}}, ""},
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
				require.Zero(t, tt.d.opened)
			})
		})
	}
}

func TestRootPathIsChecked(t *testing.T) {
	h := newHarness(t, newConfig(func(c *Config) { c.Host.RootPath = "/nonexistent" }), &fakeDriver{})
	require.ErrorContains(t, h.Start(t.Context(), componenttest.NewNopHost()), "root_path")
	require.NoError(t, h.Shutdown(t.Context()))
}

func TestIdleForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDriver{openErr: errBuiltWithout}
		h := run(t, d, nil)
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"the receiver is idle"}, h.messages())
		assert.Equal(t, 1, d.called(symbolInit), "what was not built in does not appear")
		assert.Zero(t, h.sink.DataPointCount())
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGPU{id: "GPU-a", raw: 1000}
		d := &fakeDriver{gpus: []*fakeGPU{g}}
		h := run(t, d, nil)
		h.tick()
		time.Sleep(3 * time.Second)
		d.set(func() { g.raw = 3500 })
		require.NoError(t, h.Shutdown(t.Context()))
		assert.Equal(t, map[string]point{"GPU-a": {2.5, time.Now().Add(-13 * time.Second).UTC(), time.Now().UTC()}}, h.energy(),
			"what was drawn since the last collection")
		assert.Zero(t, d.opened, "the driver is closed")
		require.NoError(t, h.Shutdown(t.Context()), "again")
		assert.Len(t, h.sink.AllMetrics(), 3)
	})
}

func TestShutdownWithoutStart(t *testing.T) {
	d := &fakeDriver{}
	h := newHarness(t, newConfig(nil), d)
	require.NoError(t, h.Shutdown(t.Context()))
	require.NoError(t, h.Shutdown(t.Context()))
	require.Empty(t, d.calls)
}

func TestFailureIsWorded(t *testing.T) {
	require.EqualError(t, gpuIsLost, "the GPU is lost (NVML error 15)")
	require.EqualError(t, failure(999), "failed (NVML error 999)")
}
