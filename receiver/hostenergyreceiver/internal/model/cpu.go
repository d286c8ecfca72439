// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package model estimates the energy of a machine's CPUs and memory where nothing measures it, and says how far that
// may be from the truth.
//
// The power of a CPU is a curve over its utilisation (/proc/stat): idle and maximum, as parts of its thermal design
// power (data/cpus.csv), and a shape between them that was measured on servers. Where a power counter exists as well,
// idle and maximum are fitted to it.
//
// In a virtual machine a virtual CPU is taken for one thread of the host's CPU: it has its part of the package's idle
// power for as long as the machine runs, and of its maximum. What other machines do on the host is not seen, and a
// provider that sells a thread more than once spends less. Config.HostShare replaces that assumption, and
// Config.IdlePowerPerCPU and MaxPowerPerCPU replace the table.
package model

import (
	"fmt"
	"math"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// New finds out about the machine and makes the models of its CPUs and of its memory. The latter is nil where the power
// of the CPUs contains that of the memory (NVIDIA Grace). What cannot be found out is in their descriptions.
func New(cfg Config, root host.Config) (*CPU, *Memory) {
	machine, err := Identify(root)
	m := &meter{proc: root.Path("proc")}
	c := &CPU{machine: machine, estimate: newEstimate(cfg, machine), follower: follower{meter: m}}
	if err != nil {
		c.text += fmt.Sprintf("; %v", err)
	}
	if c.memory {
		return c, nil
	}
	return c, newMemory(cfg, root, machine, m)
}

// CPU is the model of all CPU packages of a machine, as one sensor.
type CPU struct {
	follower
	estimate
	machine Machine

	joules float64
	fit    calibration
	// since the last measured value that was taken
	since    span
	measured uint64
	pending  bool // the last reading failed
	running  bool // measured is known
}

// Read takes a reading at a time. The energy is that of constant utilisation since the last.
func (c *CPU) Read(now time.Time) (joule.Outcome, error) {
	in, outcome, err := c.next(now)
	c.pending = !outcome.Accepted()
	if c.pending || in.seconds <= 0 {
		return outcome, err
	}
	table := c.table(in.cpus)
	span := span{in.seconds, in.seconds * in.utilisation, in.seconds * table.at(in.utilisation), 0}
	power := table.at(in.utilisation)
	if fitted, ok := c.fit.curve(); ok {
		power = fitted.at(in.utilisation)
		span.fitted = in.seconds * power
	}
	c.joules += in.seconds * power
	c.since = c.since.plus(span)
	return outcome, nil
}

func (c *CPU) table(cpus int) curve {
	if c.perCPU {
		return c.times(float64(cpus))
	}
	return c.curve
}

// Microjoules since the first reading. It never decreases.
func (c *CPU) Microjoules() uint64 { return uint64(c.joules * 1e6) }

// Interval is the longest time that utilisation is taken for constant. The shape is not a straight line, so a mean over
// minutes of bursts and pauses would be too high.
func (c *CPU) Interval() time.Duration { return time.Second }

// Name of the CPU, for people.
func (c *CPU) Name() string {
	if c.machine.Model == "" || c.machine.ARM {
		if r, ok := cpus().find(c.machine); ok {
			return r.name
		}
		return "CPU"
	}
	return c.machine.Model
}

// Machine is what was found out about it.
func (c *CPU) Machine() Machine { return c.machine }

// Describe says in one line what is assumed, and the uncertainty (relative, one standard deviation).
func (c *CPU) Describe() string {
	fitted, ok := c.fit.curve()
	if !ok {
		return c.text
	}
	return describe(c.Name()+", fitted to what was measured", fitted, c.Uncertainty(), "of the measurement, and what is left of the fit")
}

// Uncertainty of the energy: relative, one standard deviation.
func (c *CPU) Uncertainty() float64 {
	if _, ok := c.fit.curve(); !ok {
		return c.uncertainty
	}
	_, fitted, _ := c.Error()
	return math.Hypot(uCounter, math.Max(math.Abs(fitted), c.fit.spread()))
}

// uCounter is that of RAPL itself: 3 % on Intel since Haswell, 6 % on AMD.
const uCounter = 0.06

// Idle is the power of the CPUs when nothing runs, in W: fitted if that is known within 10 %, else of the table.
func (c *CPU) Idle() (watts float64, fitted bool) {
	if watts, ok := c.fit.idle(); ok {
		return watts, true
	}
	online := c.last.cpus
	if online == 0 {
		online = max(c.machine.Threads, 1) // before the first reading
	}
	return c.table(online).idle, false
}

// Calibrate takes the energy of the same CPUs as their counters have it, in µJ since any time, at the time of the last
// Read. A fit to it replaces the table from one minute on, also when the counters vanish.
func (c *CPU) Calibrate(measured uint64) {
	switch {
	case c.pending:
		return // both sums go on, so the next reading covers this one as well
	case !c.running || measured < c.measured:
		c.measured, c.running, c.since = measured, true, span{}
		return
	case c.since.seconds < 0.5:
		return // counters are updated each millisecond, utilisation each 10 ms
	}
	c.fit.observe(c.table(max(c.last.cpus, 1)), c.since, float64(measured-c.measured)/1e6)
	c.measured, c.since = measured, span{}
}

// Break says that the counters are not known now, or start again: the next call of Calibrate is a first one.
func (c *CPU) Break() { c.running = false }

// Error is how far the energy of the table and that of the fit are from the measured one, relative to it and positive
// if too high, over the time that both were known. A fit is compared with what came after it. It is not ok before
// there is something to compare.
func (c *CPU) Error() (table, fitted float64, ok bool) { return c.fit.errors() }

// span of time, with energies in J.
type span struct{ seconds, busy, table, fitted float64 }

func (s span) plus(o span) span {
	return span{s.seconds + o.seconds, s.busy + o.busy, s.table + o.table, s.fitted + o.fitted}
}
