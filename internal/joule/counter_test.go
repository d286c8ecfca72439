// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package joule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCounter(t *testing.T) {
	type step struct {
		after   time.Duration
		raw     uint64
		outcome Outcome
		total   uint64
	}
	const kW = 1e6 // mJ/s
	for name, tc := range map[string]struct {
		counter Counter
		steps   []step
	}{
		"grows":               {Counter{}, []step{{0, 1000, First, 0}, {1, 1007, Counted, 7}, {1, 1007, Counted, 7}}},
		"golden: RAPL wraps":  {Counter{Range: 262143328850}, []step{{0, 262143000000, First, 0}, {1, 1000000, Wrapped, 1328850}}},
		"golden: 32-bit wrap": {Counter{Range: 1 << 32}, []step{{0, 4294967280, First, 0}, {1, 16, Wrapped, 32}}},
		"golden: NVML reset":  {Counter{MaxRate: kW}, []step{{0, 126272101025, First, 0}, {1, 1500, Reset, 1500}}},
		"a glitch costs nothing": {Counter{MaxRate: kW}, []step{
			{0, 1000, First, 0}, {time.Second, 500_000, Counted, 499_000}, {time.Second, 1 << 60, Rejected, 499_000}, {time.Second, 1_500_000, Counted, 1_499_000},
		}},
		"a missing reading is not a reset": {Counter{MaxRate: kW}, []step{
			{0, 5_000_000, First, 0}, {time.Second, 0, Rejected, 0}, {time.Second, 5_900_000, Counted, 900_000},
		}},
		"nor are two": {Counter{MaxRate: kW}, []step{
			{0, 5_000_000, First, 0}, {time.Second, 0, Rejected, 0}, {time.Second, 0, Rejected, 0}, {time.Second, 8_000_000, Counted, 3_000_000},
		}},
		"a reset seen at 0 loses nothing": {Counter{MaxRate: kW}, []step{
			{0, 5_000_000, First, 0}, {time.Second, 0, Rejected, 0}, {time.Second, 700_000, Reset, 700_000},
		}},
		"a jump that stays is not energy": {Counter{MaxRate: kW}, []step{
			{0, 1000, First, 0}, {time.Second, 1 << 50, Rejected, 0}, {time.Second, 1<<50 + 600_000, Rebased, 600_000}, {time.Second, 1<<50 + 900_000, Counted, 900_000},
		}},
		"a glitch that is read often is still one": {Counter{MaxRate: kW}, []step{
			{0, 1000, First, 0},
			{time.Second, 1 << 50, Rejected, 0},
			{100 * time.Millisecond, 1 << 50, Rejected, 0},
			{100 * time.Millisecond, 9000, Counted, 8000},
		}},
		"a fall to more than could be drawn is not a reset": {Counter{MaxRate: kW}, []step{
			{0, 9_000_000_000, First, 0}, {time.Second, 8_000_000_000, Rejected, 0}, {time.Second, 8_000_500_000, Rebased, 500_000},
		}},
		"a wrap may hide in a long gap": {Counter{Range: 65_000_000, MaxRate: kW}, []step{
			{0, 1000, First, 0}, {65 * time.Second, 9000, Gap, 0}, {time.Second, 10_000, Counted, 1000},
		}},
		"a clock that does not move": {Counter{MaxRate: kW}, []step{{0, 1000, First, 0}, {0, 2000, Counted, 1000}}},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Now()
			for i, s := range tc.steps {
				at = at.Add(s.after)
				require.Equal(t, s.outcome, tc.counter.Observe(s.raw, at), "step %d", i)
				require.Equal(t, s.total, tc.counter.Total(), "step %d", i)
			}
		})
	}
}

// A wrapping counter that is read often enough yields what was put in, whatever the phase.
func TestWrapLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counter{Range: rapid.Uint64Range(1000, 1<<32).Draw(t, "range")}
		base := rapid.Uint64Range(0, c.Range-1).Draw(t, "base")
		at := time.Now()
		c.Observe(base, at)
		var sum uint64
		for _, delta := range rapid.SliceOfN(rapid.Uint64Range(0, c.Range-1), 1, 50).Draw(t, "deltas") {
			sum += delta
			at = at.Add(time.Second)
			c.Observe((base+sum)%c.Range, at)
		}
		assert.Equal(t, sum, c.Total())
	})
}

// Whatever the driver says, the total never falls and never exceeds what the device can draw.
func TestTotalIsBoundedByPower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counter{MaxRate: 1000, Range: rapid.SampledFrom([]uint64{0, 1 << 32}).Draw(t, "range")}
		at := time.Now()
		start := at
		var before uint64
		for _, raw := range rapid.SliceOfN(rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 5000)), 1, 100).Draw(t, "readings") {
			at = at.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			c.Observe(raw, at)
			assert.GreaterOrEqual(t, c.Total(), before)
			before = c.Total()
			assert.LessOrEqual(t, float64(c.Total()), 1000*(1.5*at.Sub(start).Seconds()+0.5)+1e-6)
		}
	})
}
