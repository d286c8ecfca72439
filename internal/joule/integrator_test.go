// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package joule

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestIntegrator(t *testing.T) {
	type step struct {
		after      time.Duration
		milliwatts uint32
		outcome    Outcome
		total      uint64
	}
	for name, tc := range map[string]struct {
		integrator Integrator
		steps      []step
	}{
		"trapezoid":               {Integrator{}, []step{{0, 100_000, First, 0}, {time.Second, 300_000, Counted, 200_000}}},
		"mean of the time before": {Integrator{Mean: true}, []step{{0, 100_000, First, 0}, {time.Second, 300_000, Counted, 300_000}}},
		"less than a millijoule is kept": {Integrator{}, []step{
			{0, 1, First, 0}, {400 * time.Millisecond, 1, Counted, 0}, {400 * time.Millisecond, 1, Counted, 0}, {400 * time.Millisecond, 1, Counted, 1}, {800 * time.Millisecond, 1, Counted, 2},
		}},
		"so is half a picojoule": {Integrator{}, []step{{0, 0, First, 0}, {1, 1, Counted, 0}, {1, 999_999_999, Counted, 0}, {1, 1_000_000_000, Counted, 1}}},
		"a gap adds nothing": {Integrator{MaxGap: time.Second}, []step{
			{0, 1000, First, 0}, {time.Second, 1000, Counted, 1000}, {time.Second + 1, 1000, Gap, 1000}, {time.Second, 3000, Counted, 3000},
		}},
		"the same or an earlier time": {Integrator{}, []step{
			{0, 1000, First, 0}, {0, 9000, Rejected, 0}, {-time.Second, 9000, Rejected, 0}, {3 * time.Second, 1000, Counted, 2000},
		}},
		"centuries of megawatts": {Integrator{}, []step{{0, math.MaxUint32, First, 0}, {math.MaxInt64, math.MaxUint32, Gap, 0}, {time.Second, math.MaxUint32, Counted, math.MaxUint32}}},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i, s := range tc.steps {
				at = at.Add(s.after)
				require.Equal(t, s.outcome, tc.integrator.Observe(s.milliwatts, at), "step %d", i)
				require.Equal(t, s.total, tc.integrator.Total(), "step %d", i)
			}
		})
	}
}

func TestIntegratorBreak(t *testing.T) {
	var i Integrator
	at := time.Now()
	i.Observe(1000, at)
	i.Break()
	assert.Equal(t, First, i.Observe(1000, at.Add(time.Hour)))
	assert.Equal(t, Counted, i.Observe(1000, at.Add(time.Hour+time.Second)))
	assert.EqualValues(t, 1000, i.Total())
}

func TestIntegratorNeverWraps(t *testing.T) {
	i := Integrator{total: math.MaxUint64 - 10}
	at := time.Now()
	i.Observe(1000, at)
	assert.Equal(t, Gap, i.Observe(1000, at.Add(time.Second)))
	assert.Equal(t, uint64(math.MaxUint64-10), i.Total())
}

// Readings of a power that is linear between its knots integrate to exactly its energy, wherever
// else it was read as well.
func TestIntegratorIsTheIntegral(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var i Integrator
		at := time.Now()
		power := rapid.Uint32Range(0, math.MaxUint32/2).Draw(t, "power")
		require.Equal(t, First, i.Observe(power, at))
		halves := new(big.Int) // of a picojoule
		for range rapid.IntRange(1, 30).Draw(t, "pieces") {
			reads := rapid.Int64Range(1, 10).Draw(t, "reads")
			step := time.Duration(rapid.OneOf(rapid.Int64Range(1, 1e11), rapid.Int64Range(1, 9)).Draw(t, "step"))
			slope := rapid.Int64Range(-int64(power)/reads, (math.MaxUint32-int64(power))/reads).Draw(t, "slope")
			end := uint32(int64(power) + slope*reads)
			halves.Add(halves, new(big.Int).Mul(big.NewInt(int64(power)+int64(end)), big.NewInt(int64(step)*reads)))
			for range reads {
				at = at.Add(step)
				power = uint32(int64(power) + slope)
				require.Equal(t, Counted, i.Observe(power, at))
			}
		}
		require.Equal(t, new(big.Int).Div(halves, big.NewInt(2e9)).Uint64(), i.Total())
	})
}

// The mean of each second is what the device integrated itself: rectangles restore it exactly.
func TestIntegratorOfMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Integrator{Mean: true}
		at := time.Now()
		i.Observe(rapid.Uint32().Draw(t, "first"), at)
		var want uint64
		for _, mean := range rapid.SliceOf(rapid.Uint32()).Draw(t, "means") {
			at = at.Add(time.Second)
			want += uint64(mean)
			require.Equal(t, Counted, i.Observe(mean, at))
		}
		require.Equal(t, want, i.Total())
	})
}

func TestIntegratorTakesWhateverTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Integrator{MaxGap: time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "gap")), Mean: rapid.Bool().Draw(t, "mean")}
		at := time.Now()
		var before uint64
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.Int64().Draw(t, "after")))
			i.Observe(rapid.Uint32().Draw(t, "power"), at)
			require.GreaterOrEqual(t, i.Total(), before)
			before = i.Total()
		}
	})
}

func TestOf(t *testing.T) {
	assert.EqualValues(t, 900_000, Of(90_000, 10*time.Second))
	assert.EqualValues(t, 0, Of(1, time.Second-1))
	assert.EqualValues(t, 0, Of(1000, -time.Second))
	assert.Equal(t, uint64(math.MaxUint64), Of(math.MaxUint32, math.MaxInt64))
}

func TestCounterRestore(t *testing.T) {
	at := time.Now()
	c := Counter{MaxRate: 1e6}
	c.Observe(1, at)
	c.Observe(1<<60, at.Add(time.Second)) // suspect
	c.Restore(5_000_000, 700_000, at.Add(-time.Minute).Round(0))
	assert.EqualValues(t, 5_000_000, c.Total())
	assert.Equal(t, Counted, c.Observe(30_700_000, at), "what was counted while nobody looked")
	assert.EqualValues(t, 35_000_000, c.Total())

	c.Restore(5_000_000, 30_700_000, at.Add(-time.Minute).Round(0))
	assert.Equal(t, Reset, c.Observe(700_000, at))
	assert.EqualValues(t, 5_700_000, c.Total())
}
