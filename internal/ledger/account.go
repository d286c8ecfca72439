// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// Kinds of accounts that are no workload's.
const (
	Idle         = "idle"
	Unattributed = "unattributed"
	Other        = "other" // workloads that were not admitted
)

// Account is one output stream: what a workload, or nobody, used of the device.
type Account struct {
	// Workload is nil for idle, unattributed and other.
	Workload *workload.Workload
	// Kind is that of the workload, or Idle, Unattributed, Other.
	Kind string
	// Attribution of idle and unattributed is MeasuredShare: nothing about them is shared by estimate.
	Attribution Attribution
	Method      Method
	Millijoules uint64
	// Start of the first interval booked.
	Start time.Time
	// At is the end of the last window booked, of whomever: all accounts of a ledger share it.
	At time.Time
}

// Method is how energy was measured.
type Method uint8

const (
	// Counter is the device's own.
	Counter Method = iota
	// Integrated is our integral of its power.
	Integrated
	// Model is an estimate from what the device did.
	Model
	methods
)

var methodNames = [methods]string{"counter", "integrated", "model"}

// String is a value of energy.method.
func (m Method) String() string { return name(m, methodNames[:]) }

// Attribution is how sure it is that a workload caused what it has in an account.
type Attribution uint8

const (
	// Exclusive means: the device, or the MIG instance, was its own.
	Exclusive Attribution = iota
	// MeasuredShare means: nobody else was active, or activity is measured for each on hardware of its own.
	MeasuredShare
	// EstimatedShare means: it shared hardware in time, or only a size or a policy is known.
	EstimatedShare
	attributions
)

var attributionNames = [attributions]string{"exclusive", "measured_share", "estimated_share"}

// String is a value of workload.attribution.
func (a Attribution) String() string { return name(a, attributionNames[:]) }

var (
	_ encoding.TextMarshaler   = Method(0)
	_ encoding.TextUnmarshaler = (*Method)(nil)
	_ encoding.TextMarshaler   = Attribution(0)
	_ encoding.TextUnmarshaler = (*Attribution)(nil)
)

// MarshalText is String.
func (m Method) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText accepts what String returns.
func (m *Method) UnmarshalText(text []byte) (err error) {
	*m, err = parse[Method](text, methodNames[:])
	return err
}

// MarshalText is String.
func (a Attribution) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText accepts what String returns.
func (a *Attribution) UnmarshalText(text []byte) (err error) {
	*a, err = parse[Attribution](text, attributionNames[:])
	return err
}

func name[T ~uint8](value T, names []string) string {
	if int(value) < len(names) {
		return names[value]
	}
	return strconv.FormatUint(uint64(uint8(value)), 10)
}

func parse[T ~uint8](text []byte, names []string) (T, error) {
	i := slices.Index(names, string(text))
	if i < 0 {
		return 0, fmt.Errorf("%q is none of %v", text, names)
	}
	return T(i), nil
}

// entry is an account and whose it is.
type entry struct {
	Account
	party *party
	told  uint64 // what it had when Accounts last yielded it
	begun bool   // its beginning was told
}

// Due reports whether something was booked since the last call of Tell.
func (l *Ledger) Due() bool { return l.closed > l.told }

// Tell passes on each account as it is now, if something was booked since the last call, and one that it did not before at
// its start as well, with 0: so that those who count from the first value on miss nothing. Then it frees those that have
// ended.
func (l *Ledger) Tell(point func(Account)) {
	if !l.Due() {
		return
	}
	l.told = l.closed
	l.toldUntil = max(l.toldUntil+1, l.closedTime.UnixNano())
	at := time.Unix(0, l.toldUntil)
	for _, e := range l.entries {
		e.At, e.told = at, e.Millijoules
		if !e.begun {
			e.begun = true
			first := e.Account
			first.At, first.Millijoules = e.Start, 0
			point(first)
		}
		if e.At.UnixNano() > e.Start.UnixNano() {
			point(e.Account)
		}
	}
	l.Reported()
}

// Accounts lists them in the order in which they began.
func (l *Ledger) Accounts() iter.Seq[*Account] {
	return func(yield func(*Account) bool) {
		for _, e := range l.entries {
			e.At, e.told = l.closedTime, e.Millijoules
			if !yield(&e.Account) {
				return
			}
		}
	}
}

// Holdings yields what each account has, in mJ; the workload is nil for idle, unattributed and other. Unlike Accounts
// it tells nobody.
func (l *Ledger) Holdings(yield func(w *workload.Workload, millijoules uint64) bool) {
	for _, e := range l.entries {
		if !yield(e.Workload, e.Millijoules) {
			return
		}
	}
}

// Reported says that what Accounts yielded was told. Accounts of workloads that have ended, with nothing of
// theirs waiting or untold, are freed.
func (l *Ledger) Reported() {
	present := l.present()
	for _, e := range l.entries {
		if e.told != e.Millijoules {
			e.party.present = present
		}
	}
	l.entries = slices.DeleteFunc(l.entries, func(e *entry) bool {
		gone := e.Workload != nil && e.party.present != present
		if gone {
			l.freed[e.Method] += e.Millijoules
		}
		return gone
	})
	l.dropAbsent(present)
}

// Imbalance is how far the energy booked and what the accounts were given are apart, in mJ, over the
// ledger's life and in each method: 0.
func (l *Ledger) Imbalance() int64 {
	left := l.booked
	left.sub(l.freed)
	for _, e := range l.entries {
		left[e.Method] -= e.Millijoules
	}
	sum := uint64(0)
	for _, n := range left {
		sum += min(n, -n) // one method's lack is not another's surplus
	}
	return int64(sum)
}

// give books to a party. A workload without an account is admitted first, or joins the others.
func (l *Ledger) give(p *party, a Attribution, m Method, millijoules uint64, start time.Time) {
	if millijoules == 0 {
		return
	}
	switch {
	case p.workload == nil:
		if p != l.parties.other {
			a = MeasuredShare
		}
	case p.admission == undecided:
		p.admission = admitted
		if l.config.Admit != nil && !l.config.Admit(p.workload) {
			p.admission = refused
		}
	}
	if p.admission == refused {
		p = l.parties.other
	}
	if p.accounts[a][m] == nil {
		p.accounts[a][m] = l.open(p, Account{Workload: p.workload, Kind: p.kind, Attribution: a, Method: m, Start: start})
	}
	p.accounts[a][m].Millijoules += millijoules
}

func (l *Ledger) open(p *party, a Account) *entry {
	e := &entry{Account: a, party: p}
	l.entries = append(l.entries, e)
	return e
}
