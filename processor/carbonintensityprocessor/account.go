// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import "go.opentelemetry.io/collector/pdata/pcommon"

// account books the energy of one cumulative stream. It follows the beginnings and resets of its
// input and only ever grows.
type account struct {
	start  pcommon.Timestamp // where the first booked interval begins
	last   pcommon.Timestamp // the time of the last reading
	origin pcommon.Timestamp // the start of the input when it was last read, 0 if unknown
	value  float64           // the last reading, in J
	base   float64           // the reading that the present stretch is counted from, in J
	before float64           // what earlier stretches booked, in J
	seen   int64             // when the last reading came, in Unix seconds
}

// reading is a point of the input: value is the energy in J since start.
type reading struct {
	start, time pcommon.Timestamp
	value       float64
}

func (r reading) startKnown() bool { return r.start != 0 && r.start < r.time }

// booking is what an account made of a reading.
type booking int

const (
	// opened: the reading is the base of a new account, on which nothing is booked yet.
	opened booking = iota
	// openedWithBalance: a new account whose first reading's whole value is booked.
	openedWithBalance
	// booked: the growth since the last reading, which may be 0.
	booked
	// restarted: the input fell without saying since when it counts: a new base.
	restarted
	// overlap: the input started anew before it was last read: a new base, since the two may count
	// the same energy.
	overlap
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
	default:
		return none
	}
}

// joules is all that is booked.
func (a *account) joules() float64 { return a.before + (a.value - a.base) }

// book takes a reading. Of a stream not seen before it books the whole value if the stream began no
// earlier than watched; otherwise the reading is the base.
func (a *account) book(r reading, watched pcommon.Timestamp) booking {
	if a.last == 0 {
		a.open(r, watched)
		if a.base != r.value {
			return openedWithBalance
		}
		return opened
	}
	if r.time < a.last {
		return outOfOrder
	}
	outcome := booked
	switch newStart := r.start > a.origin; {
	case newStart && r.start >= a.last && r.startKnown():
		a.before, a.base = a.joules(), 0
	case newStart && r.start >= a.last:
		a.before, a.base = a.joules(), r.value
	case newStart && a.origin != 0:
		a.before, a.base = a.joules(), r.value
		outcome = overlap
	case r.value < a.value:
		a.before, a.base = a.joules(), r.value
		outcome = restarted
	}
	a.last, a.value, a.origin = r.time, r.value, r.start
	return outcome
}

func (a *account) open(r reading, watched pcommon.Timestamp) {
	a.last, a.value, a.origin = r.time, r.value, r.start
	if r.startKnown() && r.start >= watched {
		a.start = r.start
	} else {
		a.start, a.base = r.time, r.value
	}
}
