// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package uncertainty says how well emissions are known, by propagating the uncertainties of what
// they are computed from (JCGM 100:2008, "GUM"; emissions are a product, so relative variances add).
package uncertainty

import (
	"math"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Window adds up the emissions of the last hours by what their uncertainty depends on: the hour and
// quality of the intensity, the method of the energy, the board that it was measured on. Not safe
// for concurrent use.
//
// With buckets k of the emissions C = Σ c_k and their shares w_k = c_k/C:
//
//	u² = u_pue² + u_gain² + u_sys² + Σ_q [ρ_q (Σ_{k∈q} w_k u_q)² + (1-ρ_q) Σ_{k∈q} w_k² u_q²] + Σ w_k² u_timing²
//
// A bucket is an hour, however often a provider says it. The systematic errors of the qualities add
// up, as they are one method's. Gains of n boards are independent; models, and one board's, are not.
type Window struct {
	inputs *Inputs
	pue    float64
	step   int64  // s
	slots  []slot // a ring
}

// slot is what was emitted in a time, in g.
type slot struct {
	number  int64 // of the step, or of the hour, since 1970
	quality [len(qualities)]float64
	boards  []board
}

type board struct {
	id                         string
	counter, integrated, model float64
}

// maxBoards bounds a slot. All further boards are taken for one, which overstates their gain.
const maxBoards = 128

// NewWindow returns an empty window of an hour or more. It slides by a twelfth of its length, at most
// by an hour. Many windows may share the inputs, which must not change. The uncertainty of the PUE is
// one of the inputs', or 0 for emissions of the IT equipment alone.
func NewWindow(inputs *Inputs, pue float64, length time.Duration) *Window {
	length = max(length, time.Hour)
	step := min(length/12, time.Hour).Truncate(time.Second)
	return &Window{inputs: inputs, pue: pue, step: int64(step / time.Second), slots: make([]slot, (length+step-1)/step)}
}

// Add adds the emissions, in g, of energy that was used about that time. Negative ones take back what
// was added with the same arguments, when a better value replaces it. An unknown method is taken for
// a model, an unknown quality for a static value. It reports false for what it does not take: grams
// that are not finite, and a time that the window has left behind.
func (w *Window) Add(at time.Time, grams float64, quality grid.Quality, method, boardID string) bool {
	n := at.Unix() / w.step
	if math.IsNaN(grams) || math.IsInf(grams, 0) || n < 0 {
		return false
	}
	s := &w.slots[n%int64(len(w.slots))]
	switch {
	case s.number > n:
		return false
	case s.number < n:
		*s = slot{number: n, boards: s.boards[:0]}
	}
	s.quality[class(quality)] += grams
	switch b := s.board(boardID); method {
	case "counter":
		b.counter += grams
	case "integrated":
		b.integrated += grams
	default:
		b.model += grams
	}
	return true
}

// board finds or adds a board.
func (s *slot) board(id string) *board {
	for i := range s.boards {
		if s.boards[i].id == id {
			return &s.boards[i]
		}
	}
	if len(s.boards) < maxBoards {
		s.boards = append(s.boards, board{id: id})
	}
	return &s.boards[len(s.boards)-1]
}

// add takes another slot in. Taking back may have left less than nothing, by rounding.
func (s *slot) add(other slot) {
	for i, grams := range other.quality {
		s.quality[i] += max(0, grams)
	}
	for _, b := range other.boards {
		sum := s.board(b.id)
		sum.counter += max(0, b.counter)
		sum.integrated += max(0, b.integrated)
		sum.model += max(0, b.model)
	}
}

// At is the uncertainty of the emissions of the window that ends now; false if there are none.
func (w *Window) At(now time.Time) (Relative, bool) {
	hours := w.hours(now)
	var all slot
	for _, h := range hours {
		all.add(h)
	}
	var byQuality, byMethod float64 // the same, but for rounding
	for _, grams := range all.quality {
		byQuality += grams
	}
	for _, b := range all.boards {
		byMethod += b.counter + b.integrated + b.model
	}
	if !(byQuality > 0 && byMethod > 0) || math.IsInf(byQuality+byMethod, 0) {
		return 0, false
	}

	variance, model, systematic := square(w.pue), 0.0, 0.0
	for _, b := range all.boards {
		variance += square(b.counter/byMethod*w.inputs.Method.Counter + b.integrated/byMethod*w.inputs.Method.Integrated)
		model += b.model / byMethod * w.inputs.Method.Model
	}
	for i, grams := range all.quality {
		u, share := w.inputs.intensity(i), grams/byQuality
		systematic += share * u.Systematic
		variance += u.Correlation * square(share*u.Random)
		for _, h := range hours {
			variance += (1 - u.Correlation) * square(h.quality[i]/byQuality*u.Random)
		}
	}
	variance += square(model) + square(systematic)
	for _, h := range hours {
		for _, b := range h.boards {
			variance += square(b.counter / byMethod * w.inputs.Timing)
		}
	}
	return Relative(math.Sqrt(variance)), true
}

// hours are the window's contents, in order of time.
func (w *Window) hours(now time.Time) (hours []slot) {
	const secondsPerHour = 3600
	last := now.Unix() / w.step
	for n := max(0, last-int64(len(w.slots))+1); n <= last; n++ {
		s := w.slots[n%int64(len(w.slots))]
		if s.number != n {
			continue
		}
		number := n * w.step / secondsPerHour
		if len(hours) == 0 || hours[len(hours)-1].number != number {
			hours = append(hours, slot{number: number})
		}
		hours[len(hours)-1].add(s)
	}
	return hours
}

func square(x float64) float64 { return x * x }

// Relative is a relative standard uncertainty: one standard deviation, divided by the value.
type Relative float64

// U95 is the expanded uncertainty, of 95 % coverage (JCGM 100:2008, 6.3.3).
func (u Relative) U95() float64 { return 2 * float64(u) }

// Interval is what to multiply the value with for the bounds that hold it with 95 %. They are those
// of a log-normal distribution: above 0 however large the uncertainty is.
func (u Relative) Interval() (low, high float64) {
	high = math.Exp(2 * math.Sqrt(math.Log1p(square(float64(u)))))
	return 1 / high, high
}
