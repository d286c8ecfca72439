// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package analysis turns readings of a GPU's sensors into the figures that the hardware check reports. It
// is arithmetic only: no driver, no clock.
package analysis

import "sort"

// Point is a value of a sensor at a time. T is in seconds of any one clock.
type Point struct{ T, V float64 }

// Series is points by rising time.
type Series []Point

// Between are the points with from <= T <= to.
func (s Series) Between(from, to float64) Series {
	first := sort.Search(len(s), func(i int) bool { return s[i].T >= from })
	last := sort.Search(len(s), func(i int) bool { return s[i].T > to })
	if first >= last {
		return nil
	}
	return s[first:last]
}

// Changes are the points whose value differs from the one before.
func (s Series) Changes() Series {
	var changes Series
	for i := 1; i < len(s); i++ {
		if s[i].V != s[i-1].V {
			changes = append(changes, s[i])
		}
	}
	return changes
}

// Decimate is what a poll with that period would have seen: of each period, the first point.
func (s Series) Decimate(period float64) Series {
	var kept Series
	for _, p := range s {
		// A point that comes a hundredth of a period early is still of this poll.
		if len(kept) == 0 || p.T >= s[0].T+period*(float64(len(kept))-0.01) {
			kept = append(kept, p)
		}
	}
	return kept
}

// Interval is a span of time during which the GPU worked.
type Interval struct{ From, To float64 }

// Busy is the time within [from, to] that the intervals cover. They must not overlap.
func Busy(intervals []Interval, from, to float64) float64 {
	var sum float64
	for _, i := range intervals {
		sum += max(0, min(i.To, to)-max(i.From, from))
	}
	return sum
}
