// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"embed"
	"encoding/csv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// mixProvenance is what is known of an intensity that is computed here from what a zone generates. Direct
// factors are not offered: the IPCC's table has them for coal and gas only.
var mixProvenance = grid.Provenance{
	Boundary: grid.Lifecycle, Basis: grid.Production, Gas: grid.CO2e, Edition: "IPCC AR5 2014 lifecycle medians",
}

// mix is what was generated in an interval, by the service's code of the fuel, in one unit of power or energy.
type mix map[string]float64

// intensity in g/kWh; false if nothing was generated. A negative amount, such as pumping, is load and not
// generation. Storage counts neither way: what it gives back carries, losses aside, the mix that charged it,
// for which the other plants stand.
func (m mix) intensity() (gramsPerKWh float64, ok bool) {
	var emitted, generated float64
	for _, code := range slices.Sorted(maps.Keys(m)) { // a sum of floats depends on its order
		if factor, storage := factorOf(code); !storage && m[code] > 0 {
			emitted += factor * m[code]
			generated += m[code]
		}
	}
	return emitted / generated, generated > 0
}

// generation is what a zone's plants report, by the start of the interval in Unix seconds.
type generation map[int64]mix

// maxAmount is more than the world generates, in MW or in MWh of an hour; a number above it is none.
const maxAmount = 1e8

func (g generation) add(start time.Time, code string, amount float64) error {
	if math.IsNaN(amount) || math.Abs(amount) > maxAmount {
		return reject(Absurd, "%g of %s at %s", amount, code, start.UTC().Format(time.RFC3339))
	}
	m := g[start.Unix()]
	if m == nil {
		m = mix{}
		g[start.Unix()] = m
	}
	m[code] = amount
	return nil
}

// values are the intensities of the intervals that are complete, in order of time. Plants report at different
// times: without the coal that comes later, an interval would look clean.
func (g generation) values(s *Settings, zone string, step time.Duration) ([]grid.Value, error) {
	usual := g.usual()
	var values []grid.Value
	for _, start := range slices.Sorted(maps.Keys(g)) {
		if gramsPerKWh, ok := g[start].intensity(); ok && complete(g[start], usual) {
			values = append(values, s.value(zone, time.Unix(start, 0), step, gramsPerKWh, grid.Measured))
		}
	}
	if len(values) == 0 {
		return nil, reject(Missing, "none of %d intervals of %s has all its generation", len(g), zone)
	}
	return values, nil
}

// usual is the mean of each fuel over the intervals that have it.
func (g generation) usual() mix {
	sum, count := mix{}, map[string]float64{}
	for _, m := range g {
		for code, amount := range m {
			if _, storage := factorOf(code); !storage {
				sum[code] += max(0, amount)
				count[code]++
			}
		}
	}
	for code := range sum {
		sum[code] /= count[code]
	}
	return sum
}

// complete says whether what a mix lacks is usually below 1 % of it: some services leave out a peaking plant
// that stands still.
func complete(m, usual mix) bool {
	var lacking, generated float64
	for code, amount := range usual {
		if reported, ok := m[code]; ok {
			generated += max(0, reported)
		} else {
			lacking += amount
		}
	}
	return lacking <= 0.01*(generated+lacking)
}

// data holds tables; each starts with its source and licence (see also NOTICE).
//
//go:embed data/*.csv
var data embed.FS

type fuel struct {
	gramsPerKWh float64
	storage     bool
}

// fuels by the codes of EIA and ENTSO-E, which do not overlap.
var fuels = sync.OnceValue(func() map[string]fuel {
	byCode := map[string]fuel{}
	for _, row := range table("fuels.csv") {
		var f fuel
		if row[1] == "" {
			f.storage = true
		} else {
			f.gramsPerKWh, _ = strconv.ParseFloat(row[1], 64) // a test reads them all
		}
		for _, codes := range append([]string{row[0]}, row[2:]...) {
			for code := range strings.SplitSeq(codes, ";") {
				byCode[code] = f
			}
		}
	}
	return byCode
})

// factorOf a code that is not in the table is that of an unknown fuel.
func factorOf(code string) (gramsPerKWh float64, storage bool) {
	f, ok := fuels()[code]
	if !ok {
		f = fuels()["unknown"]
	}
	return f.gramsPerKWh, f.storage
}

// table returns the rows of an embedded table below its header. One that cannot be read is a defect of the
// build, found by the package's tests.
func table(name string) [][]string {
	f, err := data.Open("data/" + name)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic(err)
	}
	return rows[1:]
}
