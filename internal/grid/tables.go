// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"embed"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// data holds the tables as published; each starts with its source and licence (see also NOTICE).
//
//go:embed data/*.csv
var data embed.FS

type staticTables struct {
	factors map[string]Intensity // by canonical zone: ISO alpha-2 code, WORLD, eGRID subregion
	places  map[string]place     // by everything a user may call a zone, in upper case
}

// place is what a zone, as the user calls it, stands for.
type place struct {
	spelled    string
	name       string   // the country's, else empty
	country    string   // key of factors; empty for an eGRID subregion
	subregions []string // keys of factors
	ids        Place
}

var tables = sync.OnceValue(func() *staticTables {
	t := &staticTables{factors: map[string]Intensity{}, places: map[string]place{}}
	t.addCountries()
	t.addSubregions()
	t.addCloudRegions()
	return t
})

func (t *staticTables) addCountries() {
	latest := map[string]string{}
	for _, row := range readTable("country_yearly_ember_owid.csv") {
		zone := row["iso2"]
		if row["year"] <= latest[zone] {
			continue
		}
		latest[zone] = row["year"]
		t.factors[zone] = Intensity{
			GramsPerKWh: number(row["gco2e_per_kwh"]), Quality: QualityStatic,
			Provenance: Provenance{
				Zone: zone, Source: SourceStatic, Boundary: Lifecycle, Basis: Production, Gas: CO2e,
				Edition: "Ember via OWID 2025-05, " + row["year"],
			},
		}
		ids := Place{Country: zone, ElectricityMaps: zone}
		t.places[zone] = place{spelled: zone, name: row["name"], country: zone, ids: ids}
		t.places[row["iso3"]] = place{spelled: row["iso3"], country: zone, ids: ids}
	}
}

func (t *staticTables) addSubregions() {
	for _, row := range readTable("egrid2023_subregions.csv") {
		zone := row["subregion"]
		t.factors[zone] = Intensity{
			GramsPerKWh: number(row["co2e_g_per_kwh"]), Quality: QualityStatic,
			Provenance: Provenance{
				Zone: zone, Source: SourceStatic, Boundary: Direct, Basis: Production, Gas: CO2e,
				Edition: "US EPA eGRID2023 rev2",
			},
		}
		t.places[zone] = place{spelled: zone, subregions: []string{zone}}
	}
}

func (t *staticTables) addCloudRegions() {
	for _, row := range readTable("cloud_regions.csv") {
		for _, id := range []string{row["region"], row["provider"] + "/" + row["region"], row["em_zone"], row["em_zone_alt"]} {
			if id == "" {
				continue
			}
			p, ok := t.places[strings.ToUpper(id)]
			if !ok {
				p = place{spelled: id, country: row["country_iso2"], ids: Place{
					Country: row["country_iso2"], ElectricityMaps: row["em_zone"], EIA: row["eia_ba"], ENTSOE: row["entsoe_eic"],
				}}
				if id == row["em_zone_alt"] {
					p.ids.ElectricityMaps = id
				}
			}
			if s := row["egrid_subregion"]; s != "" && !slices.Contains(p.subregions, s) {
				p.subregions = append(p.subregions, s)
			}
			t.places[strings.ToUpper(id)] = p
		}
	}
}

func (t *staticTables) subregions() []string {
	var zones []string
	for zone, factor := range t.factors {
		if factor.Boundary == Direct {
			zones = append(zones, zone)
		}
	}
	slices.Sort(zones)
	return zones
}

// readTable returns the rows of an embedded table by column name. The tables are part of the
// program: one that cannot be read is a defect of the build, found by the package's tests.
func readTable(name string) []map[string]string {
	f, err := data.Open("data/" + name)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	records, err := r.ReadAll()
	if err != nil {
		panic(err)
	}
	rows := make([]map[string]string, 0, len(records)-1)
	for _, record := range records[1:] {
		row := make(map[string]string, len(record))
		for i, column := range records[0] {
			row[column] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return f
}
