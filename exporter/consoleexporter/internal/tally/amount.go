// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Amount is power now, and energy and emissions so far.
type Amount struct {
	// Watts over the last interval; NaN if not known.
	Watts float64
	// Joules so far; only if Metered.
	Joules  float64
	Metered bool
	// Booked holds the grams so far by provenance: their sum is the emissions.
	Booked map[Provenance]float64
	// Alternatives holds grams by other methods, to be added to nothing.
	Alternatives map[string]float64
	// ByMethod holds the joules by how they were obtained.
	ByMethod map[string]float64
	// Unconverted are the joules of rows that no emissions came with.
	Unconverted float64

	powered bool
}

func nothing() Amount { return Amount{Watts: math.NaN()} }

// Sum of amounts that do not overlap.
func Sum(rows []Row) Amount { return total(rows) }

// Grams so far over all provenance. False if no emissions were reported.
func (a Amount) Grams() (grams float64, reported bool) {
	// In a fixed order: a float sum depends on it.
	for _, v := range slices.Sorted(maps.Values(a.Booked)) {
		grams += v
	}
	return grams, len(a.Booked) > 0
}

// Intensity is the grams booked per kWh. False without either.
func (a Amount) Intensity() (gramsPerKWh float64, known bool) {
	const joulesPerKWh = 3.6e6
	grams, reported := a.Grams()
	converted := a.Joules - a.Unconverted
	if !reported || converted <= 0 {
		return 0, false
	}
	return grams / (converted / joulesPerKWh), true
}

// Share is a part of a sum of grams or joules.
type Share struct {
	Name   string
	Amount float64
	// Part of the whole, 0 to 1.
	Part float64
}

// Shares splits the grams by what of returns, largest first. While there are no grams yet, each
// share has an equal part.
func (a Amount) Shares(of func(Provenance) string) []Share {
	by := make(map[string]float64)
	for p, grams := range a.Booked {
		by[of(p)] += grams
	}
	whole, _ := a.Grams()
	return split(by, whole)
}

// Methods splits the joules by how they were obtained, in the same way.
func (a Amount) Methods() []Share { return split(a.ByMethod, a.Joules) }

func split(by map[string]float64, whole float64) []Share {
	shares := make([]Share, 0, len(by))
	for name, amount := range by {
		part := 1 / float64(len(by))
		if whole > 0 {
			part = amount / whole
		}
		shares = append(shares, Share{name, amount, part})
	}
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), cmp.Compare(a.Name, b.Name))
	})
	return shares
}

func (a *Amount) add(b Amount) {
	a.Watts = plus(a.Watts, b.Watts)
	a.Joules += b.Joules
	a.Unconverted += b.Unconverted
	a.Metered = a.Metered || b.Metered
	a.powered = a.powered || b.powered
	a.Booked = merge(a.Booked, b.Booked)
	a.Alternatives = merge(a.Alternatives, b.Alternatives)
	a.ByMethod = merge(a.ByMethod, b.ByMethod)
}

func merge[K comparable](into, from map[K]float64) map[K]float64 {
	for k, v := range from {
		if into == nil {
			into = make(map[K]float64)
		}
		into[k] += v
	}
	return into
}

// plus adds what is known: NaN stands for unknown.
func plus(a, b float64) float64 {
	switch {
	case math.IsNaN(a):
		return b
	case math.IsNaN(b):
		return a
	default:
		return a + b
	}
}

// compare sorts the larger first: by energy, then by emissions, then by power.
func (a Amount) compare(b Amount) int {
	ag, _ := a.Grams()
	bg, _ := b.Grams()
	known := func(w float64) float64 { return plus(w, 0) }
	return cmp.Or(cmp.Compare(b.Joules, a.Joules), cmp.Compare(bg, ag), cmp.Compare(known(b.Watts), known(a.Watts)))
}
