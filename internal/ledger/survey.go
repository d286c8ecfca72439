// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

// survey sets the scene of a segment, and returns the owner of the whole GPU, if it has one.
func (l *Ledger) survey(seg segment, before, after *sighting) (owner *party) {
	s := &l.scene
	*s = scene{shares: s.shares[:0], stamps: s.stamps + 1}
	if before != nil {
		s.known, s.unsampled, owner = before.known, before.unsampled, before.owner
	}
	if after != nil {
		s.unsampled = s.unsampled && after.unsampled
		if after.owner != nil {
			owner = after.owner
		}
		for i := range after.residents {
			s.of(after.residents[i].party).add(&after.residents[i], true)
		}
	}
	stayed := len(s.shares)
	if before != nil {
		for i := range before.residents {
			r := &before.residents[i]
			// Weights are of the time before: of those who have gone since, no activity is known, but a size holds.
			holds := after == nil || r.Estimated
			if r.Activity {
				holds = seg.begin < before.until
			}
			if sh := s.of(r.party); after == nil || sh.party.index >= stayed {
				sh.add(r, holds)
			}
		}
	}
	for i := range s.shares {
		s.weighted = s.weighted || s.shares[i].weighted
	}
	s.residents = len(s.shares)
	if before != nil && before.blind || !s.known && seg.end-seg.begin > longestUnknown {
		return owner
	}
	for i := range l.samples {
		if l.samples[i].begin >= seg.end {
			break
		}
		if w, overlaps := l.samples[i].weight(seg.begin, seg.end); overlaps {
			s.sampled = true
			sh := s.of(l.samples[i].party)
			sh.sampled = plus(sh.sampled, w)
		}
	}
	return owner
}

// of is the share of a party.
func (s *scene) of(p *party) *share {
	if p.stamp != s.stamps {
		p.stamp, p.index = s.stamps, len(s.shares)
		s.shares = append(s.shares, share{party: p})
	}
	return &s.shares[p.index]
}

// add is a resident of the share's party, whose weight may hold no more.
func (sh *share) add(r *resident, holds bool) {
	sh.resident = true
	sh.memory = plus(sh.memory, r.Memory)
	sh.owner = sh.owner || r.Owner
	sh.estimated = sh.estimated || r.Estimated
	if r.Weighted {
		sh.weighted = true
		if holds {
			sh.weight = plus(sh.weight, r.Weight)
		}
	}
	if r.OfShares > 0 {
		sh.reserved += uint64(r.Shares)
		sh.of = max(sh.of, uint64(r.OfShares))
	}
}
