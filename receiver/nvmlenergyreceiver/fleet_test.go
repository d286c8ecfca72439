// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml/nvmltest"
)

// rarely has a GPU read once for each collection, 1.5 s before it.
func rarely(c *Config) { c.PollInterval = 10 * time.Second }

// What the counter of a GPU with a limit of 700 W shows, and what is told of it.
func TestEnergy(t *testing.T) {
	const none = -1.0
	type step struct {
		raw    uint64
		err    error
		joules float64
	}
	for name, tt := range map[string]struct {
		steps   []step
		skipped map[string]int64
		logged  []string
	}{
		"grows": {[]step{{126_272_101_025, nil, 0}, {126_272_601_026, nil, 500.001}, {126_272_601_026, nil, 500.001}}, map[string]int64{}, nil},
		"reset": {
			[]step{{5_000_000, nil, 0}, {6_000_000, nil, 1000}, {700_000, nil, 1700}, {800_000, nil, 1800}},
			map[string]int64{"reset": 1},
			[]string{"the energy counter of a GPU has started again at 0; what it drew between the last reading and that is not known"},
		},
		"implausible jump": {
			[]step{{5_000_000, nil, 0}, {1 << 60, nil, none}, {6_000_000, nil, 1000}},
			map[string]int64{"implausible": 1},
			[]string{"the energy counter of a GPU shows what it cannot have drawn: no energy of it until it makes sense", "GPU can be read again"},
		},
		"jump that stays": {
			[]step{{5_000_000, nil, 0}, {1 << 60, nil, none}, {1<<60 + 1_000_000, nil, 1000}},
			map[string]int64{"implausible": 1, "rebased": 1},
			[]string{
				"the energy counter of a GPU shows what it cannot have drawn: no energy of it until it makes sense",
				"the energy counter of a GPU has jumped, and counts on from there; the jump itself was not counted",
			},
		},
		"more than the limit allows":  {[]step{{0, nil, 0}, {700*15_500 + 1, nil, none}}, map[string]int64{"implausible": 1}, nil},
		"as much as the limit allows": {[]step{{0, nil, 0}, {700 * 15_500, nil, 10_850}}, map[string]int64{}, nil},
		"missing reading": {
			[]step{{5_000_000, nil, 0}, {0, nil, none}, {0, nil, none}, {8_000_000, nil, 3000}},
			map[string]int64{"implausible": 2},
			[]string{"the energy counter of a GPU shows what it cannot have drawn: no energy of it until it makes sense", "GPU can be read again"},
		},
		"failed reading": {
			[]step{{5_000_000, nil, 0}, {9, nvml.Unknown, none}, {9, nvml.Unknown, none}, {8_000_000, nil, 3000}},
			map[string]int64{"unreadable": 2},
			[]string{"GPU cannot be read", "GPU can be read again"},
		},
		"never supported": {
			[]step{{0, nvml.NotSupported, none}, {0, nvml.NotSupported, none}},
			map[string]int64{"unsupported": 2}, // neither the counter nor power
			[]string{"NVIDIA driver", "GPU found", "GPU cannot be read", "GPU cannot be read"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &nvmltest.GPU{ID: "GPU-a", Enforced: 500_000}
				d := nvmltest.New(g)
				apply := func(s step) {
					d.Set(func() { g.Millijoules = s.raw; g.Fail(nvml.SymbolEnergy, s.err) })
				}
				apply(tt.steps[0])
				begin := time.Now()
				h := run(t, d, rarely)
				if tt.steps[0].err == nil {
					require.Equal(t, map[string]measured{"GPU-a": {0, begin.UTC(), begin.UTC()}}, h.energy(), "the base")
					h.messages()
				}
				for i, s := range tt.steps[1:] {
					apply(s)
					h.tick()
					want := map[string]measured{}
					if s.joules != none {
						want["GPU-a"] = measured{s.joules, begin.UTC(), time.Now().Add(-firstCollection).UTC()}
					}
					require.Equal(t, want, h.energy(), "step %d", i+1)
				}
				assert.Equal(t, tt.skipped, h.skipped())
				if tt.logged != nil {
					assert.Equal(t, tt.logged, h.messages())
				}
			})
		})
	}
}

// Whatever the counter shows, the energy never falls, never grows by more than the GPU can draw, and
// nothing that was counted twice or invented gets in.
func TestEnergyNeverFalls(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		raws := rapid.SliceOfN(rapid.OneOf(
			rapid.Uint64Range(0, 10_000_000), rapid.Uint64Range(0, 50_000_000), rapid.Just(uint64(0)), rapid.Uint64(),
		), 1, 30).Draw(rt, "raws")
		lost := rapid.SliceOfN(rapid.Bool(), len(raws), len(raws)).Draw(rt, "lost")
		synctest.Test(t, func(t *testing.T) {
			g := &nvmltest.GPU{ID: "GPU-a", Enforced: 500_000}
			d := nvmltest.New(g)
			h := run(t, d, nil)
			last := h.energy()["GPU-a"]
			for i, raw := range raws {
				changed := time.Now()
				d.Set(func() {
					g.Millijoules = raw
					g.Fail(nvmltest.All, nil)
					if lost[i] {
						g.Fail(nvmltest.All, nvml.GPUIsLost)
					}
				})
				h.tick()
				now, ok := h.energy()["GPU-a"]
				require.False(t, ok && lost[i] && now.at.After(changed), "a point of a lost GPU")
				if !ok {
					continue
				}
				require.Equal(t, last.start, now.start)
				require.True(t, now.at.After(last.at))
				require.GreaterOrEqual(t, now.joules, last.joules)
				require.LessOrEqual(t, now.joules-last.joules, 700*(1.5*now.at.Sub(last.at).Seconds()+0.5))
				last = now
			}
		})
	})
}

func TestLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a", Millijoules: 5_000_000}
		d := nvmltest.New(g)
		h := run(t, d, nil)
		require.Equal(t, "ok", h.status("GPU-a"))
		h.messages()

		d.Set(func() { g.Fail(nvmltest.All, nvml.GPUIsLost) })
		time.Sleep(time.Second)
		synctest.Wait()
		metrics, err := h.scrape(t.Context())
		require.NoError(t, err)
		require.Equal(t, "degraded", statusOf(t, metrics, "GPU-a"), "one failure is none")
		h.tick()
		h.tick()
		require.Empty(t, h.energy())
		require.Equal(t, "failed", h.status("GPU-a"))
		require.Equal(t, []string{"GPU cannot be read", "GPU is lost: no points of it until it is back", "no NVIDIA GPU can be read: no points until one can"}, h.messages())

		d.Set(func() { g.Fail(nvmltest.All, nil); g.Millijoules = 9_000_000 })
		h.tick()
		h.tick()
		require.Equal(t, map[string]float64{"GPU-a": 4000}, h.joules())
		require.Equal(t, "ok", h.status("GPU-a"))
		require.Equal(t, []string{"GPU is back", "GPU can be read again"}, h.messages())
	})
}

func TestIndicesShift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := &nvmltest.GPU{ID: "GPU-a"}, &nvmltest.GPU{ID: "GPU-b", Millijoules: 1_000_000}, &nvmltest.GPU{ID: "GPU-c", Millijoules: 2_000_000}
		d := nvmltest.New(a, b, c)
		h := run(t, d, nil)
		grow := func() {
			d.Set(func() { a.Millijoules += 1000; b.Millijoules += 2000; c.Millijoules += 3000 })
			h.tick()
		}
		grow()
		require.Equal(t, map[string]float64{"GPU-a": 1, "GPU-b": 2, "GPU-c": 3}, h.joules())
		h.messages()

		d.Detach(a)
		grow()
		require.Equal(t, map[string]float64{"GPU-b": 4, "GPU-c": 6}, h.joules())
		require.Equal(t, []string{"GPU cannot be read", "GPU is lost: no points of it until it is back"}, h.messages())

		// It returns at another index, beside a new one.
		e := &nvmltest.GPU{ID: "GPU-e", Millijoules: 7}
		d.Attach(e, 1)
		d.Attach(a, 3)
		for range 7 { // the time between two searches has grown, to at most a minute
			grow()
		}
		require.Equal(t, map[string]float64{"GPU-a": 9, "GPU-b": 18, "GPU-c": 27, "GPU-e": 0}, h.joules())
		require.ElementsMatch(t, []string{"GPU found", "GPU is back", "GPU can be read again"}, h.messages())
		require.Equal(t, 1, d.Calls(nvml.SymbolInit), "the others were never given up")
	})
}

func TestGPUsAppear(t *testing.T) {
	for name, tt := range map[string]struct {
		absent, present func(*nvmltest.Driver, *nvmltest.GPU)
		text            string
	}{
		"no library": {
			func(d *nvmltest.Driver, _ *nvmltest.GPU) {
				d.Errors = map[string]error{nvml.SymbolInit: errors.New("no library")}
			},
			func(d *nvmltest.Driver, _ *nvmltest.GPU) { d.Errors = nil }, "nvmlInit_v2: no library",
		},
		"no GPU": {
			func(d *nvmltest.Driver, _ *nvmltest.GPU) { d.GPUs = nil },
			func(d *nvmltest.Driver, g *nvmltest.GPU) { d.GPUs = []*nvmltest.GPU{g} }, errNoGPU.Error(),
		},
		"no count": {
			func(d *nvmltest.Driver, _ *nvmltest.GPU) {
				d.Errors = map[string]error{nvml.SymbolCount: nvml.DriverNotLoaded}
			},
			func(d *nvmltest.Driver, _ *nvmltest.GPU) { d.Errors = nil },
			"nvmlDeviceGetCount_v2: the NVIDIA kernel driver is not loaded (NVML error 9)",
		},
		"no permission": {
			func(_ *nvmltest.Driver, g *nvmltest.GPU) { g.Fail(nvml.SymbolHandle, nvml.NoPermission) },
			func(_ *nvmltest.Driver, g *nvmltest.GPU) { g.Fail(nvml.SymbolHandle, nil) },
			"GPU 0: nvmlDeviceGetHandleByIndex_v2: no permission; give the collector access to /dev/nvidia* (NVML error 4)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &nvmltest.GPU{ID: "GPU-a"}
				d := nvmltest.New(g)
				tt.absent(d, g)
				h := run(t, d, nil)
				for range 60 {
					h.tick()
					require.Zero(t, h.sink.DataPointCount())
				}
				entries := h.logs.FilterMessage("no NVIDIA GPU can be read: no points until one can").TakeAll()
				require.Len(t, entries, 1, "said once")
				assert.Equal(t, tt.text, entries[0].ContextMap()["error"])
				assert.LessOrEqual(t, d.Calls(nvml.SymbolInit), 16, "10 minutes: 1, 2, 4 ... 60 s")
				assert.Empty(t, h.skipped())

				h.logs.TakeAll()
				d.Set(func() { tt.present(d, g) })
				for range 7 {
					h.tick()
				}
				assert.Len(t, h.energy(), 1)
				assert.Contains(t, h.messages(), "GPU found")
			})
		})
	}
}

// A GPU that cannot be opened, or hangs when it is, beside one that can.
func TestStranger(t *testing.T) {
	for name, hang := range map[string]bool{"fails": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := &nvmltest.GPU{ID: "GPU-b"}
				d := nvmltest.New(bad, &nvmltest.GPU{ID: "GPU-a"})
				if hang {
					d.Hang(bad)
				} else {
					bad.Fail(nvml.SymbolHandle, nvml.GPUIsLost)
				}
				h := run(t, d, nil)
				require.Contains(t, h.energy(), "GPU-a", "one that is well waits for none that is not")
				for range 30 {
					h.tick()
				}
				require.Len(t, h.energy(), 1)
				require.Equal(t, []string{"NVIDIA driver", "GPU found", "GPUs cannot be opened: no points of them until they can"}, h.firstMessages(3))
				if hang {
					require.Equal(t, 2, d.Calls(nvml.SymbolHandle), "one look at a time")
				}
				d.Set(func() { bad.Fail(nvml.SymbolHandle, nil) })
				d.Unhang(bad)
				for range 7 {
					h.tick()
				}
				require.Len(t, h.energy(), 2)
			})
		})
	}
}

// A driver that was taken away under the receiver: it is initialised again, and no handle from
// before is used.
func TestDriverReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &nvmltest.GPU{ID: "GPU-a", Millijoules: 9_000_000}, &nvmltest.GPU{ID: "GPU-b", Millijoules: 8_000_000}
		d := nvmltest.New(a, b)
		h := run(t, d, nil)
		d.Detach(a)
		d.Detach(b)
		d.Set(func() { d.Errors = map[string]error{nvml.SymbolInit: nvml.DriverNotLoaded} })
		h.tick()
		h.tick()
		require.Empty(t, h.energy())
		d.Attach(a, 0)
		d.Attach(b, 0)
		d.Set(func() { d.Errors, a.Millijoules, b.Millijoules = nil, 1000, 2000 })
		for range 3 {
			h.tick()
		}
		require.Equal(t, map[string]float64{"GPU-a": 1, "GPU-b": 2}, h.joules())
		require.True(t, d.Opened())
	})
}

// The driver cannot count its GPUs any more while the handles are good: they are used.
func TestDriverCannotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &nvmltest.GPU{ID: "GPU-a"}
		d := nvmltest.New(g)
		h := run(t, d, nil)
		d.Set(func() { d.Errors, g.Millijoules = map[string]error{nvml.SymbolCount: nvml.Unknown}, 1000 })
		for range 8 {
			h.tick()
		}
		require.Equal(t, map[string]float64{"GPU-a": 1}, h.joules())
		require.Equal(t, []string{"NVIDIA driver", "GPU found", "GPUs cannot be opened: no points of them until they can"}, h.messages())
	})
}

// One GPU hangs each minute of an hour, and another is lost as often: no goroutine is left of it.
func TestNothingGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick, lost := &nvmltest.GPU{ID: "GPU-a"}, &nvmltest.GPU{ID: "GPU-b"}
		d := nvmltest.New(sick, lost)
		h := run(t, d, nil)
		var settled int
		for minute := range 60 {
			d.Hang(sick)
			d.Detach(lost)
			for range 3 {
				h.tick()
			}
			d.Unhang(sick)
			d.Attach(lost, 1)
			for range 3 {
				h.tick()
			}
			if minute == 0 {
				settled = runtime.NumGoroutine()
			}
		}
		require.Len(t, h.energy(), 2)
		require.Equal(t, settled, runtime.NumGoroutine())
	})
}

// One GPU hangs for an hour, again and again: nobody else is delayed, and nothing piles up.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, other := &nvmltest.GPU{ID: "GPU-a"}, &nvmltest.GPU{ID: "GPU-b"}
		d := nvmltest.New(g, other)
		h := run(t, d, nil)
		for round := range uint64(3) {
			d.Hang(g)
			time.Sleep(time.Second)
			synctest.Wait()
			calls := d.Calls(nvml.SymbolEnergy)
			for i := range uint64(360) {
				d.Set(func() { other.Millijoules += 1000 })
				h.tick()
				require.InDelta(t, float64(360*round+i+1), h.joules()["GPU-b"], 0)
				require.True(t, i == 0 || len(h.energy()) == 1, "nothing is made up of the other")
			}
			require.Equal(t, "degraded", h.status("GPU-a"))
			require.Equal(t, "ok", h.status("GPU-b"))
			require.InDelta(t, 3600, d.Calls(nvml.SymbolEnergy)-calls, 2, "of the other alone")
			d.Set(func() { g.Millijoules += 5000 })
			d.Unhang(g)
			h.tick()
			require.InDelta(t, float64(5*(round+1)), h.joules()["GPU-a"], 0, "nothing is lost by it")
		}
		require.InDelta(t, 3*360, h.skipped()["hung"], 3)
		begin := time.Now()
		_, err := h.scrape(t.Context())
		require.NoError(t, err)
		require.Zero(t, time.Since(begin), "a scrape waits for nothing")
	})
}
