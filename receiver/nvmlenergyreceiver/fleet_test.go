// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// One GPU with a limit of 700 W is read every 10 s.
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
			[]string{"the energy counter of a GPU shows what it cannot have drawn: no points until it makes sense", "GPU can be read again"},
		},
		"jump that stays": {
			[]step{{5_000_000, nil, 0}, {1 << 60, nil, none}, {1<<60 + 1_000_000, nil, 1000}},
			map[string]int64{"implausible": 1, "rebased": 1},
			[]string{
				"the energy counter of a GPU shows what it cannot have drawn: no points until it makes sense",
				"the energy counter of a GPU has jumped, and counts on from there; the jump itself was not counted", "GPU can be read again",
			},
		},
		"more than the limit allows": {[]step{{0, nil, 0}, {700*15_500 + 1, nil, none}}, map[string]int64{"implausible": 1}, nil},
		"as much as the limit allows": {
			[]step{{0, nil, 0}, {700 * 15_500, nil, 10_850}}, map[string]int64{}, nil,
		},
		"missing reading": {
			[]step{{5_000_000, nil, 0}, {0, nil, none}, {0, nil, none}, {8_000_000, nil, 3000}},
			map[string]int64{"implausible": 2},
			[]string{"the energy counter of a GPU shows what it cannot have drawn: no points until it makes sense", "GPU can be read again"},
		},
		"failed reading": {
			[]step{{5_000_000, nil, 0}, {9, failure(999), none}, {9, failure(999), none}, {8_000_000, nil, 3000}},
			map[string]int64{"unreadable": 2},
			[]string{"GPU cannot be read: no points of this kind until it can", "GPU can be read again"},
		},
		"never supported": {
			[]step{{0, notSupported, none}, {0, notSupported, none}},
			map[string]int64{"unsupported": 2},
			[]string{"GPU found", "GPU cannot be read: no points of this kind until it can"},
		},
		"lost and back": {
			[]step{{5_000_000, nil, 0}, {9, gpuIsLost, none}, {9, gpuIsLost, none}, {9_000_000, nil, 4000}},
			map[string]int64{"lost": 2},
			[]string{"GPU is lost: no points of it until it is back", "no NVIDIA GPU can be read: no points until one can", "GPU is back"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGPU{id: "GPU-a", errs: map[string]error{}}
				d := &fakeDriver{gpus: []*fakeGPU{g}}
				apply := func(s step) func() {
					return func() {
						g.raw, g.errs[symbolEnergy] = s.raw, s.err
						// What is lost cannot be opened either, and becomes so at once.
						g.errs[symbolHandle] = nil
						if errors.Is(s.err, gpuIsLost) {
							g.errs[symbolHandle] = s.err
						}
					}
				}
				d.set(apply(tt.steps[0]))
				h := run(t, d, nil)
				start := time.Now()
				if tt.steps[0].err == nil {
					require.Equal(t, map[string]point{"GPU-a": {0, start.UTC(), start.UTC()}}, h.energy(), "the base")
					h.messages()
				}
				for i, s := range tt.steps[1:] {
					// The GPU changes right after a reading, so that a lost one is found before the next.
					d.set(apply(s))
					h.tick()
					want := map[string]point{}
					if s.joules != none {
						want["GPU-a"] = point{s.joules, start.UTC(), time.Now().UTC()}
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
			g := &fakeGPU{id: "GPU-a", errs: map[string]error{}}
			d := &fakeDriver{gpus: []*fakeGPU{g}}
			h := run(t, d, nil)
			last := h.energy()["GPU-a"]
			for i, raw := range raws {
				d.set(func() {
					g.raw = raw
					g.errs[symbolEnergy] = nil
					if lost[i] {
						g.errs[symbolEnergy] = gpuIsLost
					}
				})
				h.tick()
				now, ok := h.energy()["GPU-a"]
				require.False(t, ok && lost[i], "a point of a lost GPU")
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

func TestIndicesShift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := &fakeGPU{id: "GPU-a"}, &fakeGPU{id: "GPU-b", raw: 1_000_000}, &fakeGPU{id: "GPU-c", raw: 2_000_000}
		d := &fakeDriver{gpus: []*fakeGPU{a, b, c}}
		h := run(t, d, nil)
		grow := func() {
			d.set(func() { a.raw, b.raw, c.raw = a.raw+1000, b.raw+2000, c.raw+3000 })
			h.tick()
		}
		grow()
		require.Equal(t, map[string]float64{"GPU-a": 1, "GPU-b": 2, "GPU-c": 3}, h.joules())
		h.messages()

		d.set(func() { d.detach(a) })
		grow()
		require.Equal(t, map[string]float64{"GPU-b": 4, "GPU-c": 6}, h.joules())
		require.Equal(t, []string{"GPU is lost: no points of it until it is back"}, h.messages())

		// It returns at another index, beside a new one.
		e := &fakeGPU{id: "GPU-e", raw: 7}
		d.set(func() { d.gpus = append([]*fakeGPU{c, e}, b, a) })
		for range 7 { // the time between two searches has grown, to at most a minute
			grow()
		}
		require.Equal(t, map[string]float64{"GPU-a": 9, "GPU-b": 18, "GPU-c": 27, "GPU-e": 0}, h.joules())
		require.Equal(t, []string{"GPU found", "GPU is back"}, h.messages())
		require.Equal(t, 1, d.called(symbolInit), "the others were never given up")
	})
}

func TestLossIsNoticedByAnyCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGPU{id: "GPU-a", errs: map[string]error{symbolTemperature: gpuIsLost}}
		d := &fakeDriver{gpus: []*fakeGPU{g}}
		h := run(t, d, func(c *Config) { c.Metrics.Metrics.HwTemperature.Enabled = true })
		require.Len(t, h.last("hw.energy"), 1)
		require.Equal(t, []string{"GPU found", "GPU is lost: no points of it until it is back"}, h.messages())
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"GPU is back"}, h.messages())
	})
}

func TestGPUsAppear(t *testing.T) {
	for name, tt := range map[string]struct {
		absent, present func(*fakeDriver)
		text            string
	}{
		"no library": {
			func(d *fakeDriver) { d.openErr = errors.New("no library") },
			func(d *fakeDriver) { d.openErr = nil }, "no library",
		},
		"no GPU": {
			func(d *fakeDriver) { d.gpus = nil },
			func(d *fakeDriver) { d.gpus = []*fakeGPU{{id: "GPU-a"}} }, errNoGPU.Error(),
		},
		"no count": {
			func(d *fakeDriver) { d.countErr = driverNotLoaded },
			func(d *fakeDriver) { d.countErr = nil }, "nvmlDeviceGetCount_v2: the NVIDIA kernel driver is not loaded (NVML error 9)",
		},
		"no permission": {
			func(d *fakeDriver) { d.gpus[0].errs = map[string]error{symbolHandle: noPermission} },
			func(d *fakeDriver) { d.gpus[0].errs = nil },
			"GPU 0: nvmlDeviceGetHandleByIndex_v2: no permission; give the collector access to /dev/nvidia* (NVML error 4)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &fakeDriver{gpus: []*fakeGPU{{id: "GPU-a"}}}
				tt.absent(d)
				h := run(t, d, nil)
				for range 60 {
					h.tick()
					require.Zero(t, h.sink.DataPointCount())
				}
				entries := h.logs.TakeAll()
				require.Len(t, entries, 1, "said once")
				assert.Equal(t, tt.text, entries[0].ContextMap()["error"])
				assert.LessOrEqual(t, d.called(symbolInit), 16, "10 minutes: 1, 2, 4 ... 60 s")
				assert.Empty(t, h.skipped())

				d.set(func() { tt.present(d) })
				for range 6 {
					h.tick()
				}
				assert.Len(t, h.energy(), 1)
				assert.Equal(t, []string{"GPU found"}, h.messages())
			})
		})
	}
}

// A GPU that cannot be opened beside one that can.
func TestStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &fakeGPU{id: "GPU-b", errs: map[string]error{symbolHandle: gpuIsLost}}
		d := &fakeDriver{gpus: []*fakeGPU{bad, {id: "GPU-a"}}}
		h := run(t, d, nil)
		for range 30 {
			h.tick()
		}
		require.Len(t, h.energy(), 1)
		require.Equal(t, []string{"GPU found", "GPUs cannot be opened: no points of them until they can"}, h.messages())
		d.set(func() { bad.errs = nil })
		for range 6 {
			h.tick()
		}
		require.Len(t, h.energy(), 2)
	})
}

// A driver that was taken away under the receiver: it is initialised again, and no handle from
// before is used.
func TestDriverReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &fakeGPU{id: "GPU-a", raw: 9_000_000}, &fakeGPU{id: "GPU-b", raw: 8_000_000}
		d := &fakeDriver{gpus: []*fakeGPU{a, b}}
		h := run(t, d, nil)
		d.set(func() { d.detach(a); d.detach(b); d.openErr = driverNotLoaded })
		h.tick()
		h.tick()
		require.Empty(t, h.energy())
		d.set(func() { d.gpus, d.openErr, a.raw, b.raw = []*fakeGPU{b, a}, nil, 1000, 2000 })
		for range 3 {
			h.tick()
		}
		require.Equal(t, map[string]float64{"GPU-a": 1, "GPU-b": 2}, h.joules())
		require.Equal(t, 1, d.opened)
	})
}

// The driver fails as a whole while the handles look good: none of them is used until it is open again.
func TestDriverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGPU{id: "GPU-a"}
		d := &fakeDriver{gpus: []*fakeGPU{g}}
		h := run(t, d, nil)
		d.set(func() { d.countErr, g.raw = failure(999), 1000 })
		for range 8 {
			h.tick()
		}
		require.Empty(t, h.energy())
		require.Equal(t, []string{"GPU found", "no NVIDIA GPU can be read: no points until one can"}, h.messages())
		require.NotContains(t, h.skipped(), "unreadable")
		d.set(func() { d.countErr = nil })
		for range 6 {
			h.tick()
		}
		require.Equal(t, map[string]float64{"GPU-a": 1}, h.joules())
	})
}

func TestMaxRate(t *testing.T) {
	for _, tt := range []struct {
		lacks []string
		want  float64
	}{
		{nil, 700_000},
		{[]string{symbolMaxPowerLimit}, 600_000},
		{[]string{symbolEnforcedPowerLimit}, 700_000},
		{[]string{symbolMaxPowerLimit, symbolEnforcedPowerLimit}, 2_000_000},
	} {
		g := &fakeGPU{errs: map[string]error{}}
		for _, symbol := range tt.lacks {
			g.errs[symbol] = notSupported
		}
		assert.InDelta(t, tt.want, maxRate(&fakeDevice{driver: &fakeDriver{}, gpu: g}), 0, "%v", tt.lacks)
	}
}
