// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// series is the state of one stream of energy that is made from a foreign one.
type series struct {
	handover uint32            // of its claim, when it was last read
	rebased  bool              // it counts from when its source took over
	start    pcommon.Timestamp // since when it counts, 0 if unknown
	last     pcommon.Timestamp
	joules   float64 // the last reading of a counter
	base     float64 // the reading that a rebased counter counts from
	power    joule.Integrator
	seen     int64 // when it was last read, in Unix seconds
}

// seriesKey holds all attributes of the result, the foreign metric's name among them.
type seriesKey struct {
	target Target
	id     stream.ID
}

// integrate takes a power, in W. It returns the energy in J, or why not all of it is known: then ok says
// whether there is a point nevertheless.
func (s *series) integrate(r *reading, c *claim) (joules float64, ok bool, why string) {
	if s.last == 0 {
		s.start = r.time
	}
	if s.handover != c.handover {
		s.power.Break()
	}
	s.handover, s.last = c.handover, r.time
	if s.power.Observe(uint32(math.Round(r.value*1000)), r.time.AsTime()) == joule.Gap {
		why = Gap
	}
	return float64(s.power.Total()) / 1000, true, why
}

// count takes a counter, in J. As a rule it passes with its own start: its source's history is the device's. If
// another source was there before, it begins where that one ended.
func (s *series) count(r *reading, c *claim) (joules float64, ok bool, why string) {
	first := s.last == 0
	began := r.start != 0 && r.start < r.time
	switch {
	case first && (c.handover == 0 || began && r.start >= c.since):
		s.start = r.start
	case first, s.handover != c.handover:
		s.rebase(r)
	case began && r.start >= s.last: // a new beginning that says so
		s.start, s.base, s.rebased = r.start, 0, false
	case r.value >= s.joules:
		// Goes on, even if it says to have begun at another time: a GPU's next pod is a new series of the same
		// counter.
	case s.rebased:
		s.rebase(r)
		why = Fell
	default:
		s.start = r.start // who converts finds out
	}
	s.handover, s.last, s.joules = c.handover, r.time, r.value
	return r.value - s.base, true, why
}

func (s *series) rebase(r *reading) { s.start, s.base, s.rebased = r.time, r.value, true }

func (s *series) read(r *reading, c *claim) (joules float64, ok bool, why string) {
	switch {
	case r.time == s.last:
		return 0, false, Repeated
	case r.time < s.last:
		return 0, false, OutOfOrder
	case r.rule.kind == Gauge:
		return s.integrate(r, c)
	default:
		return s.count(r, c)
	}
}
