// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package grid knows how much CO2e a kilowatt-hour carries, where and when, and who says so.
package grid

// Intensity is the CO2e of electricity together with its provenance. Numbers whose Signal, Boundary,
// Basis or Gas differ are different quantities and must not be mixed.
type Intensity struct {
	GramsPerKWh float64
	Quality     Quality
	Provenance
}

// Provenance is who says it, and of what.
type Provenance struct {
	// Zone is the part of the grid that the number is for, by the source's own id: the metric
	// attribute grid.zone. Empty if unknown.
	Zone   string
	Source string
	// Signal is Average unless it says otherwise.
	Signal   Signal
	Boundary Boundary
	// Basis is empty if unknown.
	Basis Basis
	Gas   Gas
	// Edition names the publication and the year the number is from, so that it can be looked up.
	// Empty for what a provider says of one interval.
	Edition string
}

// SourceStatic is the source of factors that do not follow the grid: tables and fixed values.
const SourceStatic = "static"

// Quality says how close the number is to what the grid did at that time.
type Quality string

// From the best to the worst.
const (
	// Measured is what the source holds for settled.
	Measured Quality = "measured"
	// Estimated is what the source puts in until it has measured.
	Estimated Quality = "estimated"
	// Forecast was said before the time it is for.
	Forecast Quality = "forecast"
	// Stale is the value of another interval.
	Stale Quality = "stale"
	// QualityStatic is a number that does not follow the grid: a yearly average, a fixed value.
	QualityStatic Quality = "static"
)

// Signal says which question the number answers.
type Signal string

const (
	// Average is the zone's emissions divided by its electricity: for accounting.
	Average Signal = ""
	// Marginal is what one more kilowatt-hour causes: for decisions. The two are never added.
	Marginal Signal = "marginal"
)

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

const (
	// Production counts what is generated in the zone; imports and exports are left out.
	Production Basis = "production"
	// Consumption counts what is used in the zone, imports with what they carry.
	Consumption Basis = "consumption"
)

// Gas says what is counted.
type Gas string

const (
	// CO2e is all greenhouse gases, weighed by their warming over 100 years.
	CO2e Gas = "co2e"
	// CO2 is carbon dioxide alone.
	CO2 Gas = "co2"
)

// MaxGramsPerKWh is more than any grid or fuel emits; a number above it is in another unit, or wrong.
const MaxGramsPerKWh = 2000

// Fixed is an intensity in g/kWh that somebody vouches for: a contract, a yearly report.
func Fixed(gramsPerKWh float64, zone string, boundary Boundary) Intensity {
	return Intensity{
		GramsPerKWh: gramsPerKWh, Quality: QualityStatic,
		Provenance: Provenance{Zone: zone, Source: SourceStatic, Boundary: boundary, Gas: CO2e, Edition: "configured"},
	}
}
