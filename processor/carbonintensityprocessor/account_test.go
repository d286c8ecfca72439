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
	sees := horizon{watched: 100, forget: 1000}
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
			{reading{105, 110, 5}, booked, 5},
			{reading{105, 120, 8}, booked, 8},
		}},
		"a counter that starts while we watch and comes late is a base, and said": {start: 1106, steps: []step{
			{reading{105, 1106, 5}, silent, 0},
			{reading{105, 1120, 8}, booked, 3},
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
		"an earlier start again is a base, and said": {start: 110, steps: []step{
			{reading{50, 110, 1000}, opened, 0},
			{reading{115, 120, 3}, booked, 3},
			{reading{50, 130, 1013}, overlap, 3},
			{reading{50, 140, 1014}, booked, 4},
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
			joules := 0.0
			for i, s := range tc.steps {
				got, outcome := a.book(s.reading, sees)
				joules += got.joules
				require.Equal(t, s.booking, outcome, "step %d", i)
				require.Equal(t, s.joules, joules, "step %d", i) //nolint:testifylint // exact: nothing but sums of small integers
				require.True(t, i > 0 || got.from == tc.start, "it starts at %d", got.from)
				require.LessOrEqual(t, got.from, got.until, "step %d", i)
			}
		})
	}
}

// Whatever the counter does, what is booked never falls, and never exceeds all growth it showed.
func TestAccountIsMonotonicAndConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			a                     account
			growth, value, joules float64
			start, now            pcommon.Timestamp = 1, 10
			until                 pcommon.Timestamp
		)
		take := func(r reading) {
			s, _ := a.book(r, horizon{watched: 5, forget: 1000})
			assert.GreaterOrEqual(t, s.joules, 0.0)
			assert.True(t, s.joules == 0 || s.from >= until, "no time is booked twice")
			joules, until = joules+s.joules, max(until, s.until)
		}
		take(reading{start, now, value})
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
				take(reading{start, now, value})
			}
			value += more
			growth += more
			take(reading{start, now, value})
		}
		assert.InEpsilon(t, growth+1, joules+1, 1e-12)
	})
}
