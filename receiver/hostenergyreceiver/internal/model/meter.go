// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"errors"
	"math"
	"time"

	"github.com/prometheus/procfs"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// meter reads the CPU time of the machine from /proc/stat, once for all who ask at the same time.
type meter struct {
	proc string

	busy   joule.Counter // in ticks
	asked  time.Time
	answer struct {
		sample  sample
		outcome joule.Outcome
		err     error
	}
}

// sample is what was read at a time.
type sample struct {
	at   time.Time
	busy uint64 // CPU time since the first reading, in ticks
	cpus int    // online
}

// ticks in a second: USER_HZ, the unit of /proc/stat on every architecture of Go.
const ticks = 100

func (m *meter) read(now time.Time) (sample, joule.Outcome, error) {
	if a := &m.answer; m.asked.IsZero() || !now.Equal(m.asked) {
		m.asked = now
		a.sample, a.outcome, a.err = m.look(now)
	}
	return m.answer.sample, m.answer.outcome, m.answer.err
}

func (m *meter) look(now time.Time) (sample, joule.Outcome, error) {
	proc, err := procfs.NewFS(m.proc)
	if err != nil {
		return sample{}, joule.Rejected, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return sample{}, joule.Rejected, err
	}
	busy := busySeconds(stat.CPUTotal)
	if len(stat.CPU) == 0 || busy+stat.CPUTotal.Idle == 0 {
		// A sandbox may show an empty file; no time at all is no reading.
		return sample{}, joule.Rejected, errors.New(m.proc + "/stat holds no CPU time")
	}
	m.busy.MaxRate = float64(len(stat.CPU)) * ticks
	outcome := m.busy.Observe(uint64(math.Round(busy*ticks)), now)
	return sample{now, m.busy.Total(), len(stat.CPU)}, outcome, nil
}

// busySeconds leaves out what the CPU did not do for this machine: idle, iowait (idle, too) and steal (it ran other
// virtual machines). Time of guests is in user and nice already.
func busySeconds(t procfs.CPUStat) float64 {
	return t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ
}

// follower makes intervals of a meter's samples.
type follower struct {
	meter  *meter
	last   sample
	excess float64 // CPU seconds that were reported before there was time for them
}

// interval between two samples.
type interval struct {
	seconds, utilisation float64
	cpus                 int
}

// next is the interval since the last accepted reading. It has no length if the outcome is First or Rejected.
func (f *follower) next(now time.Time) (interval, joule.Outcome, error) {
	s, outcome, err := f.meter.read(now)
	if err != nil || !outcome.Accepted() {
		return interval{}, joule.Rejected, err
	}
	before := f.last
	f.last = s
	if before.at.IsZero() {
		return interval{}, joule.First, nil
	}
	in := interval{seconds: s.at.Sub(before.at).Seconds(), cpus: s.cpus}
	busy := float64(s.busy-before.busy)/ticks + f.excess
	// The kernel counts whole ticks: a CPU may have been busy for a tick more than the time that passed.
	most := in.seconds * float64(in.cpus)
	f.excess = max(busy-most, 0)
	if most > 0 {
		in.utilisation = min(busy/most, 1)
	}
	return in, outcome, nil
}
