// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"pgregory.net/rapid"
)

func TestAccount(t *testing.T) {
	const watched = 100
	type step struct {
		reading
		booking booking
		joules  float64
	}
	for name, tc := range map[string]struct {
		start pcommon.Timestamp
		steps []step
	}{
		"a counter that was there before is a base": {start: 110, steps: []step{
			{reading{50, 110, 1000}, opened, 0},
			{reading{50, 120, 1007}, booked, 7},
			{reading{50, 130, 1007}, booked, 7},
		}},
		"a counter of unknown start is a base": {start: 110, steps: []step{
			{reading{0, 110, 1000}, opened, 0},
			{reading{0, 120, 1007}, booked, 7},
		}},
		"a counter that starts while we watch counts whole": {start: 105, steps: []step{
			{reading{105, 110, 5}, openedWithBalance, 5},
			{reading{105, 120, 8}, booked, 8},
		}},
		"a counter that says it starts now is a base": {start: 110, steps: []step{
			{reading{110, 110, 0}, opened, 0},
			{reading{110, 120, 8}, booked, 8},
		}},
		"a reset with a known start loses nothing": {start: 110, steps: []step{
			{reading{50, 110, 1000}, opened, 0},
			{reading{50, 120, 1010}, booked, 10},
			{reading{125, 130, 3}, booked, 13},
			{reading{125, 140, 5}, booked, 15},
		}},
		"a reset that says it starts now is a base": {start: 110, steps: []step{
			{reading{50, 110, 1000}, opened, 0},
			{reading{125, 125, 2000}, booked, 0},
			{reading{125, 130, 2003}, booked, 3},
		}},
		"a fall without a start is a base, and said": {start: 110, steps: []step{
			{reading{0, 110, 1000}, opened, 0},
			{reading{0, 120, 1010}, booked, 10},
			{reading{0, 130, 4}, restarted, 10},
			{reading{0, 140, 6}, booked, 12},
		}},
		"a start before the last reading is a base, and said": {start: 110, steps: []step{
			{reading{50, 110, 1000}, opened, 0},
			{reading{50, 120, 1010}, booked, 10},
			{reading{115, 130, 500}, overlap, 10},
			{reading{115, 140, 501}, booked, 11},
		}},
		"an old reading changes nothing": {start: 110, steps: []step{
			{reading{50, 110, 1000}, opened, 0},
			{reading{50, 130, 1010}, booked, 10},
			{reading{50, 120, 1005}, outOfOrder, 10},
			{reading{50, 130, 1010}, booked, 10}, // sent again
			{reading{50, 140, 1011}, booked, 11},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var a account
			for i, s := range tc.steps {
				require.Equal(t, s.booking, a.book(s.reading, watched), "step %d", i)
				require.Equal(t, s.joules, a.joules(), "step %d", i) //nolint:testifylint // exact: nothing but sums of small integers
				require.Equal(t, tc.start, a.start, "step %d", i)
			}
		})
	}
}

// Whatever the counter does, what is booked never falls, and never exceeds all growth it showed.
func TestAccountIsMonotonicAndConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			a             account
			growth, value float64
			start, now    pcommon.Timestamp = 1, 10
			before        float64
		)
		a.book(reading{start, now, value}, 5)
		for range rapid.IntRange(1, 200).Draw(t, "readings") {
			now += pcommon.Timestamp(rapid.IntRange(0, 5).Draw(t, "elapsed"))
			more := rapid.Float64Range(0, 1e6).Draw(t, "joules")
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0: // driver reload with a known start
				now++
				start, value = now, 0
				now++
			case 1: // fall without a word
				value = 0
				a.book(reading{start, now, value}, 5)
			}
			value += more
			growth += more
			a.book(reading{start, now, value}, 5)
			assert.GreaterOrEqual(t, a.joules(), before)
			before = a.joules()
		}
		assert.InEpsilon(t, growth+1, a.joules()+1, 1e-12)
	})
}
