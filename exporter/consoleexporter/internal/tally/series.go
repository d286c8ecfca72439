// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// series is the state of one metric stream.
type series struct {
	row        *row
	quantity   quantity
	provenance Provenance
	variant    string // of an alternative

	start, last pcommon.Timestamp
	value       float64

	watts   float64 // over the last interval, NaN if not known
	seen    time.Time
	cadence time.Duration // between the last two arrivals, 0 if not known
}

// observe takes the stream's next point and returns what it adds to the joules or grams so far.
func (s *series) observe(m pmetric.Metric, p pmetric.NumberDataPoint, value float64, watched pcommon.Timestamp, now time.Time) (added float64, reason Reason) {
	start, at := p.StartTimestamp(), p.Timestamp()
	var since pcommon.Timestamp
	switch {
	case s.quantity == power:
		if at < s.last {
			return 0, Order
		}
		since = s.last
	case m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta:
		added, since = value, start
	default:
		added, since, reason = s.cumulative(start, at, value, watched)
	}
	if reason == Order {
		return 0, reason
	}
	s.note(added, value, since, at, now)
	s.start, s.last, s.value = start, max(s.last, at), value
	return added, reason
}

// cumulative returns the growth of a cumulative stream and the time it began.
func (s *series) cumulative(start, at pcommon.Timestamp, value float64, watched pcommon.Timestamp) (added float64, since pcommon.Timestamp, reason Reason) {
	if s.last == 0 {
		if start != 0 && start < at && start >= watched {
			return value, start, ""
		}
		return 0, at, ""
	}
	switch {
	case start > s.start && start >= s.last:
		return value, start, ""
	case at <= s.last:
		return 0, 0, Order
	case value >= s.value:
		// A start that moved, yet lies before the last point, is jitter: sequences do not overlap.
		return value - s.value, s.last, ""
	case start > s.start || start == 0:
		return value, s.last, ""
	default:
		return 0, at, Decrease
	}
}

// leastInterval is the shortest one that a power is computed over: clocks are not better than that.
const leastInterval = time.Millisecond

func (s *series) note(added, value float64, since, at pcommon.Timestamp, now time.Time) {
	if !s.seen.IsZero() && now.After(s.seen) {
		s.cadence = now.Sub(s.seen)
	}
	s.seen = now
	length := at.AsTime().Sub(since.AsTime())
	switch {
	case s.quantity == power:
		s.watts = value
	case since != 0 && length >= leastInterval && at > s.last:
		s.watts = added / length.Seconds()
	case s.last == 0:
		s.watts = math.NaN()
	}
}

// current reports whether the stream's power still holds: it does until three updates are missed.
func (s *series) current(now time.Time) bool {
	const least, unknown = 10 * time.Second, 2 * time.Minute
	patience := unknown
	if s.cadence > 0 {
		patience = max(3*s.cadence, least)
	}
	return !math.IsNaN(s.watts) && now.Sub(s.seen) <= patience
}
