// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"iter"
	"slices"
	"sort"
	"time"
)

// Window is a time without gaps, and what the grid is said to do in it.
type Window struct {
	// Start is in Unix ns.
	Start int64
	// GramsPerKWh is the mean over the window.
	GramsPerKWh float64
	// First is the intensity that the window starts with.
	First *Intensity
}

// Greenest is the window of a length within [from, until), in Unix ns, whose mean intensity is the least; the
// earliest of several. A window has the intensity of its own interval at all times, and counts what the first
// such interval counts. It is false if there is no such window.
func (t *Timeline) Greenest(from, until int64, length time.Duration) (best Window, ok bool) {
	known := t.integrate(from, until)
	// The mean changes evenly while both ends of the window are within intervals, so that it is the least
	// where one of them is at the edge of an interval.
	starts := make([]int64, 0, 2*len(known.at))
	for _, edge := range known.at {
		starts = append(starts, edge, edge-int64(length))
	}
	slices.Sort(starts)
	for _, start := range slices.Compact(starts) {
		mean, ok := known.mean(start, start+int64(length))
		if ok && (best.First == nil || mean < best.GramsPerKWh-rounding) {
			first, _ := t.At(start)
			best = Window{start, mean, first}
		}
	}
	return best, best.First != nil
}

// rounding of sums makes no window greener, in g/kWh.
const rounding = 1e-6

// Rank is the place of an intensity among those of (from, until], in Unix ns: the share of time that had less, and
// half of that which had as much. Only what was measured or estimated, and counts the same, is compared with;
// known is how much of the time that is. Without any, the rank is meaningless.
func (t *Timeline) Rank(of *Intensity, from, until int64) (rank float64, known time.Duration) {
	var less, equal int64
	for s := range t.spans(from, until) {
		if !s.Quality.Known() || !s.sameQuantity(&of.Provenance) {
			continue
		}
		length := s.until - s.from
		known += time.Duration(length)
		switch {
		case s.GramsPerKWh < of.GramsPerKWh:
			less += length
		case s.GramsPerKWh == of.GramsPerKWh:
			equal += length
		}
	}
	return (float64(less) + float64(equal)/2) / max(1, float64(known)), known
}

// Newest is the last intensity that was measured or estimated, and the end of its interval in Unix ns; nil if
// there is none.
func (t *Timeline) Newest() (*Intensity, int64) {
	for _, s := range slices.Backward(t.segments) {
		if s.intensity != nil && s.intensity.Quality.Known() {
			return s.intensity, s.until
		}
	}
	return nil, 0
}

// Known reports whether it was said of the interval when that was there.
func (q Quality) Known() bool { return q == Measured || q == Estimated }

// Own reports whether it was said of the interval, before or after, and not of another one or of a year.
func (q Quality) Own() bool { return q.Known() || q == Forecast }

// sameQuantity reports whether two numbers are of the same quantity.
func (p *Provenance) sameQuantity(with *Provenance) bool {
	return p.Signal == with.Signal && p.Boundary == with.Boundary && p.Basis == with.Basis && p.Gas == with.Gas
}

// span is a time with one intensity.
type span struct {
	from, until int64
	*Intensity
}

// spans are the parts of a time that something is known of.
func (t *Timeline) spans(from, until int64) iter.Seq[span] {
	return func(yield func(span) bool) {
		for i := t.find(from); from < until; i++ {
			s := &t.segments[i]
			end := min(s.until, until)
			if s.intensity != nil && !yield(span{from, end, s.intensity}) {
				return
			}
			from = end
		}
	}
}

// integral of intensity over time, from the first edge to each.
type integral struct {
	at    []int64   // edges of intervals, Unix ns
	grams []float64 // g/kWh * ns
	known []int64   // ns
}

// integrate adds up what the intervals have of their own, and what counts the same as the first of them.
func (t *Timeline) integrate(from, until int64) *integral {
	r := &integral{}
	var first *Intensity
	for s := range t.spans(from, until) {
		if !s.Quality.Own() || first != nil && !s.sameQuantity(&first.Provenance) {
			continue
		}
		if first == nil {
			first = s.Intensity
			r.add(s.from, 0, 0)
		}
		if s.from > r.at[len(r.at)-1] {
			r.add(s.from, 0, 0)
		}
		r.add(s.until, s.GramsPerKWh, s.until-s.from)
	}
	return r
}

func (r *integral) add(edge int64, gramsPerKWh float64, known int64) {
	grams := gramsPerKWh * float64(known)
	if n := len(r.at); n > 0 {
		grams += r.grams[n-1]
		known += r.known[n-1]
	}
	r.at, r.grams, r.known = append(r.at, edge), append(r.grams, grams), append(r.known, known)
}

// mean is false if not all of the time is known.
func (r *integral) mean(from, until int64) (float64, bool) {
	if from < r.at[0] || until > r.at[len(r.at)-1] {
		return 0, false
	}
	a, knownToA := r.upTo(from)
	b, knownToB := r.upTo(until)
	return max(0, b-a) / float64(until-from), knownToB-knownToA == until-from
}

// upTo is the integral to a time between the first edge and the last.
func (r *integral) upTo(ns int64) (grams float64, known int64) {
	i := sort.Search(len(r.at), func(i int) bool { return r.at[i] >= ns })
	if r.at[i] == ns {
		return r.grams[i], r.known[i]
	}
	grams, known = r.grams[i-1], r.known[i-1]
	if r.known[i] > known {
		part := ns - r.at[i-1]
		grams += (r.grams[i] - grams) * (float64(part) / float64(r.at[i]-r.at[i-1]))
		known += part
	}
	return grams, known
}
