// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package embodied counts the emissions of making the hardware, as it is used up.
package embodied

import (
	"slices"
	"time"
)

// Ledger is the embodied emissions of physical devices, by Software Carbon Intensity (ISO/IEC
// 21031:2024): M = TE · TiR/EL · RR/ToR, where TE is the emissions of making the device and EL its
// lifetime. All of the device is reserved (RR/ToR is 1), and never more than TE is counted. Not safe
// for concurrent use.
//
// The time reserved (TiR) is the time between observations, busy or idle, as far as they are at most
// MaxGap apart: through a restart, an outage or a weekend the device is nobody else's. It is the
// length of the union of those times. So neither the order of observations matters, nor how many
// there are, nor that two sources see one device, and it only grows. A wrong clock costs nothing:
// what lies alone is no time, and what was counted too early is not counted again.
type Ledger struct {
	kinds    []kind
	limit    int
	skipped  func(id, name string, why Reason)
	accounts map[string]*account
	full     bool
}

// MaxGap is longer than any outage that energy counters are trusted over, and short enough not to
// count a device that was sold, or a clock that started in 1970.
const MaxGap = 7 * 24 * time.Hour

// Reason is why a device is not counted.
type Reason string

// Devices are left out if no entry matches, or there are too many.
const (
	UnknownDevice Reason = "unknown_device"
	DeviceLimit   Reason = "device_limit"
)

// NewLedger returns a ledger for at most limit devices. It calls skipped once for each device that it
// does not know, and once when it is full.
func NewLedger(c Config, limit int, skipped func(id, name string, why Reason)) *Ledger {
	return &Ledger{kinds: c.kinds(), limit: limit, skipped: skipped, accounts: map[string]*account{}}
}

// Total is what has accrued on a device.
type Total struct {
	// Since is when it was first observed.
	Since time.Time
	// Grams of CO2e. They never fall.
	Grams float64
}

// Observe says that a device, by an id that is unique to it, was there at a time after 1970, and
// returns what has accrued on it; false if it is not counted. A device that is known only by a later
// name has its whole time counted; one that is known keeps its entry.
func (l *Ledger) Observe(id, name string, at time.Time) (Total, bool) {
	if at.UnixNano() <= 0 {
		return Total{}, false
	}
	a := l.accounts[id]
	if a == nil {
		if len(l.accounts) >= l.limit {
			if !l.full {
				l.full = true
				l.skipped(id, name, DeviceLimit)
			}
			return Total{}, false
		}
		a = &account{since: at.UnixNano(), name: name, kind: l.find(name)}
		l.accounts[id] = a
		if a.kind == nil {
			l.skipped(id, name, UnknownDevice)
		}
	}
	if a.kind == nil && a.name != name {
		a.name, a.kind = name, l.find(name)
	}
	a.observe(at.UnixNano())
	return a.total(), a.kind != nil
}

// Forget drops the devices that were last seen before a time.
func (l *Ledger) Forget(before time.Time) {
	for id, a := range l.accounts {
		if a.spans[len(a.spans)-1].until < before.UnixNano() {
			delete(l.accounts, id)
			l.full = false
		}
	}
}

// State is what to keep of a device over a restart.
type State struct {
	Name         string
	Since, Until time.Time
	Reserved     time.Duration
}

// States are those of all devices, by id.
func (l *Ledger) States() map[string]State {
	states := make(map[string]State, len(l.accounts))
	for id, a := range l.accounts {
		until := max(a.since, a.floor)
		for _, s := range a.spans {
			if s.from < s.until {
				until = s.until
			}
		}
		states[id] = State{a.name, time.Unix(0, a.since), time.Unix(0, until), time.Duration(a.reserved())}
	}
	return states
}

// Restore goes on where a device was left, before any observation of it.
func (l *Ledger) Restore(states map[string]State) {
	for id, s := range states {
		l.Observe(id, s.Name, s.Until)
		if a := l.accounts[id]; a != nil {
			a.since, a.settled, a.floor = s.Since.UnixNano(), int64(s.Reserved), s.Until.UnixNano()
		}
	}
}

func (l *Ledger) find(name string) *kind {
	if i := slices.IndexFunc(l.kinds, func(k kind) bool { return k.name.MatchString(name) }); i >= 0 {
		return &l.kinds[i]
	}
	return nil
}

// account is the time that a device was there.
type account struct {
	kind    *kind // nil if unknown
	name    string
	since   int64 // Unix ns, as all times here
	spans   []span
	settled int64 // the length of spans that were dropped, all of them before floor
	floor   int64
}

// span is a time without a gap. Two are more than MaxGap apart.
type span struct{ from, until int64 }

const maxSpans = 8 // real devices have one or two

func (a *account) observe(at int64) {
	if at <= a.floor {
		return
	}
	lo := 0
	for lo < len(a.spans) && at-a.spans[lo].until > int64(MaxGap) {
		lo++
	}
	hi, joined := lo, span{at, at}
	for ; hi < len(a.spans) && a.spans[hi].from-at <= int64(MaxGap); hi++ {
		joined = span{min(joined.from, a.spans[hi].from), max(joined.until, a.spans[hi].until)}
	}
	a.spans = slices.Replace(a.spans, lo, hi, joined)
	if len(a.spans) > maxSpans {
		a.drop(joined)
	}
}

// drop makes room for the newest: by another that lies alone, which counts nothing, else by the first.
func (a *account) drop(newest span) {
	alone := slices.IndexFunc(a.spans, func(s span) bool { return s.from == s.until && s != newest })
	if alone < 0 {
		alone = 0
		a.settled += a.spans[0].until - a.spans[0].from
		a.floor = a.spans[0].until
	}
	a.spans = slices.Delete(a.spans, alone, alone+1)
}

func (a *account) total() Total {
	t := Total{Since: time.Unix(0, a.since)}
	if a.kind != nil {
		t.Grams = 1000 * a.kind.KG * min(1, float64(a.reserved())/float64(a.kind.Lifetime))
	}
	return t
}

func (a *account) reserved() int64 {
	sum := a.settled
	for _, s := range a.spans {
		sum += s.until - s.from
	}
	return sum
}
