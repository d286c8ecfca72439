// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// account follows one cumulative stream of energy, its beginnings and resets, and keeps what it emitted. It
// has no pointers: the garbage collector does not look at it.
type account struct {
	last   pcommon.Timestamp // the time of the last reading
	origin pcommon.Timestamp // the start of the input when it was last read, 0 if unknown
	value  float64           // the last reading, in J
	seen   int64             // when the last reading came, in Unix seconds

	waits    bool // some of its energy is held
	siblings siblings
}

// reading is a point of the input: value is the energy in J since start.
type reading struct {
	start, time pcommon.Timestamp
	value       float64
}

func (r reading) startKnown() bool { return r.start != 0 && r.start < r.time }

// span is energy in J that was used after from, until until.
type span struct {
	from, until pcommon.Timestamp
	joules      float64
}

// horizon is how far back an account may count.
type horizon struct {
	watched pcommon.Timestamp // since when this processor sees all that begins
	came    time.Time         // when the energy at hand came, zero if that is not known
	gap     time.Duration     // the longest silence of a stream that is told of; 0 is any
	forget  time.Duration     // the silence after which a stream's account is gone
}

// clockSkew is how far ahead a source's clock may be. A time beyond that is wrong as soon as another one comes.
const clockSkew = time.Hour

// ahead reports whether a time is wrong.
func (h horizon) ahead(t pcommon.Timestamp) bool {
	return !h.came.IsZero() && t.AsTime().Sub(h.came) > clockSkew
}

// seesAll reports whether the whole value of a stream without an account is this processor's to tell. One that began
// longer ago than a stream may be silent has been told of, by another processor or before it was forgotten.
func (h horizon) seesAll(r reading) bool {
	age := time.Duration(r.time - r.start)
	return age <= h.forget && (h.gap == 0 || age <= h.gap)
}

// booking is what an account made of a reading.
type booking int

const (
	// opened: the reading is the base of a new account.
	opened booking = iota
	// booked: the growth since the last reading, or since the input began anew. It may be 0.
	booked
	// restarted: the input fell without saying since when it counts: a new base.
	restarted
	// overlap: the input started anew before it was last read, or has an earlier start again, or none any more: a new base,
	// since the two may count the same energy.
	overlap
	// silent: there was no reading for longer than is told of, or ever, or the last was of a wrong time: a new base, and a new start.
	silent
	// outOfOrder: a reading older than the last. Nothing changed.
	outOfOrder
)

// leftOut is the reason why some energy was not booked.
func (b booking) leftOut() reason {
	switch b {
	case outOfOrder:
		return notInOrder
	case overlap:
		return overlaps
	case restarted:
		return fell
	case silent:
		return tooLong
	default:
		return none
	}
}

// book takes a reading and returns the energy that is new. Of a stream not seen before that is the whole
// value if the horizon has all of it; otherwise the reading is the base.
func (a *account) book(r reading, h horizon) (span, booking) {
	if a.last != 0 && r.time < a.last {
		if !h.ahead(a.last) || h.ahead(r.time) {
			return span{}, outOfOrder
		}
		a.last, a.value, a.origin = r.time, r.value, r.start // the clock of its source was wrong
		return span{r.time, r.time, 0}, silent
	}
	s, outcome := a.growth(r, h)
	if h.gap > 0 && a.last != 0 && r.time-a.last > pcommon.Timestamp(h.gap) && s.from < r.time {
		s, outcome = span{r.time, r.time, 0}, silent
	}
	a.last, a.value, a.origin = r.time, r.value, r.start
	return s, outcome
}

func (a *account) growth(r reading, h horizon) (span, booking) {
	whole, base := span{r.start, r.time, r.value}, span{r.time, r.time, 0}
	newStart := r.start > a.origin
	switch {
	case a.last == 0 && (!r.startKnown() || r.start < h.watched):
		return base, opened
	case a.last == 0 && h.seesAll(r):
		return whole, booked
	case a.last == 0:
		return base, silent
	case newStart && r.start >= a.last && r.startKnown():
		return whole, booked
	case newStart && r.start >= a.last:
		return base, booked
	case newStart && a.origin != 0, r.start < a.origin:
		return base, overlap
	case r.value < a.value:
		return base, restarted
	default:
		return span{a.last, r.time, r.value - a.value}, booked
	}
}
