// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package grid knows how much CO2e a kilowatt-hour carries, where, and who says so.
package grid

// Intensity is the CO2e of electricity together with its provenance. Numbers whose Boundary, Basis
// or Gas differ are different quantities and must not be mixed.
type Intensity struct {
	GramsPerKWh float64
	// Zone is the part of the grid that the number is for, by the source's own id: the metric
	// attribute grid.zone. Empty if unknown.
	Zone     string
	Source   string
	Quality  Quality
	Boundary Boundary
	// Basis is empty if unknown.
	Basis Basis
	Gas   Gas
	// Edition names the publication and the year the number is from, so that it can be looked up.
	Edition string
}

// SourceStatic is the source of factors that do not follow the grid: tables and fixed values.
const SourceStatic = "static"

// Quality says how close the number is to what the grid did at that time.
type Quality string

// QualityStatic is a number that does not follow the grid: a yearly average, a fixed value.
const QualityStatic Quality = "static"

// Boundary says which emissions of a kilowatt-hour are counted.
type Boundary string

const (
	// Lifecycle counts building, fuelling and running the power plants.
	Lifecycle Boundary = "lifecycle"
	// Direct counts what leaves the power plants' stacks.
	Direct Boundary = "direct"
)

// Basis says whose electricity is counted.
type Basis string

// Production counts what is generated in the zone; imports and exports are left out.
const Production Basis = "production"

// Gas says what is counted.
type Gas string

// CO2e is all greenhouse gases, weighed by their warming over 100 years.
const CO2e Gas = "co2e"

// Fixed is an intensity in g/kWh that somebody vouches for: a contract, a yearly report.
func Fixed(gramsPerKWh float64, zone string, boundary Boundary) Intensity {
	return Intensity{
		GramsPerKWh: gramsPerKWh,
		Zone:        zone, Source: SourceStatic, Quality: QualityStatic,
		Boundary: boundary, Gas: CO2e,
		Edition: "configured",
	}
}
