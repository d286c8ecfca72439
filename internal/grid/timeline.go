// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
	"time"
)

// Value is the intensity of an interval, from Start to just before End, as a source published it.
type Value struct {
	Start, End time.Time
	Intensity
}

// Timeline is what is known of a zone at one moment: for each time the best that there is. It never
// changes, so that any number of goroutines can read it without a lock.
type Timeline struct {
	// segments cover all time, in order.
	segments []segment
	// since is from when on all has been asked for that can be had.
	since int64
}

type segment struct {
	until     int64 // Unix ns; the last one's is the end of time
	intensity *Intensity
}

// NewTimeline takes values in the order of preference: where several cover a time, the first of the
// best quality counts. A time that none covers has the last value before it as Stale, for carry times
// the length of its interval, and then the fallback, which may be nil: nothing is known. What is
// before since may still become known: Settled is false.
func NewTimeline(values []Value, carry int, fallback *Intensity, since time.Time) *Timeline {
	known := resolve(values)
	t := &Timeline{since: since.UnixNano()}
	at := int64(math.MinInt64)
	for i := range known {
		v := &known[i].Value
		if start := v.Start.UnixNano(); start > at {
			t.bridge(at, start, known[:i], carry, fallback)
		}
		at = v.End.UnixNano()
		t.add(at, &v.Intensity)
	}
	t.bridge(at, math.MaxInt64, known, carry, fallback)
	return t
}

// rank puts what was said of an interval afterwards before what was foretold.
func rank(q Quality) int {
	switch q {
	case Measured, Estimated:
		return 0
	default:
		return 1
	}
}

// part of the interval of a value.
type part struct {
	Value
	length time.Duration // of the interval
}

// resolve sorts values so that none overlaps another: the better one keeps its time, of the other is
// left what is before and after it.
func resolve(values []Value) []part {
	order := slices.Clone(values)
	slices.SortStableFunc(order, func(a, b Value) int { return cmp.Compare(rank(a.Quality), rank(b.Quality)) })
	var taken []part // in order of time, apart from each other
	for _, v := range order {
		for _, free := range gaps(taken, v.Start, v.End) {
			p := part{v, v.End.Sub(v.Start)}
			p.Start, p.End = free[0], free[1]
			i := sort.Search(len(taken), func(i int) bool { return taken[i].Start.After(p.Start) })
			taken = slices.Insert(taken, i, p)
		}
	}
	return taken
}

// gaps are the parts of a time that none of the values covers.
func gaps(taken []part, start, end time.Time) (free [][2]time.Time) {
	i := sort.Search(len(taken), func(i int) bool { return taken[i].End.After(start) })
	for ; i < len(taken) && taken[i].Start.Before(end); i++ {
		if start.Before(taken[i].Start) {
			free = append(free, [2]time.Time{start, taken[i].Start})
		}
		start = taken[i].End
	}
	if start.Before(end) {
		free = append(free, [2]time.Time{start, end})
	}
	return free
}

// bridge fills a time that nothing covers.
func (t *Timeline) bridge(from, until int64, before []part, carry int, fallback *Intensity) {
	if len(before) > 0 {
		last := before[len(before)-1]
		stale := last.Intensity
		stale.Quality = Stale
		carried := min(until, from+int64(carry)*int64(last.length))
		t.add(carried, &stale)
		from = carried
	}
	if from < until {
		t.add(until, fallback)
	}
}

func (t *Timeline) add(until int64, i *Intensity) {
	if n := len(t.segments); n > 0 && same(t.segments[n-1].intensity, i) {
		t.segments[n-1].until = until
		return
	}
	t.segments = append(t.segments, segment{until, i})
}

func same(a, b *Intensity) bool { return a == b || a != nil && b != nil && *a == *b }

// Always is a timeline on which nothing changes.
func Always(i Intensity) *Timeline {
	return &Timeline{segments: []segment{{math.MaxInt64, &i}}, since: math.MinInt64}
}

// Settled reports whether all has been asked for that can be had of a time in Unix ns and after.
func (t *Timeline) Settled(ns int64) bool { return ns >= t.since }

// At is the intensity at a time in Unix ns, and until when it holds; nil if nothing is known.
func (t *Timeline) At(ns int64) (i *Intensity, until int64) {
	s := &t.segments[t.find(ns)]
	return s.intensity, s.until
}

// Part is what has one intensity of a time.
type Part struct {
	// Until is where it ends, in Unix ns.
	Until int64
	// Intensity is nil if nothing is known. It is the same pointer for the same segment of a timeline.
	Intensity *Intensity
	// Share of the amount that was split.
	Amount float64
}

// Split divides an amount that was used evenly over (from, until], in Unix ns, at the boundaries of
// intervals. The parts add up to the amount: the last one is what is left. Without a duration, all
// belongs to the intensity at its time.
func (t *Timeline) Split(from, until int64, amount float64) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		i := t.find(from)
		left, duration := amount, float64(until-from)
		for ; t.segments[i].until < until; i++ {
			s := &t.segments[i]
			share := amount * (float64(s.until-from) / duration)
			from = s.until
			left -= share
			if !yield(Part{from, s.intensity, share}) {
				return
			}
		}
		yield(Part{until, t.segments[i].intensity, left})
	}
}

// find is the segment that holds just after a time. That is mostly the last but one or two.
func (t *Timeline) find(ns int64) int {
	return sort.Search(len(t.segments), func(i int) bool { return t.segments[i].until > ns })
}
