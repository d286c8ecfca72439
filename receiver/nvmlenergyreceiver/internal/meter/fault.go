// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// fault follows whether the counter works.
type fault struct {
	movedAt     time.Time // when the counter last grew, or stood still for a reason
	powerTotal  uint64    // the energy integrated from power until then, in mJ
	markedTotal uint64    // the counter's total then, in mJ

	booked   uint64    // what power was booked for in place of the counter, in mJ
	well     time.Time // since when the counter makes sense again; zero if it does not
	wellMove time.Time // when it last moved in that time
	counted  uint64    // what it counted in that time, in mJ
	drawn    uint64    // what the power says it should have
}

// begin starts the clock at the first reading of a handle, whether it succeeds or not.
func (f *fault) begin(r Reading, powerTotal, counterTotal uint64) {
	if !f.movedAt.IsZero() {
		return
	}
	f.movedAt, f.powerTotal = r.At, powerTotal
	if f.booked == 0 {
		f.markedTotal = counterTotal
	}
}

// observe takes an accepted reading of the counter, which is trusted.
func (f *fault) observe(r Reading, outcome joule.Outcome, counted, powerTotal, counterTotal uint64) {
	if f.booked > 0 {
		return
	}
	drawn := powerTotal - f.powerTotal
	if counted > 0 || outcome == joule.First || float64(drawn) <= asleep*r.At.Sub(f.movedAt).Seconds() {
		f.movedAt, f.powerTotal, f.markedTotal = r.At, powerTotal, counterTotal
	}
}

func (f *fault) suspected(now time.Time) bool { return now.Sub(f.movedAt) > suspicion }

// demoted begins a time in which power stands in for the counter. It is never of zero energy.
func (f *fault) demoted(booked uint64) { f.booked, f.well = booked, time.Time{} }

// watchRecovery follows the counter while it is not trusted.
func (f *fault) watchRecovery(r Reading, o Outcome, counted, integrated uint64) {
	if f.booked == 0 {
		return
	}
	switch {
	case r.CounterErr != nil || !o.Counter.Accepted() || o.Counter == joule.Rebased || o.Counter == joule.Reset:
		f.well = time.Time{}
	case f.well.IsZero():
		if counted > 0 {
			f.well, f.wellMove, f.counted, f.drawn = r.At, r.At, 0, 0
		}
	default:
		f.counted += counted
		f.drawn += integrated
		if counted > 0 {
			f.wellMove = r.At
		}
		if r.At.Sub(f.wellMove) > suspicion {
			f.well = time.Time{}
		}
	}
}

// recovered reports whether the counter has made sense for long enough, and within a factor of two of the
// power. If it has not, it gets another chance.
func (f *fault) recovered(now time.Time) bool {
	if f.well.IsZero() || now.Sub(f.well) < probation {
		return false
	}
	if f.counted < f.drawn/2 || f.counted/2 > f.drawn {
		f.well = time.Time{}
		return false
	}
	return true
}

func (f *fault) reinstated(r Reading, powerTotal, counterTotal uint64) {
	*f = fault{movedAt: r.At, powerTotal: powerTotal, markedTotal: counterTotal}
}
