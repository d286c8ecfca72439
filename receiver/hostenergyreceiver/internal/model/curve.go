// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

// curve is power as a function of utilisation: idle when nothing runs, max when all CPUs are busy, both in W, and the
// shape between.
type curve struct {
	idle, max float64
	shape     shape
}

// at is the power in W at a utilisation of 0 to 1.
func (c curve) at(utilisation float64) float64 {
	return c.idle + (c.max-c.idle)*c.shape.part(utilisation)
}

func (c curve) times(factor float64) curve { return curve{c.idle * factor, c.max * factor, c.shape} }

// shape is the part of the way from idle to maximum power, at points of utilisation. It is linear between them.
type shape []struct{ utilisation, part float64 }

func (s shape) part(utilisation float64) float64 {
	for i := 1; i < len(s); i++ {
		a, b := s[i-1], s[i]
		if utilisation <= b.utilisation {
			return a.part + (b.part-a.part)*(max(utilisation, 0)-a.utilisation)/(b.utilisation-a.utilisation)
		}
	}
	return 1
}

// The shapes are means over AWS bare-metal servers that Teads measured with RAPL under stress-ng at 0, 10, ... 100 %
// (turbostressreports, 2021, CC0; data/README.md). Power rises faster at low load, where packages and memory leave
// their sleep states and clocks are highest.
var (
	// packages of seven CPUs: with its own idle and maximum each stays within 4 % of it (root mean square).
	packageShape = shape{{0, 0}, {0.1, 0.22}, {0.5, 0.69}, {1, 1}}
	// memory of six of the machines, the seventh being i3, whose 0.04 W/GiB are less than any memory draws.
	memoryShape = shape{{0, 0}, {0.1, 0.57}, {0.5, 0.78}, {1, 1}}
)
