// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger books the energy of one device to those who caused it. All of it: what accounts hold
// together is what the device used, to the millijoule, per method, at any time.
package ledger

import (
	"math"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// IdlePolicy is who pays for the power that the device draws with nobody on it, while somebody is.
type IdlePolicy string

const (
	// IdleUnattributed leaves it to kind idle.
	IdleUnattributed IdlePolicy = "unattributed"
	// IdleEqual splits it equally among those who were active.
	IdleEqual IdlePolicy = "equal"
	// IdleReserved splits it by reservation: MIG slices, replicas. What is reserved by nobody stays idle.
	IdleReserved IdlePolicy = "reserved"
	// IdleProportional splits it like the energy above it.
	IdleProportional IdlePolicy = "proportional"
)

// IdlePolicies lists them, the default first.
func IdlePolicies() []IdlePolicy {
	return []IdlePolicy{IdleUnattributed, IdleEqual, IdleReserved, IdleProportional}
}

// Config of a ledger.
type Config struct {
	// Idle is IdleUnattributed if empty.
	Idle IdlePolicy
	// Lag is how long a window waits for samples; 2 s if 0.
	Lag time.Duration
	// Admit is asked once for each workload, when it gets its first account. If it is refused, its energy goes
	// to kind other for as long as it is there. Nil admits all.
	Admit func(*workload.Workload) bool
	// Release is called when the last account of an admitted workload was freed.
	Release func(*workload.Workload)
}

// DefaultLag is that of a Config that has none. Drivers publish samples of utilization within a second.
const DefaultLag = 2 * time.Second

// Bounds on what waits to be booked. Beyond, windows grow longer and samples are left out, and counted.
const (
	maxWindows   = 4096
	maxSamples   = 4096
	maxSightings = 512
)

// coalesce is the length up to which windows are joined, so that polling faster costs no more.
const coalesce = time.Second

// Ledger of one device: a GPU, a CPU package, its memory. Energy, Presence and Sample may come in any order; Close books them. Times
// are compared by their monotonic clock if both have one, others with the time last given to Energy:
// a step of the wall clock moves nothing. Not safe for concurrent use.
type Ledger struct {
	config Config
	clock  clock

	windows []window
	carry   amount // energy of no time, until the next window
	end     offset // of the last window
	endTime time.Time
	latest  offset // of all times seen

	closed     offset // end of the last window booked
	closedTime time.Time
	told       offset
	toldUntil  int64 // Unix ns
	booked     amount
	freed      amount // what accounts held that are gone

	sightings []sighting
	passed    int          // sightings that began before what is booked now
	spare     [][]resident // of sightings that are gone
	lastKnown []*party     // who was there before the list of processes could not be had
	changed   bool         // since the last window began, other workloads were seen
	resuming  bool         // restored, and no energy since
	samples   []sample     // by their begin
	rejected  Rejected
	parties   parties
	entries   []*entry
	idle      idle
	scene     scene
	weights   []uint64
	reserved  []uint64
	parts     []uint64
}

// Rejected counts what could not be used.
type Rejected struct {
	LateSamples    uint64 // all that they cover was booked already
	InvalidSamples uint64 // above 100 %, of no time, or of the future
	ExcessSamples  uint64 // too many wait
	LatePresences  uint64 // before the last one
}

type window struct {
	from, to   time.Time
	begin, end offset
	energy     amount
}

// New is a ledger of a device that is counted from start.
func New(config Config, start time.Time) *Ledger {
	if config.Lag <= 0 {
		config.Lag = DefaultLag
	}
	l := &Ledger{config: config, clock: clock{at: start}, endTime: start, closedTime: start}
	l.parties = newParties()
	return l
}

// Energy adds what the device used, in mJ, since the last call (or the start) up to a time: by Method, those that
// are left out are 0. If the time is not after the last one, it goes with the next.
func (l *Ledger) Energy(to time.Time, millijoules ...uint64) {
	if l.resuming {
		l.resume(to)
	}
	end := l.saw(to)
	var energy amount
	copy(energy[:], millijoules)
	n := len(l.windows)
	if end <= l.end {
		if n > 0 {
			l.windows[n-1].energy.add(energy)
		} else {
			l.carry.add(energy)
		}
		return
	}
	energy.add(l.carry)
	l.carry = amount{}
	if n > 0 && (n >= maxWindows || !l.changed && end-l.windows[n-1].begin <= offset(coalesce)) {
		l.windows[n-1].to, l.windows[n-1].end = to, end
		l.windows[n-1].energy.add(energy)
	} else {
		l.windows = append(l.windows, window{l.endTime, to, l.end, end, energy})
		l.changed = false
	}
	l.end, l.endTime = end, to
	l.clock = clock{end, to}
}

// Close books the windows that ended the lag or longer ago.
func (l *Ledger) Close(now time.Time) { l.closeUntil(l.saw(now) - offset(l.config.Lag)) }

// Flush books all windows.
func (l *Ledger) Flush() {
	l.closeUntil(math.MaxInt64)
	if l.carry != (amount{}) {
		l.book(window{from: l.endTime, to: l.endTime, begin: l.end, end: l.end, energy: l.carry})
		l.carry = amount{}
	}
}

func (l *Ledger) closeUntil(limit offset) {
	n := 0
	for ; n < len(l.windows) && l.windows[n].end <= limit; n++ {
		l.book(l.windows[n])
	}
	if n == 0 {
		return
	}
	l.windows = slices.Delete(l.windows, 0, n)
	l.forget()
}

// book cuts a window where other workloads were seen, and books its pieces.
func (l *Ledger) book(w window) {
	left := w.energy
	for begin := w.begin; ; {
		before, after, until := l.seen(begin)
		end := min(until, w.end)
		piece := segment{start: w.from.Add(time.Duration(begin - w.begin)), begin: begin, end: end, energy: left}
		if end < w.end {
			piece.energy = left.portion(uint64(end-begin), uint64(w.end-begin))
		}
		left.sub(piece.energy)
		l.attribute(piece, before, after)
		if end >= w.end {
			break
		}
		begin = end
	}
	l.booked.add(w.energy)
	l.closed, l.closedTime = w.end, w.to
}

// forget drops what was only needed for windows that are booked.
func (l *Ledger) forget() {
	l.samples = slices.DeleteFunc(l.samples, func(s sample) bool { return s.end <= l.closed })
	l.seen(l.closed) // advances passed
	if gone := l.passed - 1; gone > 0 {
		for _, s := range l.sightings[:gone] {
			l.spare = append(l.spare, s.residents)
		}
		l.sightings = slices.Delete(l.sightings, 0, gone)
		l.passed -= gone
	}
}

// Booked is the energy of all windows booked, in mJ, and the time up to which they reach.
func (l *Ledger) Booked() (millijoules uint64, until time.Time) {
	return l.booked.total(), l.closedTime
}

// Rejected is what could not be used so far.
func (l *Ledger) Rejected() Rejected { return l.rejected }
