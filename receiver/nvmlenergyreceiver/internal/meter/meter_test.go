// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// anyBoard is under a load of any period and phase.
func anyBoard(t *rapid.T) *board {
	b := h100()
	b.low = rapid.Uint32Range(20_000, 200_000).Draw(t, "low")
	b.high = rapid.Uint32Range(b.low, min(10*b.low, 700_000)).Draw(t, "high")
	b.period = time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(20*time.Second)).Draw(t, "period"))
	b.duty = rapid.Float64Range(0.1, 0.9).Draw(t, "duty")
	b.phase = time.Duration(rapid.Int64Range(int64(time.Minute), int64(2*time.Minute)).Draw(t, "phase"))
	b.update = time.Duration(rapid.Int64Range(10, 100).Draw(t, "update")) * time.Millisecond
	return b
}

// Whatever the schedule of the polls, what is counted is what the counter has published, and that is never
// further from the truth than one update at full power.
func TestCounterIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBoard(t)
		m := meterOf(b)
		now := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "begin"))
		b.poll(m, now)
		first, begin := b.shown(now), now
		for range rapid.IntRange(1, 50).Draw(t, "polls") {
			// 0 is a duplicate; the rest goes from 1 ms to 60 s.
			now += time.Duration(rapid.SampledFrom([]int64{0, 1, 7, 100, 999, 1000, 1013, 10_000, 60_000}).Draw(t, "gap")) * time.Millisecond
			o := b.poll(m, now)
			assert.True(t, o.Booked)
			assert.Equal(t, Counter, m.Source())
			assert.Equal(t, Growth{Counter: b.shown(now) - first}, m.Totals())
			truth := b.energyTo(now) - b.energyTo(begin)
			assert.InDelta(t, truth, float64(m.Totals().Counter), b.update.Seconds()*float64(b.high)+2)
		}
	})
}

func TestAverageIsWithinTwoPercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBoard(t)
		b.noCounter, b.noSamples = true, true
		m := meterOf(b)
		wished := time.Duration(rapid.Int64Range(50, 60_000).Draw(t, "poll")) * time.Millisecond
		length := time.Duration(rapid.Int64Range(60, 300).Draw(t, "length")) * time.Second
		var begin, end time.Duration
		b.run(m, 0, length+2*time.Second, wished, func(o Outcome) {
			if o.Booked {
				end = b.now
				if begin == 0 {
					begin = b.now
				}
			}
		})
		require.Equal(t, Average, m.Source())
		require.Zero(t, m.Totals().Counter)
		assert.InEpsilon(t, b.energyTo(end)-b.energyTo(0), float64(m.Totals().Integrated), 0.02, "from %v", begin)
		stated, ok := m.Uncertainty()
		assert.True(t, ok)
		assert.InDelta(t, 0.02, stated, 1e-9)
	})
}

// The momentary power of a sensor that sees a quarter of the time is wrong by much under some loads. It says so.
func TestInstantIsWithinItsUncertainty(t *testing.T) {
	var worst float64
	rapid.Check(t, func(t *rapid.T) {
		b := anyBoard(t)
		b.noCounter, b.noSamples, b.noAverage = true, true, true
		if rapid.Bool().Draw(t, "locked") {
			b.period = b.update // the sensor always sees the same quarter
		}
		m := meterOf(b)
		b.run(m, 0, 62*time.Second, time.Second, nil)
		require.Equal(t, Instant, m.Source())
		stated, ok := m.Uncertainty()
		require.True(t, ok)
		truth := b.energyTo(b.now) - b.energyTo(0)
		wrong := (float64(m.Totals().Integrated) - truth) / float64(m.Totals().Integrated)
		worst = max(worst, wrong, -wrong)
		assert.InDelta(t, 0, wrong, stated+0.02)
	})
	assert.Greater(t, worst, 0.2, "or else the sensor is not what it should be")
}

func TestSamples(t *testing.T) {
	for name, spacing := range map[string]time.Duration{"fast ring": 20 * time.Millisecond, "slow ring": time.Second} {
		t.Run(name, func(t *testing.T) {
			b := h100()
			b.noCounter, b.spacing, b.phase = true, spacing, time.Hour
			m := meterOf(b)
			b.run(m, 0, 100*time.Second, 10*time.Second, func(o Outcome) { assert.False(t, o.Gap) })
			assert.Equal(t, Samples, m.Source())
			assert.InEpsilon(t, b.energyTo(100*time.Second), float64(m.Totals().Integrated), 0.02)
		})
	}
}

func TestNoSourceIsNoEnergy(t *testing.T) {
	b := h100()
	b.noCounter, b.noSamples, b.noAverage, b.noInstant = true, true, true, true
	m := meterOf(b)
	b.run(m, 0, time.Minute, time.Second, func(o Outcome) { assert.False(t, o.Booked, "never a confident 0") })
	assert.Equal(t, None, m.Source())

	b.noAverage = false
	b.run(m, time.Minute, 3*time.Minute, time.Second, nil)
	assert.Equal(t, Average, m.Source(), "it is looked for again")
}

// faults are what happens to a counter, and what should come of it.
func TestFaults(t *testing.T) {
	const end = 5 * time.Minute
	for name, tt := range map[string]struct {
		fault      func(*board)
		integrated bool // power had to stand in
		forGood    bool // and does so at the end
		within     float64
	}{
		"none":                     {func(*board) {}, false, false, 0.001},
		"stuck, and goes on":       {func(b *board) { b.stuck, b.unstuck = time.Minute, 2*time.Minute }, true, false, 0.01},
		"stuck, and catches up":    {func(b *board) { b.stuck, b.unstuck, b.catchUp = time.Minute, 2*time.Minute, true }, true, false, 0.01},
		"stuck for good":           {func(b *board) { b.stuck, b.unstuck = time.Minute, time.Hour }, true, true, 0.02},
		"stuck for a moment":       {func(b *board) { b.stuck, b.unstuck, b.catchUp = time.Minute, time.Minute+4*time.Second, true }, false, false, 0.001},
		"stuck from the beginning": {func(b *board) { b.stuck, b.unstuck = 1, time.Hour }, true, true, 0.02},
		"a glitch":                 {func(b *board) { b.glitch, b.glitchEnd = time.Minute, time.Minute+time.Second }, false, false, 0.001},
		"a reset":                  {func(b *board) { b.reset = time.Minute }, false, false, 0.01},
		"fails for a while": {func(b *board) {
			b.failing = func(t time.Duration) error {
				if t > time.Minute && t < 2*time.Minute {
					return nvml.Unknown
				}
				return nil
			}
		}, true, false, 0.01},
		"fails from the beginning": {func(b *board) { b.failing = func(time.Duration) error { return nvml.Unknown } }, true, true, 0.02},
	} {
		for fallback, without := range map[string]func(*board){
			"samples": func(*board) {}, "average": func(b *board) { b.noSamples = true },
		} {
			t.Run(name+"/"+fallback, func(t *testing.T) {
				b := h100()
				tt.fault(b)
				without(b)
				m := meterOf(b)
				var last uint64
				b.run(m, 0, end, time.Second, func(o Outcome) {
					total := m.Totals().Counter + m.Totals().Integrated
					assert.GreaterOrEqual(t, total, last)
					assert.LessOrEqual(t, float64(total), (b.now.Seconds()*1.5+1)*float64(b.limit))
					last = total
				})
				assert.InEpsilon(t, b.energyTo(end), float64(last), tt.within)
				assert.Equal(t, tt.integrated, m.Totals().Integrated > 0, "%+v", m.Totals())
				assert.Equal(t, tt.forGood, m.Source() != Counter, "%v", m.Source())
			})
		}
	}
}

// A counter that is wrong by a factor is found out; one that is right is not suspected.
func TestDisagreement(t *testing.T) {
	for _, gain := range []float64{1, 0.57, 1.3} {
		b := h100()
		m := meterOf(b)
		checked := 0
		for now := time.Duration(0); now < 5*time.Minute; now += time.Second {
			b.now = now
			r := m.Read(b, b.time)
			r.Raw = uint64(float64(r.Raw) * gain)
			if m.Book(r).Checked {
				checked++
			}
		}
		ratio, ok := m.Disagreement()
		require.True(t, ok)
		assert.InDelta(t, gain-1, ratio, 0.02)
		assert.Equal(t, 4, checked, "each minute")
	}
}

// With a gain and an offset that are known, the truth comes out to 0.1 %.
func TestCalibration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gain := rapid.Float64Range(0.8, 1.2).Draw(t, "gain")
		offset := rapid.Float64Range(-20_000, 20_000).Draw(t, "offset") // mW
		b := h100()
		m := &Meter{}
		m.Attach(ReadLimits(b), Calibration{Gain: gain, Offset: offset})
		var before uint64
		for now := time.Duration(0); now <= 10*time.Minute; now += time.Second {
			b.now = now
			r := m.Read(b, b.time)
			r.Raw = uint64((b.energyTo(now) - offset*now.Seconds()) / gain)
			m.Book(r)
			assert.GreaterOrEqual(t, m.Totals().Counter, before)
			before = m.Totals().Counter
		}
		assert.InEpsilon(t, b.energyTo(10*time.Minute), float64(before), 0.001)
	})
}

func TestScope(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*board)
		want   bool
	}{
		"a GPU":                              {func(*board) {}, false},
		"a module with a counter of its own": {func(b *board) { b.module, b.counterModule = 250_000, true }, true},
		"a module with a counter of the GPU": {func(b *board) { b.module = 250_000 }, false},
		"a module with no power of the GPU":  {func(b *board) { b.module, b.noInstant = 250_000, true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := h100()
			tt.change(b)
			m := meterOf(b)
			b.run(m, 0, 7*time.Second, time.Second, nil)
			assert.True(t, m.Ready())
			assert.Equal(t, tt.want, m.Module())
		})
	}
}

// A restart costs nothing while the counter lives, and the truth is never exceeded.
func TestRestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBoard(t)
		m := meterOf(b)
		b.poll(m, 0)
		first := b.shown(0)
		now := time.Duration(0)
		for range rapid.IntRange(1, 10).Draw(t, "restarts") {
			now += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "until"))
			b.poll(m, now)
			content, err := json.Marshal(m.State())
			require.NoError(t, err)
			var kept State
			require.NoError(t, json.Unmarshal(content, &kept))
			restored := Restored(kept, true)
			m = &restored
			m.Attach(ReadLimits(b), Calibration{})
			require.Equal(t, b.shown(now)-first, m.Totals().Counter)
		}
		b.poll(m, now+time.Minute)
		assert.Equal(t, b.shown(now+time.Minute)-first, m.Totals().Counter)
	})
}

// After a boot the counter has begun at 0: what it shows is what was used since.
// A process that is killed before it has read anything leaves behind what it found.
func TestRestartTwice(t *testing.T) {
	found := State{Totals: Growth{Counter: 5000}, Raw: 9_000_000, RawAt: time.Unix(1_700_000_000, 0)}
	m := Restored(found, true)
	require.Equal(t, found, m.State())
}

func TestRestartWithAnotherDriver(t *testing.T) {
	b := h100()
	m := meterOf(b)
	b.poll(m, 0)
	b.poll(m, time.Minute)
	before := m.Totals().Counter
	restored := Restored(m.State(), false)
	m = &restored
	b.reset = 2 * time.Minute
	m.Attach(ReadLimits(b), Calibration{})
	b.poll(m, time.Hour)
	assert.Equal(t, before+b.shown(time.Hour), m.Totals().Counter)
}

// A state that claims more than the board can have drawn since is not believed.
func TestRestartIsBounded(t *testing.T) {
	b := h100()
	restored := Restored(State{Raw: 5, RawAt: began}, true)
	m := &restored
	m.Attach(ReadLimits(b), Calibration{})
	o := b.poll(m, time.Second)
	assert.False(t, o.Booked)
	b.run(m, 2*time.Second, time.Minute, time.Second, nil)
	assert.InEpsilon(t, b.energyTo(time.Minute), float64(m.Totals().Counter), 0.05, "and it counts from there")
}

// Power is not bridged over a suspend.
func TestSuspend(t *testing.T) {
	b := h100()
	b.noCounter, b.noSamples = true, true
	m := meterOf(b)
	b.run(m, 0, time.Minute, time.Second, nil)
	before := m.Totals().Integrated
	m.Suspended()
	b.poll(m, time.Minute+time.Second)
	assert.Equal(t, before, m.Totals().Integrated)
	b.poll(m, time.Minute+2*time.Second)
	assert.Greater(t, m.Totals().Integrated, before)
}

func TestReadCostsNothingThatIsNotDue(t *testing.T) {
	b := h100()
	m := meterOf(b)
	b.run(m, 0, time.Second, 10*time.Millisecond, nil)
	b.now = time.Second + 10*time.Millisecond
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		b.now += time.Microsecond
		m.Book(m.Read(b, b.time))
	}))
}
