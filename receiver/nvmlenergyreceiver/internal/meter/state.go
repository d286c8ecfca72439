// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import "time"

// State is what has to be kept over a restart.
type State struct {
	Totals Growth `json:"totals"` // mJ
	// Raw is the last accepted reading of the counter in mJ, RawAt its time; zero if there was none.
	Raw   uint64    `json:"raw"`
	RawAt time.Time `json:"raw_at"`
	// Module is whether the sensors cover the module.
	Module bool `json:"module"`
}

// State as of the last reading that was booked, also if that was before a restart. While power stands in for the
// counter, the counter's reading is not part of it: what it shows later is already booked.
func (m *Meter) State() State {
	s := State{Totals: m.totals, Module: m.scope.module}
	if m.source <= Counter {
		s.Raw, s.RawAt = m.raw, m.rawAt
	}
	return s
}

// Restored is a meter that goes on from a state. Unless the driver is the same that was loaded then, its
// counter has begun again at 0.
func Restored(s State, sameDriver bool) Meter {
	m := Meter{totals: s.Totals}
	m.scope.decided, m.scope.module = true, s.Module
	if s.RawAt.IsZero() {
		return m
	}
	if !sameDriver {
		s.Raw = 0
	}
	m.counter.Restore(0, s.Raw, s.RawAt)
	m.raw, m.rawAt = s.Raw, s.RawAt
	return m
}
