// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// Presence is what was seen on the GPU at one time. In the time between two, who was seen at
// either end was there; if one of them is not Known, the earlier holds.
type Presence struct {
	// Known says that the list of processes could be had. If not (not supported, no permission, a foreign PID
	// namespace), nobody may be there as well as many.
	Known bool
	// Unsampled says that there are no samples of utilization (MIG, vGPU, no permission): that there is none of a
	// resident does not mean that it is idle.
	Unsampled bool
	// Owner has the whole GPU to itself: it pays for all of it, idle included.
	Owner *workload.Workload
	// Residents are processes, or those who hold a part. There may be several of one workload.
	Residents []Resident
}

// Resident is one that was seen on the GPU.
type Resident struct {
	Workload *workload.Workload // nil if it could not be identified
	Memory   uint64             // bytes
	// Weight is its activity x size since the previous presence, if Weighted. If not, samples say what it did.
	Weight   uint64
	Weighted bool
	// Shares of OfShares are reserved for it: slices of a MIG instance, replicas of a GPU. Those of several
	// residents of a workload are added.
	Shares, OfShares uint32
	// Estimated says that the weight is no measured activity, or that hardware was shared.
	Estimated bool
	// Activity says that the weight is what it did all the same, as CPU time is: it counts for the time before the presence
	// alone. Else an estimated weight is a size, which those who have gone had as well.
	Activity bool
	// Owner has a MIG instance to itself.
	Owner bool
}

// sighting is a presence, and later ones that were the same.
type sighting struct {
	from, until      offset
	known, unsampled bool
	blind            bool // nobody looked, before a restart; samples say nothing of it either
	owner            *party
	residents        []resident
}

type resident struct {
	party *party
	Resident
}

// Presence was seen at a time.
func (l *Ledger) Presence(at time.Time, p Presence) {
	l.tidy()
	when := l.saw(at)
	n := len(l.sightings)
	if n > 0 && when < l.sightings[n-1].until {
		l.rejected.LatePresences++
		return
	}
	s := sighting{from: when, until: when, known: p.Known, unsampled: p.Unsampled, residents: l.residents(p.Residents)}
	if p.Owner != nil {
		s.owner = l.parties.of(p.Owner)
	}
	if n > 0 && l.sightings[n-1].same(s) {
		l.sightings[n-1].until = when
		l.spare = append(l.spare, s.residents)
		return
	}
	l.changed = true
	switch {
	case s.known:
		l.lastKnown = l.lastKnown[:0]
	case n > 0 && l.sightings[n-1].known:
		for _, r := range l.sightings[n-1].residents {
			l.lastKnown = append(l.lastKnown, r.party)
		}
		if owner := l.sightings[n-1].owner; owner != nil {
			l.lastKnown = append(l.lastKnown, owner)
		}
	}
	if n >= maxSightings {
		l.spare = append(l.spare, l.sightings[n-1].residents)
		s.from = l.sightings[n-1].from
		l.sightings[n-1] = s
		return
	}
	l.sightings = append(l.sightings, s)
}

// residents is a copy without those who are none: a MIG instance that is empty and idle.
func (l *Ledger) residents(from []Resident) (to []resident) {
	if n := len(l.spare); n > 0 {
		to, l.spare = l.spare[n-1][:0], l.spare[:n-1]
	}
	for _, r := range from {
		if r.Workload == nil && r.Weighted && r.Weight == 0 {
			continue
		}
		p := l.parties.of(r.Workload)
		r.Workload = nil
		to = append(to, resident{p, r})
	}
	return to
}

func (s *sighting) same(as sighting) bool {
	return !s.blind && s.known == as.known && s.unsampled == as.unsampled && s.owner == as.owner && slices.Equal(s.residents, as.residents)
}

// seen is what was seen before and after a time, and until when that holds. Within a sighting, after is nil.
// Times must not decrease.
func (l *Ledger) seen(at offset) (before, after *sighting, until offset) {
	if l.resuming { // who was seen since counts from the next energy on
		return &l.sightings[0], nil, math.MaxInt64
	}
	for l.passed < len(l.sightings) && l.sightings[l.passed].from <= at {
		l.passed++
	}
	until = math.MaxInt64
	if l.passed > 0 {
		before = &l.sightings[l.passed-1]
	}
	if l.passed < len(l.sightings) {
		after = &l.sightings[l.passed]
		until = after.from
	}
	switch {
	case before == nil:
		return after, nil, until
	case at < before.until:
		return before, nil, before.until
	case after == nil || !before.known || !after.known:
		return before, nil, until
	}
	return before, after, until
}
