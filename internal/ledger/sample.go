// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"
	"sort"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// ahead is how far in the future a sample may end. Energy may be read but once a minute.
const ahead = offset(2 * time.Minute)

// sample is how busy a party was.
type sample struct {
	party      *party
	begin, end offset
	percent    uint64
}

// Sample is a share of SM time in (from, to], of a workload or of one that nobody could
// identify (nil). Several of one workload add up: they are of different processes.
func (l *Ledger) Sample(w *workload.Workload, from, to time.Time, percent uint32) {
	l.tidy()
	s := sample{begin: l.since(from), end: l.since(to), percent: uint64(percent)}
	switch {
	case percent > 100 || s.end <= s.begin || s.end > l.latest+ahead:
		l.rejected.InvalidSamples++
	case s.end <= l.closed:
		l.rejected.LateSamples++
	case len(l.samples) >= maxSamples:
		l.rejected.ExcessSamples++
	default:
		s.party = l.parties.of(w)
		i := len(l.samples)
		if i > 0 && l.samples[i-1].begin > s.begin {
			i = sort.Search(i, func(i int) bool { return l.samples[i].begin > s.begin })
		}
		l.samples = slices.Insert(l.samples, i, s)
	}
}

// Discard counts samples that made no sense.
func (l *Ledger) Discard(n uint64) { l.rejected.InvalidSamples += n }

// weight is what the sample says of a time: percent x ns.
func (s *sample) weight(begin, end offset) (w uint64, overlaps bool) {
	common := min(s.end, end) - max(s.begin, begin)
	if common <= 0 {
		return 0, false
	}
	return times(s.percent, uint64(common)), true
}
