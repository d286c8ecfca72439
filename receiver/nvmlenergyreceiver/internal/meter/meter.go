// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package meter counts the energy of one GPU from the best source that the GPU has, and moves to the next
// one when a source fails.
package meter

import (
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// Source is where energy comes from, in the order of preference.
type Source uint8

const (
	// None means: the GPU has no source, or has not told yet.
	None Source = iota
	// Counter is the GPU's own energy counter.
	Counter
	// Samples is the driver's ring of power samples, integrated over their own times.
	Samples
	// Average is the mean power of the last second, polled.
	Average
	// Instant is the momentary power, polled.
	Instant
)

func (s Source) String() string {
	return [...]string{"none", "counter", "samples", "average", "instant"}[s]
}

const (
	// suspicion is how long the counter may stand still, fail or make no sense before it is given up.
	// It moves each 20 to 100 ms when it works.
	suspicion = 5 * time.Second
	// probation is how long it has to make sense before it is trusted again.
	probation = 10 * time.Second
	// asleep is the power in mW below which a counter that stands still is believed.
	asleep = 1000
	// maxGap is the longest time between two power readings that is bridged. The ring of samples holds 2 s
	// at its fastest.
	maxGap = 2500 * time.Millisecond
)

// Meter is the account of one GPU. Read calls the driver and changes nothing that Book and the rest look
// at, so that only these need a lock. The zero value has no GPU yet: Attach gives it one.
type Meter struct {
	probe probe

	counter joule.Counter
	raw     uint64    // the last accepted reading of the counter, in mJ
	rawAt   time.Time // its time
	power   joule.Integrator

	source     Source
	calibrator calibrator
	totals     Growth
	fault      fault

	// Power has been booked in this time.
	integratedSince, integratedAt time.Time

	check  check
	scope  scope
	limits Limits
}

// Growth is energy in mJ that was booked, by method.
type Growth struct {
	Counter    uint64 `json:"counter"`
	Integrated uint64 `json:"integrated"`
}

// Reading is what one poll got of a GPU.
type Reading struct {
	At time.Time

	Raw        uint64 // the counter, in mJ
	CounterErr error

	from     Source // of the power; None if it was not due
	power    uint32 // mW
	samples  []nvml.PowerSample
	PowerErr error

	gpuPower, modulePower uint32 // mW, while the scope is not known
}

// Power reports whether the power was asked for.
func (r *Reading) Power() bool { return r.from != None || r.PowerErr != nil }

// Outcome is what became of a reading.
type Outcome struct {
	// Energy was booked up to the time of the reading, also if it was none.
	Booked bool
	Growth Growth
	// Counter says what the counter's check made of it, if it was read.
	Counter joule.Outcome
	// Gap says that power readings were too far apart, and the energy between them is not known.
	Gap bool
	// From is the source before the reading.
	From Source
	// Checked says that Disagreement is new.
	Checked bool
}

// Attach has the meter count with a new handle. What was counted stays.
func (m *Meter) Attach(limits Limits, calibration Calibration) {
	m.limits = limits
	m.counter.MaxRate = m.limits.most
	m.calibrator.Calibration = calibration
	m.probe = probe{}
	m.Suspended()
}

// Suspended says that time has passed in which nothing was read, so that power cannot be bridged.
func (m *Meter) Suspended() {
	m.power.Break()
	m.check = check{disagreement: m.check.disagreement, known: m.check.known}
	m.fault = fault{markedTotal: m.fault.markedTotal, booked: m.fault.booked}
}

// Source is where energy comes from now.
func (m *Meter) Source() Source { return m.source }

// Totals is all energy booked, in mJ.
func (m *Meter) Totals() Growth { return m.totals }

// Disagreement is by how much the counter showed more than the power readings over the last minute that
// could be compared, relative to these; false if none could.
func (m *Meter) Disagreement() (ratio float64, ok bool) { return m.check.disagreement, m.check.known }

// Ready reports whether it is known what the sensors cover. Until then there is nothing to show.
func (m *Meter) Ready() bool { return m.scope.decided }

// Module reports whether the counter covers the whole module, CPU included.
func (m *Meter) Module() bool { return m.scope.module }

// Interval is how long to wait for the next reading, given what is wished for.
func (m *Meter) Interval(now time.Time, wished time.Duration) time.Duration {
	switch m.source {
	case Counter:
		return wished
	case Instant:
		// Jitter keeps the polls from beating with a periodic load.
		return min(wished, jitter(instantPeriod))
	default:
		// Means of a second tile the time if they are taken each second.
		return max(min(wished, m.probe.polled.Add(slowPeriod).Sub(now)), 0)
	}
}

// Book takes a reading.
func (m *Meter) Book(r Reading) Outcome {
	o := Outcome{From: m.source}
	m.fault.begin(r, m.power.Total(), m.counter.Total())
	before := m.power.Total()
	o.Gap = m.bookPower(r) && m.source != Counter
	integrated := m.power.Total() - before

	counted := m.bookCounter(r, &o)
	m.scope.observe(r, counted)
	m.check.observe(r, o, counted, integrated, m.source == Counter)
	o.Checked = m.check.conclude()

	switch {
	case o.From > Counter:
		m.bookIntegrated(r, &o, counted, integrated)
	case m.fault.suspected(r.At) && m.power.Total() > m.fault.powerTotal:
		m.demote(r, &o)
	case r.CounterErr == nil && o.Counter.Accepted():
		m.source = Counter
		o.Booked, o.Growth.Counter = true, m.calibrator.apply(counted, r.At)
	case m.probe.lacksCounter:
		m.source, m.integratedSince = m.probe.fallback, r.At
		o.Booked = r.from != None && r.PowerErr == nil // what is counted begins here
	}
	m.totals.Counter += o.Growth.Counter
	m.totals.Integrated += o.Growth.Integrated
	return o
}

func (m *Meter) bookIntegrated(r Reading, o *Outcome, counted, integrated uint64) {
	if m.probe.fallback != None {
		m.source = m.probe.fallback
	}
	if r.from != None && r.PowerErr == nil {
		o.Booked, o.Growth.Integrated = true, m.calibrator.apply(integrated, r.At)
		m.fault.booked += integrated
		m.integratedAt = r.At
	}
	m.fault.watchRecovery(r, *o, counted, integrated)
	if m.fault.recovered(r.At) {
		m.promote(r, o)
	}
}

func (m *Meter) bookCounter(r Reading, o *Outcome) (counted uint64) {
	if r.CounterErr != nil {
		return 0
	}
	before := m.counter.Total()
	o.Counter = m.counter.Observe(r.Raw, r.At)
	if !o.Counter.Accepted() {
		return 0
	}
	m.raw, m.rawAt = r.Raw, r.At
	counted = m.counter.Total() - before
	m.fault.observe(r, o.Counter, counted, m.power.Total(), m.counter.Total())
	return counted
}

// bookPower reports whether there was a gap.
func (m *Meter) bookPower(r Reading) (gap bool) {
	if r.PowerErr != nil {
		return false
	}
	switch r.from {
	case Samples:
		m.power.Mean, m.power.MaxGap = false, max(maxGap, 3*medianSpacing(r.samples))
		for _, s := range r.samples {
			gap = m.power.Observe(s.Milliwatts, time.UnixMicro(int64(s.At))) == joule.Gap || gap
		}
	case Average, Instant:
		m.power.Mean, m.power.MaxGap = r.from == Average, maxGap
		gap = m.power.Observe(r.power, r.At) == joule.Gap
	}
	return gap
}

// demote gives the counter up. What the GPU drew since it last moved is taken from its power.
func (m *Meter) demote(r Reading, o *Outcome) {
	backlog := m.power.Total() - m.fault.powerTotal
	m.source, m.integratedSince, m.integratedAt = m.probe.fallback, m.fault.movedAt, r.At
	m.fault.demoted(backlog)
	o.Booked, o.Growth.Integrated = true, m.calibrator.apply(backlog, r.At)
}

// promote trusts the counter again. If it kept counting all the time, it may show more than the power did:
// the difference is added, so that the larger of the two is booked.
func (m *Meter) promote(r Reading, o *Outcome) {
	m.source = Counter
	if missed := m.counter.Total() - m.fault.markedTotal; missed > m.fault.booked {
		o.Booked = true
		o.Growth.Counter = m.calibrator.apply(missed-m.fault.booked, r.At)
	}
	m.fault.reinstated(r, m.power.Total(), m.counter.Total())
}
