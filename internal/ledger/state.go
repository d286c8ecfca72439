// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// State is what a ledger is restored from: its accounts, and the energy that was not booked yet.
type State struct {
	Until     time.Time      `json:"until"` // of what is booked
	Booked    Energies       `json:"booked"`
	Freed     Energies       `json:"freed"`
	Pending   Energies       `json:"pending"`
	PendingTo time.Time      `json:"pending_to"`
	IdlePower uint32         `json:"idle_power"`
	Accounts  []AccountState `json:"accounts"`
}

// Energies are in mJ.
type Energies struct {
	Counter    uint64 `json:"counter"`
	Integrated uint64 `json:"integrated"`
	Model      uint64 `json:"model,omitempty"`
}

// AccountState is an account.
type AccountState struct {
	Kind        string            `json:"kind"`
	Workload    map[string]string `json:"workload,omitempty"`
	Attribution Attribution       `json:"attribution"`
	Method      Method            `json:"method"`
	Millijoules uint64            `json:"millijoules"`
	Start       time.Time         `json:"start"`
}

// Bounds on a state that can be true. The energy is that of 1 kW for 290 000 years.
const (
	maxAccounts = 1 << 16
	maxEnergy   = 1 << 63
	year        = 366 * 24 * time.Hour
)

// State is what the ledger holds now. Energy that waits for samples is in it, but not for whom.
func (l *Ledger) State() State {
	pending := l.carry
	for _, w := range l.windows {
		pending.add(w.energy)
	}
	s := State{
		Until: l.closedTime.Round(0), PendingTo: l.endTime.Round(0), IdlePower: l.idle.milliwatts,
		Booked: energies(l.booked), Freed: energies(l.freed), Pending: energies(pending),
		Accounts: make([]AccountState, 0, len(l.entries)),
	}
	for _, e := range l.entries {
		a := AccountState{
			Kind: e.Kind, Attribution: e.Attribution, Method: e.Method,
			Millijoules: e.Millijoules, Start: e.Start.Round(0),
		}
		if e.Workload != nil {
			a.Workload = e.Workload.Attributes
		}
		s.Accounts = append(s.Accounts, a)
	}
	return s
}

// Restore continues from a state: accounts keep their totals and starts until it is known who is still there.
// Who used what was pending, and what the next call of Energy adds, is not known: it stays unattributed. A
// state that cannot be true is refused.
func Restore(config Config, s State) (*Ledger, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	l := New(config, s.Until)
	l.toldUntil = s.Until.UnixNano()
	l.booked, l.freed, l.idle.milliwatts = amountOf(s.Booked), amountOf(s.Freed), s.IdlePower
	for i, a := range s.Accounts {
		if err := l.reopen(a); err != nil {
			return nil, fmt.Errorf("account %d: %w", i, err)
		}
	}
	sum := l.freed
	for _, e := range l.entries {
		var carry uint64
		if sum[e.Method], carry = bits.Add64(sum[e.Method], e.Millijoules, 0); carry > 0 {
			return nil, errors.New("the accounts hold more than was booked")
		}
	}
	if sum != l.booked {
		return nil, fmt.Errorf("%v mJ were booked, the accounts hold %v", l.booked, sum)
	}
	l.admitAgain()
	pending := amountOf(s.Pending)
	l.Energy(s.PendingTo, pending[:]...)
	l.sightings = []sighting{{until: l.end, blind: true}}
	l.resuming = true
	return l, nil
}

func (s *State) validate() error {
	switch {
	case len(s.Accounts) > maxAccounts:
		return fmt.Errorf("%d accounts are more than %d", len(s.Accounts), maxAccounts)
	case s.PendingTo.Before(s.Until):
		return fmt.Errorf("pending until %v, which is before %v", s.PendingTo, s.Until)
	case s.PendingTo.Sub(s.Until) > year:
		return fmt.Errorf("pending until %v, more than a year after %v", s.PendingTo, s.Until)
	case plus(s.Booked.total(), s.Pending.total()) > maxEnergy:
		return errors.New("more energy than any GPU can have used")
	}
	return nil
}

// reopen restores an account.
func (l *Ledger) reopen(a AccountState) error {
	p, err := l.holder(a)
	switch {
	case err != nil:
		return err
	case a.Attribution >= attributions || a.Method >= methods:
		return fmt.Errorf("%v, %v", a.Attribution, a.Method)
	case p.accounts[a.Attribution][a.Method] != nil:
		return errors.New("it is there twice")
	case a.Start.After(l.closedTime):
		return fmt.Errorf("it starts at %v, after all that is booked", a.Start)
	}
	e := l.open(p, Account{
		Workload: p.workload, Kind: p.kind, Attribution: a.Attribution, Method: a.Method,
		Millijoules: a.Millijoules, Start: a.Start,
	})
	e.At, e.begun = l.closedTime, true
	p.accounts[a.Attribution][a.Method] = e
	return nil
}

func (l *Ledger) holder(a AccountState) (*party, error) {
	switch kind := workload.Kind(a.Kind); kind {
	case workload.Container, workload.Job, workload.Unit, workload.Process:
		return l.parties.of(&workload.Workload{Kind: kind, Attributes: a.Workload}), nil
	}
	if len(a.Workload) > 0 {
		return nil, fmt.Errorf("kind %q has no workload", a.Kind)
	}
	switch a.Kind {
	case Idle:
		return l.parties.idle, nil
	case Unattributed:
		return l.parties.unattributed, nil
	case Other:
		return l.parties.other, nil
	}
	return nil, fmt.Errorf("kind %q is not known", a.Kind)
}

// admitAgain asks for the slots that workloads had. One that is refused now ends with what it had.
func (l *Ledger) admitAgain() {
	for _, e := range l.entries {
		p := e.party
		if p.workload == nil || p.admission != undecided {
			continue
		}
		p.admission = admitted
		if l.config.Admit != nil && !l.config.Admit(p.workload) {
			p.admission = refused
			p.accounts = [attributions][methods]*entry{}
			continue
		}
		l.lastKnown = append(l.lastKnown, p)
	}
	l.entries = slices.DeleteFunc(l.entries, func(e *entry) bool {
		gone := e.party.admission == refused
		if gone {
			l.freed[e.Method] += e.Millijoules
		}
		return gone
	})
}

// resume is called with the first time after a restart: until then, nobody looked. From here on the time is
// counted by this process's clock, which may be behind the last one's.
func (l *Ledger) resume(at time.Time) {
	now := max(min(l.since(at), l.end+offset(100*year)), l.end)
	l.clock = clock{now, at}
	l.resuming = false
	l.sightings[0].until = now
	if n := len(l.sightings); n > 1 {
		last := l.sightings[n-1]
		last.from, last.until = max(last.from, now), max(last.until, now)
		l.sightings = append(l.sightings[:1], last)
	}
}

func energies(a amount) Energies { return Energies{a[Counter], a[Integrated], a[Model]} }

func amountOf(e Energies) amount {
	return amount{Counter: e.Counter, Integrated: e.Integrated, Model: e.Model}
}

func (e Energies) total() uint64 { return amountOf(e).total() }
