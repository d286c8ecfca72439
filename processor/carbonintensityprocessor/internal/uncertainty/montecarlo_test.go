// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package uncertainty

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// part is the emissions of a board in an hour.
type part struct {
	hour, board int
	grams       float64
	quality     grid.Quality
	method      string
}

// site is emissions and what is known of their errors.
type site struct {
	inputs Inputs
	pue    float64
	parts  []part
}

// The interval holds the truth in 95 % of the worlds that the inputs allow. In each case another
// term dominates, so that none can be wrong. Normal and log-normal worlds look alike in U95 as long
// as errors are small.
func TestCoverage(t *testing.T) {
	day := func(boards int, quality func(hour int) grid.Quality, method string) (parts []part) {
		for hour := range 24 {
			for board := range boards {
				parts = append(parts, part{hour, board, 1 + float64((7*hour+3*board)%5), quality(hour), method})
			}
		}
		return parts
	}
	always := func(q grid.Quality) func(int) grid.Quality { return func(int) grid.Quality { return q } }
	declared := func(random, correlation float64) Intensities {
		return Intensities{Static: Intensity{Random: random, Correlation: correlation}}
	}
	for name, s := range map[string]site{
		"a measured day of 8 GPUs":     {Default(), 0.03, day(8, always(grid.Measured), "counter")},
		"an estimated day":             {Default(), 0.03, day(1, always(grid.Estimated), "counter")},
		"a day by a yearly factor":     {Default(), 0.15, day(1, always(grid.QualityStatic), "model")},
		"half measured, half estimate": {Default(), 0.03, day(2, func(hour int) grid.Quality { return qualities[hour/12] }, "integrated")},
		"gains of 8 boards":            {Inputs{Method: Methods{Counter: 0.1}}, 0, day(8, always(grid.Measured), "counter")},
		"a model of 8 boards":          {Inputs{Method: Methods{Model: 0.1}}, 0, day(8, always(grid.Measured), "model")},
		"hours on their own":           {Inputs{Intensity: declared(0.3, 0)}, 0, day(8, always(grid.QualityStatic), "counter")},
		"hours half alike":             {Inputs{Intensity: declared(0.2, 0.5)}, 0, day(8, always(grid.QualityStatic), "counter")},
		"readings that are late":       {Inputs{Timing: 0.3}, 0, day(8, always(grid.Measured), "counter")},
		"the PUE":                      {Inputs{}, 0.15, day(8, always(grid.Measured), "counter")},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWindow(&s.inputs, s.pue, 24*time.Hour)
			total := 0.0
			for _, p := range s.parts {
				w.Add(at(float64(p.hour)), p.grams, p.quality, p.method, strconv.Itoa(p.board))
				total += p.grams
			}
			u := relative(t, w, 23.5)
			low, high := u.Interval()

			const draws = 10_000
			r := rand.New(rand.NewPCG(4, 2026))
			inInterval, inU95 := 0, 0
			terms, n := s.terms()
			errors := make([]float64, n)
			for range draws {
				for i := range errors {
					errors[i] = r.NormFloat64()
				}
				if truth := s.grams(terms, errors, logNormal); truth >= low*total && truth <= high*total {
					inInterval++
				}
				if truth := s.grams(terms, errors, normal); math.Abs(truth/total-1) <= u.U95() {
					inU95++
				}
			}
			const percent = draws / 100.
			assert.InDelta(t, 95, float64(inInterval)/percent, 1, "interval")
			if u < 0.2 {
				assert.InDelta(t, 95, float64(inU95)/percent, 1, "U95")
			}
		})
	}
}

// normal and logNormal turn a standard normal error into a factor of mean 1 and deviation u.
func normal(u, z float64) float64 { return 1 + u*z }

func logNormal(u, z float64) float64 {
	variance := math.Log1p(u * u)
	return math.Exp(z*math.Sqrt(variance) - variance/2)
}

// term is an error of a part: a mixture of one that others share and one that fewer do.
type term struct {
	u, correlation float64
	shared, own    int // which error of a world
}

// terms returns the errors of each part that are not 0, and how many errors a world has: whatever has
// the same name is one error.
func (s *site) terms() (terms [][]term, errors int) {
	numbers := map[string]int{}
	number := func(names ...any) int {
		name := fmt.Sprint(names...)
		if _, ok := numbers[name]; !ok {
			numbers[name] = len(numbers)
		}
		return numbers[name]
	}
	for _, p := range s.parts {
		intensity := s.inputs.intensity(class(p.quality))
		all := []term{
			{u: s.pue, correlation: 1, shared: number("pue")},
			{u: intensity.Systematic, correlation: 1, shared: number("systematic")},
			{intensity.Random, intensity.Correlation, number(p.quality), number(p.quality, "in hour", p.hour)},
		}
		switch p.method {
		case "model":
			all = append(all, term{u: s.inputs.Method.Model, correlation: 1, shared: number("model")})
		case "integrated":
			all = append(all, term{u: s.inputs.Method.Integrated, correlation: 1, shared: number("gain of", p.board)})
		case "counter":
			all = append(all,
				term{u: s.inputs.Method.Counter, correlation: 1, shared: number("gain of", p.board)},
				term{u: s.inputs.Timing, correlation: 1, shared: number("timing of", p.board, "in hour", p.hour)})
		}
		terms = append(terms, slices.DeleteFunc(all, func(t term) bool { return t.u == 0 }))
	}
	return terms, len(numbers)
}

// grams is what the emissions are in a world with these errors.
func (s *site) grams(terms [][]term, errors []float64, factor func(u, z float64) float64) (grams float64) {
	for i, p := range s.parts {
		c := p.grams
		for _, t := range terms[i] {
			c *= factor(t.u, math.Sqrt(t.correlation)*errors[t.shared]+math.Sqrt(1-t.correlation)*errors[t.own])
		}
		grams += c
	}
	return grams
}
