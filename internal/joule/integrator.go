// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package joule

import (
	"math/bits"
	"time"
)

// Integrator makes energy of power readings, in whole millijoules and without rounding: what is
// less than one is kept for the next. The zero value integrates by trapezoids over gaps of any
// length. Not safe for concurrent use.
type Integrator struct {
	// MaxGap is the longest time between two readings that is integrated over; 0 if there is none.
	MaxGap time.Duration
	// Mean says that a reading is the mean of the time before it, as GetPowerUsage gives from
	// Ampere on: it counts as a rectangle back to the reading before, not as a trapezoid.
	Mean bool

	total uint64
	rest  uint64 // in halves of a picojoule, below one millijoule
	last  power
}

type power struct {
	milliwatts uint32
	at         time.Time
}

// Total is the energy so far, in mJ.
func (i *Integrator) Total() uint64 { return i.total }

// Break makes the next reading a first one: what happened since the last is not known.
func (i *Integrator) Break() { i.last = power{} }

// Observe takes a power reading, in mW, at the time it was measured. The outcome is First, Counted,
// Gap (too long since the last: nothing was added, it goes on from here) or Rejected (not after
// the last). Times are compared by their monotonic clock if both have one.
func (i *Integrator) Observe(milliwatts uint32, at time.Time) Outcome {
	before, elapsed := i.last, at.Sub(i.last.at)
	switch {
	case before.at.IsZero():
		i.last = power{milliwatts, at}
		return First
	case elapsed <= 0:
		return Rejected
	}
	i.last = power{milliwatts, at}
	if i.MaxGap > 0 && elapsed > i.MaxGap {
		return Gap
	}
	twice := uint64(before.milliwatts) + uint64(milliwatts)
	if i.Mean {
		twice = 2 * uint64(milliwatts)
	}
	return i.add(bits.Mul64(twice, uint64(elapsed)))
}

// add takes halves of a picojoule (mW x ns), in 128 bits. What no total can hold, hundreds of
// years of megawatts, is a gap.
func (i *Integrator) add(hi, lo uint64) Outcome {
	const millijoule = 2 * 1e9
	lo, carry := bits.Add64(lo, i.rest, 0)
	hi += carry
	if hi >= millijoule {
		return Gap
	}
	energy, rest := bits.Div64(hi, lo, millijoule)
	total, carry := bits.Add64(i.total, energy, 0)
	if carry > 0 {
		return Gap
	}
	i.total, i.rest = total, rest
	return Counted
}

// Of is the energy of a constant power over a time: mW x ns in whole mJ, the largest uint64 if it is more.
func Of(milliwatts uint32, over time.Duration) uint64 {
	const millijoule = 1e9
	hi, lo := bits.Mul64(uint64(milliwatts), uint64(max(over, 0)))
	if hi >= millijoule {
		return 1<<64 - 1
	}
	energy, _ := bits.Div64(hi, lo, millijoule)
	return energy
}
