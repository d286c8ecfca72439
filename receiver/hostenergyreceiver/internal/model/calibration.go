// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import "math"

// calibration fits idle power and what load adds to it to measured power. It keeps a mean for each of a few ranges of
// utilisation, which forgets only with its own samples: a load that stays constant for days changes one of them. The
// fit through them is Bayesian, with the table as prior, so that what the samples say nothing of stays as in the table
// instead of running away. It needs no more space with time.
type calibration struct {
	prior    curve
	buckets  [buckets]bucket
	seconds  float64
	solution solution

	table, fitted comparison
}

type bucket struct {
	seconds float64 // of samples, at most horizon
	part    float64 // mean way from idle to maximum
	watts   float64 // mean
	spread  float64 // mean distance of samples from what was expected, in W
	samples int     // at most trusted
}

// solution has the powers in W and the covariance of the two.
type solution struct {
	idle, load                   float64
	varIdle, varLoad, covariance float64
}

type comparison struct{ modelled, measured float64 }

const (
	buckets = 16
	// warmup is how long it takes until the fit is used, in seconds.
	warmup = 60.0
	// horizon is the time of a range's samples that count, in seconds: seasons and firmware change what a machine draws.
	horizon = 3600.0
	// trusted is how many samples a range has before one can be called far off.
	trusted = 5
	// misfit of the shape, relative: that of the CPUs it was made from.
	misfit = 0.04
	// enough of the relative standard uncertainty of idle power to use it.
	enough = 0.10
)

// observe a span of time in which the counters grew by so many joules. The prior is the table's curve.
func (c *calibration) observe(prior curve, over span, joules float64) {
	watts := joules / over.seconds
	if !(watts > 0) || watts > 5*prior.max {
		return // no CPU; the counters' own limits are elsewhere
	}
	c.table = c.table.plus(over.table, joules)
	if over.fitted > 0 {
		c.fitted = c.fitted.plus(over.fitted, joules)
	}
	c.prior = prior
	part := prior.shape.part(over.busy / over.seconds)
	c.buckets[min(int(part*buckets), buckets-1)].add(part, watts, over.seconds, c.slope())
	c.seconds += over.seconds
	c.solution = c.solve()
}

// slope that is known so far, in W from idle to maximum.
func (c *calibration) slope() float64 {
	if c.seconds > 0 {
		return c.solution.load
	}
	return c.prior.max - c.prior.idle
}

func (b *bucket) add(part, watts, seconds, slope float64) {
	if b.samples == 0 {
		b.part, b.watts = part, watts
	}
	// The samples of a range have not all the same load.
	expected := b.watts + slope*(part-b.part)
	rest := watts - expected
	if b.samples >= trusted {
		// What is far off is moved to the edge: a glitch has little weight, a new level is followed.
		limit := 4*b.spread + 0.05*b.watts
		rest = min(max(rest, -limit), limit)
	}
	b.samples = min(b.samples+1, trusted)
	b.seconds = min(b.seconds+seconds, horizon)
	a := min(seconds/b.seconds, 1)
	b.part += a * (part - b.part)
	b.watts += a * (expected + rest - b.watts)
	b.spread += a * (math.Abs(rest) - b.spread)
}

// solve for idle and load: watts = idle + load * part.
func (c *calibration) solve() solution {
	load0 := c.prior.max - c.prior.idle
	// The prior may be wrong by its own size.
	pIdle, pLoad := 1/square(c.prior.idle+0.05*c.prior.max), 1/square(load0+0.05*c.prior.max)
	// However small a power, it is not known to less than this.
	least := 0.01 * c.prior.max
	// Normal equations of the two.
	a, b, d := pIdle, 0.0, pLoad
	y, z := pIdle*c.prior.idle, pLoad*load0
	for _, k := range c.buckets {
		if k.seconds == 0 {
			continue
		}
		// Samples of five seconds are taken for independent.
		w := 1 / (square(misfit*max(k.watts, least)) + square(k.spread)*5/k.seconds)
		a, b, d = a+w, b+w*k.part, d+w*k.part*k.part
		y, z = y+w*k.watts, z+w*k.part*k.watts
	}
	det := a*d - b*b
	s := solution{(d*y - b*z) / det, (a*z - b*y) / det, d / det, a / det, -b / det}
	switch {
	case s.idle < 0:
		s.idle, s.load = 0, z/d
	case s.load < 0:
		s.idle, s.load = y/a, 0
	}
	return s
}

// curve that was fitted, once there is one.
func (c *calibration) curve() (curve, bool) {
	return curve{c.solution.idle, c.solution.idle + c.solution.load, c.prior.shape}, c.seconds >= warmup
}

// idle power, if it is known well enough.
func (c *calibration) idle() (watts float64, ok bool) {
	s := c.solution
	return s.idle, c.seconds >= warmup && math.Sqrt(s.varIdle) < enough*s.idle
}

// spread is the relative standard uncertainty of the fit at half of the way, beside that of what it was fitted to.
func (c *calibration) spread() float64 {
	s := c.solution
	return math.Sqrt(s.varIdle+s.covariance+s.varLoad/4) / (s.idle + s.load/2)
}

func (c *calibration) errors() (table, fitted float64, ok bool) {
	if c.fitted.measured == 0 {
		return 0, 0, false
	}
	return c.table.error(), c.fitted.error(), true
}

func (c comparison) plus(modelled, measured float64) comparison {
	return comparison{c.modelled + modelled, c.measured + measured}
}

func (c comparison) error() float64 { return c.modelled/c.measured - 1 }

func square(x float64) float64 { return x * x }
