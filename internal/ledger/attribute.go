// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// segment is a piece of a window in which what was seen does not change.
type segment struct {
	start      time.Time
	begin, end offset
	energy     amount
}

// scene is who was there in a segment, and what they did.
type scene struct {
	known, unsampled bool
	sampled          bool // any sample, be it of 0 %
	weighted         bool // any resident
	residents        int
	shares           []share
	stamps           uint64
}

type share struct {
	party           *party
	resident        bool
	sampled, weight uint64
	memory          uint64
	owner           bool
	weighted        bool
	estimated       bool
	reserved, of    uint64

	energy amount
}

// longestUnknown is the longest time that samples speak for when nobody could look who was there.
// Longer ones are those in which the GPU, or the collector, was away: samples cover but their end.
const longestUnknown = offset(5 * time.Second)

// attribute books a segment. Without a sighting, nobody knows who was there.
func (l *Ledger) attribute(s segment, before, after *sighting) {
	owner := l.survey(s, before, after)
	nobody := l.scene.known && l.scene.residents == 0 && !l.scene.sampled && owner == nil
	l.idle.learn(nobody, s.energy.total(), s.begin, s.end)
	if owner != nil {
		for m, e := range s.energy {
			l.give(owner, Exclusive, Method(m), e, s.start)
		}
		return
	}
	measured := l.weigh()
	inactive, active := s.energy, amount{}
	if !nobody || l.idle.milliwatts > 0 {
		inactive = l.inactive(s)
		active = s.energy
		active.sub(inactive)
	}
	l.divide(active, l.weights, l.parties.unattributed, s.start)
	l.divideIdle(inactive, s.start)

	several := 0
	for _, w := range l.weights {
		if w > 0 {
			several++
		}
	}
	for i := range l.scene.shares {
		sh := &l.scene.shares[i]
		a := EstimatedShare
		switch {
		case sh.owner:
			a = Exclusive
		case l.weights[i] > 0 && (several == 1 || measured && sh.weighted && !sh.estimated):
			a = MeasuredShare
		}
		for m, e := range sh.energy {
			l.give(sh.party, a, Method(m), e, s.start)
		}
	}
}

// inactive is the idle part of each method's energy.
func (l *Ledger) inactive(s segment) (part amount) {
	var parts [methods]uint64
	copy(part[:], joule.Split(l.idle.part(s.energy.total(), s.end-s.begin), s.energy[:], parts[:0]))
	return part
}

// weigh sets the weights of the shares: SM time, else activity by hardware. measured says that it is the
// latter. With neither, and no way to have it, being there has to do.
func (l *Ledger) weigh() (measured bool) {
	s := &l.scene
	var sampled, weight uint64
	memory := true
	for i := range s.shares {
		sampled |= s.shares[i].sampled
		weight |= s.shares[i].weight
		memory = memory && (!s.shares[i].resident || s.shares[i].memory > 0)
	}
	l.weights = l.weights[:0]
	for i := range s.shares {
		sh := &s.shares[i]
		w := uint64(0)
		switch {
		case sampled > 0:
			w = sh.sampled
		case weight > 0:
			w = sh.weight
		case s.weighted || s.sampled || !s.unsampled || !s.known || !sh.resident:
		case memory:
			w = sh.memory
		default:
			w = 1
		}
		l.weights = append(l.weights, w)
	}
	return sampled == 0 && weight > 0
}

// divide adds energy to the shares by weights. What is for none of them goes to another.
func (l *Ledger) divide(energy amount, weights []uint64, otherwise *party, start time.Time) {
	for m, e := range energy {
		l.parts = joule.Split(e, weights, l.parts[:0])
		for i, part := range l.parts[:len(l.scene.shares)] {
			l.scene.shares[i].energy[m] += part
			e -= part
		}
		l.give(otherwise, MeasuredShare, Method(m), e, start)
	}
}

// divideIdle does so by the policy. Weights that are above 0 remain so.
func (l *Ledger) divideIdle(energy amount, start time.Time) {
	switch l.config.Idle {
	case IdleProportional:
		l.divide(energy, l.weights, l.parties.idle, start)
	case IdleEqual:
		for i, w := range l.weights {
			l.weights[i] = min(w, 1)
		}
		l.divide(energy, l.weights, l.parties.idle, start)
	case IdleReserved:
		l.reserved = l.reserve(l.reserved[:0])
		l.divide(energy, l.reserved, l.parties.idle, start)
	default:
		for m, e := range energy {
			l.give(l.parties.idle, MeasuredShare, Method(m), e, start)
		}
	}
}

// reserve appends the weights of reservations, and last that of what is reserved by nobody.
func (l *Ledger) reserve(to []uint64) []uint64 {
	whole, same := uint64(0), true
	for i := range l.scene.shares {
		if of := l.scene.shares[i].of; of > 0 {
			same = same && (whole == 0 || whole == of)
			whole = of
		}
	}
	if !same {
		whole = 1 << 32
	}
	left := whole
	for i := range l.scene.shares {
		w := l.scene.shares[i].reserved
		if of := l.scene.shares[i].of; !same && of > 0 {
			w = times(w, whole) / of
		}
		left -= min(left, w)
		to = append(to, w)
	}
	return append(to, left)
}
