// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// party is one that energy is booked to: a workload, or one of those that are none.
type party struct {
	workload  *workload.Workload
	kind      string
	admission admission
	accounts  [attributions][methods]*entry

	present uint64 // the count of present that found it
	index   int    // in the scene
	stamp   uint64 // of the scene that it is in
}

type admission uint8

const (
	undecided admission = iota
	admitted
	refused
)

// parties finds them: by address, which is quick, then by identity.
type parties struct {
	idle, unattributed, other *party

	byID      map[string]*party
	byAddress map[*workload.Workload]*party
	crowded   int // so many that it is time to look for those who have gone
	counts    uint64
}

const fewParties = 1024

func newParties() parties {
	return parties{
		idle: &party{kind: Idle}, unattributed: &party{kind: Unattributed}, other: &party{kind: Other},
		byID: map[string]*party{}, byAddress: map[*workload.Workload]*party{}, crowded: fewParties,
	}
}

// of is the party of a workload, the unattributed of none.
func (p *parties) of(w *workload.Workload) *party {
	if w == nil {
		return p.unattributed
	}
	if known := p.byAddress[w]; known != nil {
		return known
	}
	id := w.ID()
	known := p.byID[id]
	if known == nil {
		known = &party{workload: w, kind: string(w.Kind)}
		p.byID[id] = known
	}
	if len(p.byAddress) >= 4*p.crowded {
		clear(p.byAddress)
	}
	p.byAddress[w] = known
	return known
}

// present marks all who were seen, or of whom samples wait, as far as windows are open. It
// returns the mark.
func (l *Ledger) present() uint64 {
	l.parties.counts++
	count := l.parties.counts
	for i := range l.sightings {
		if s := &l.sightings[i]; s.owner != nil {
			s.owner.present = count
		}
		for _, r := range l.sightings[i].residents {
			r.party.present = count
		}
	}
	for _, p := range l.lastKnown {
		p.present = count
	}
	for i := range l.samples {
		l.samples[i].party.present = count
	}
	return count
}

// dropAbsent forgets parties that are neither present nor have an account.
func (l *Ledger) dropAbsent(present uint64) {
	before := len(l.parties.byID)
	for id, p := range l.parties.byID {
		if p.present == present {
			continue
		}
		delete(l.parties.byID, id)
		if p.admission == admitted && l.config.Release != nil {
			l.config.Release(p.workload)
		}
	}
	if len(l.parties.byID) < before {
		clear(l.parties.byAddress)
	}
	l.parties.crowded = max(fewParties, 2*len(l.parties.byID))
}

// Dismiss forgets who was there: accounts of workloads that were told end, and give back their slots. It is for a device that
// is gone, or has been away for so long that nobody is kept waiting for it. Energy of the time until now that still comes is
// unattributed; the next Presence begins anew.
func (l *Ledger) Dismiss() {
	l.samples, l.lastKnown, l.spare = nil, nil, nil
	l.sightings, l.passed, l.changed = []sighting{{from: l.closed, until: l.latest, blind: true}}, 0, true
	l.Reported()
}

// tidy bounds the parties when there are many that never had energy, and nobody asks for the accounts.
func (l *Ledger) tidy() {
	if len(l.parties.byID) < l.parties.crowded {
		return
	}
	present := l.present()
	for _, e := range l.entries {
		e.party.present = present
	}
	l.dropAbsent(present)
}
