// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package joule is the arithmetic of energy: it turns what hardware publishes into sums that
// never decrease and never hold more than the device could have drawn.
package joule

import "time"

// Counter accumulates a hardware energy counter. The hardware may wrap, start again from zero, or
// publish nonsense; the total only grows, by deltas that the device could physically have drawn.
// All amounts are in the counter's own raw unit (NVML: mJ, RAPL: µJ). The zero value is ready to
// use for a counter that neither wraps nor has a known limit. Not safe for concurrent use.
type Counter struct {
	// Range is the raw value at which the hardware starts again at 0; 0 if it does not wrap.
	Range uint64
	// MaxRate is the most raw units the device can add per second; 0 if unknown.
	MaxRate float64

	total         uint64
	last, suspect reading
}

type reading struct {
	raw uint64
	at  time.Time
}

// Outcome says what Counter.Observe or Integrator.Observe made of a reading.
type Outcome int

const (
	// First reading: the base that later ones are counted from.
	First Outcome = iota
	// Counted means: the growth since the last accepted reading was added.
	Counted
	// Wrapped means: as Counted, across the end of the counter's range.
	Wrapped
	// Reset means: the hardware started again from zero; what it counted since then was added.
	Reset
	// Rebased means: two readings in a row agree with each other and not with what came before. The jump
	// between was not added.
	Rebased
	// Gap means: so much time passed that a whole wrap may hide in it, or that power readings say nothing of
	// it. Nothing was added; counting goes on from here.
	Gap
	// Rejected means: the device cannot have drawn this much, or the reading is missing. Nothing changed;
	// if it was a glitch, the next good reading counts everything since the last good one.
	Rejected
)

// Accepted reports whether the total holds at the time of the reading.
func (o Outcome) Accepted() bool { return o != Rejected }

// Total is the sum of all accepted growth since the first reading, in raw units.
func (c *Counter) Total() uint64 { return c.total }

// Restore continues from a persisted total and the last accepted reading, as if it had just been
// observed: what the hardware counted since then is added by the next one.
func (c *Counter) Restore(total, raw uint64, at time.Time) {
	c.total, c.last, c.suspect = total, reading{raw, at}, reading{}
}

// Observe takes the counter's raw value at a time. Times are compared by their monotonic clock.
func (c *Counter) Observe(raw uint64, at time.Time) Outcome {
	now := reading{raw, at}
	switch {
	case c.last.at.IsZero():
		c.last = now
		return First
	case raw == 0 && c.last.raw > 0 && c.Range == 0:
		// Drivers answer 0 when they have no value. After a true reset a later reading is above it.
		return Rejected
	}
	if added, outcome := c.since(c.last, now); outcome.Accepted() {
		c.accept(now, added)
		return outcome
	}
	if !c.suspect.at.IsZero() {
		if added, outcome := c.since(c.suspect, now); outcome.Accepted() {
			c.accept(now, added)
			return Rebased
		}
	}
	c.suspect = now
	return Rejected
}

func (c *Counter) accept(now reading, added uint64) {
	c.total += added
	c.last, c.suspect = now, reading{}
}

func (c *Counter) since(base, now reading) (added uint64, outcome Outcome) {
	elapsed := now.at.Sub(base.at)
	switch {
	case c.Range > 0 && c.MaxRate*elapsed.Seconds() >= float64(c.Range):
		return 0, Gap
	case now.raw >= base.raw:
		added, outcome = now.raw-base.raw, Counted
	case c.Range > 0 && base.raw <= c.Range:
		added, outcome = c.Range-base.raw+now.raw, Wrapped
	default:
		added, outcome = now.raw, Reset
	}
	if c.MaxRate > 0 && float64(added) > c.most(elapsed) {
		return 0, Rejected
	}
	return added, outcome
}

// most is the bound on the growth over a time: half as much again for short peaks above the
// limit, and half a second for a counter that publishes late.
func (c *Counter) most(elapsed time.Duration) float64 {
	const peak, late = 1.5, 0.5
	return c.MaxRate * (peak*max(elapsed.Seconds(), 0) + late)
}
