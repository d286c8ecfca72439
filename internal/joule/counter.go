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
	// ahead is growth that was accepted before there was time to draw it, and leaves less for what follows.
	ahead float64
	// broken says that what was counted before the next reading is not known.
	broken bool
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
	// Rebased means: readings over half a second or more agree with each other and not with what came before, or
	// Break was called. The jump between was not added.
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
	c.total, c.last, c.suspect, c.ahead = total, reading{raw, at}, reading{}, 0
}

// Break says that time has passed of which nothing is known, in which the counter may have begun anew at any value: the next
// reading is a base.
func (c *Counter) Break() { c.broken = true }

// Observe takes the counter's raw value at a time. Times are compared by their monotonic clock.
func (c *Counter) Observe(raw uint64, at time.Time) Outcome {
	now := reading{raw, at}
	switch {
	case c.last.at.IsZero():
		c.last, c.broken = now, false
		return First
	case c.broken:
		c.last, c.suspect, c.ahead, c.broken = now, reading{}, 0, false
		return Rebased
	case raw == 0 && c.last.raw > 0 && c.Range == 0:
		// Drivers answer 0 when they have no value. After a true reset a later reading is above it.
		return Rejected
	}
	if added, outcome := c.since(c.last, now); outcome.Accepted() {
		c.accept(c.last, now, added)
		return outcome
	}
	// A value that is wrong may be published for as long as any: it takes more than that to be believed.
	added, outcome := c.since(c.suspect, now)
	switch {
	case c.suspect.at.IsZero() || !outcome.Accepted():
		c.suspect = now
	case now.at.Sub(c.suspect.at) >= late:
		c.accept(c.suspect, now, added)
		return Rebased
	}
	return Rejected
}

// late is how long after the fact a counter may publish.
const late = 500 * time.Millisecond

func (c *Counter) accept(base, now reading, added uint64) {
	c.total += added
	c.ahead = max(c.ahead+float64(added)-c.drawn(base, now), 0)
	c.last, c.suspect = now, reading{}
}

func (c *Counter) since(base, now reading) (added uint64, outcome Outcome) {
	switch {
	case c.Range > 0 && c.MaxRate*now.at.Sub(base.at).Seconds() >= float64(c.Range):
		return 0, Gap
	case now.raw >= base.raw:
		added, outcome = now.raw-base.raw, Counted
	case c.Range > 0 && base.raw <= c.Range:
		added, outcome = c.Range-base.raw+now.raw, Wrapped
	default:
		added, outcome = now.raw, Reset
	}
	// What was published late is granted once, not to each reading: else the bound would be worth nothing to
	// who reads often.
	if c.MaxRate > 0 && c.ahead+float64(added) > c.drawn(base, now)+late.Seconds()*c.MaxRate {
		return 0, Rejected
	}
	return added, outcome
}

// drawn is the most that the device can have added between two readings: half as much again as its limit, for
// short peaks above it.
func (c *Counter) drawn(base, now reading) float64 {
	const peak = 1.5
	return c.MaxRate * peak * max(now.at.Sub(base.at).Seconds(), 0)
}
