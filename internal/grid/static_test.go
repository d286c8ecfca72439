// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStatic(t *testing.T) {
	for _, tc := range []struct {
		zone     string
		boundary Boundary
		resolved string
		grams    float64
		edition  string
	}{
		{"DE", Lifecycle, "DE", 344.13992, "Ember via OWID 2025-05, 2024"},
		{"deu", Lifecycle, "DE", 344.13992, "Ember via OWID 2025-05, 2024"},
		{"WORLD", Lifecycle, "WORLD", 473.0065, "Ember via OWID 2025-05, 2024"},
		{"us-east-1", Lifecycle, "US", 383.5492, "Ember via OWID 2025-05, 2024"},
		{"aws/us-east-1", Direct, "SRVC", 270.489, "US EPA eGRID2023 rev2"},
		{"US-CAL-CISO", Direct, "CAMX", 195.037, "US EPA eGRID2023 rev2"},
		{"CAMX", Direct, "CAMX", 195.037, "US EPA eGRID2023 rev2"},
	} {
		t.Run(tc.zone+"/"+string(tc.boundary), func(t *testing.T) {
			got, err := Static(tc.zone, tc.boundary)
			require.NoError(t, err)
			assert.Equal(t, Intensity{
				GramsPerKWh: tc.grams, Quality: "static",
				Provenance: Provenance{
					Zone: tc.resolved, Source: "static", Boundary: tc.boundary, Basis: "production", Gas: "co2e", Edition: tc.edition,
				},
			}, got)
		})
	}
}

func TestLocate(t *testing.T) {
	for zone, want := range map[string]Place{
		"de":            {Country: "DE", ElectricityMaps: "DE"},
		"DEU":           {Country: "DE", ElectricityMaps: "DE"},
		"aws/us-east-1": {Country: "US", ElectricityMaps: "US-MIDA-PJM", EIA: "PJM"},
		"US-MIDA-PJM":   {Country: "US", ElectricityMaps: "US-MIDA-PJM", EIA: "PJM"},
	} {
		got, ok := Locate(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, want, got, zone)
	}
	for _, zone := range []string{"WORLD", "CAMX", "nowhere", ""} {
		_, ok := Locate(zone)
		assert.False(t, ok, zone)
	}
}

func TestStaticRefusesAndSaysWhatItWouldTake(t *testing.T) {
	for _, tc := range []struct {
		zone     string
		boundary Boundary
		want     string
	}{
		{"DEE", Lifecycle, `"DEE" is not a known zone; nearest: DE, DEU`},
		{"Germany", Lifecycle, `"Germany" is not a known zone; nearest: DE`},
		{"Germny", Lifecycle, `"Germny" is not a known zone; nearest: DE`},
		{"us-est-1", Lifecycle, `nearest: us-east-1`},
		{"CAMY", Direct, `"CAMY" is not a known zone; nearest: CAMX`},
		{"CAMX", Lifecycle, `"CAMX" is an eGRID subregion, whose factors are direct: use the zone US, or the boundary direct`},
		{"DE", Direct, "there are no direct factors for DE"},
		{"US-MIDA-PJM", Direct, `"US-MIDA-PJM" lies in several eGRID subregions: use one of SRVC, RFCW`},
		{"", Lifecycle, `"" is not a known zone`},
	} {
		t.Run(tc.zone+"/"+string(tc.boundary), func(t *testing.T) {
			_, err := Static(tc.zone, tc.boundary)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}

func TestEveryPlaceHasAFactor(t *testing.T) {
	tables := tables()
	require.Greater(t, len(tables.places), 500)
	for id, p := range tables.places {
		require.True(t, p.country != "" || len(p.subregions) > 0, id)
		if p.country != "" {
			require.Contains(t, tables.factors, p.country, id)
		}
		for _, s := range p.subregions {
			require.Contains(t, tables.factors, s, id)
		}
	}
	for zone, f := range tables.factors {
		assert.Equal(t, zone, f.Zone)
		assert.GreaterOrEqual(t, f.GramsPerKWh, 0.0, zone)
		assert.Less(t, f.GramsPerKWh, 1500.0, zone)
	}
}

// The table gives each rate in the units it was published in and in grams: both must say the same.
func TestSubregionsAreConvertedRight(t *testing.T) {
	const gramsPerKWhPerPoundPerMWh = 0.45359237 // golden.json, units
	for _, row := range readTable("egrid2023_subregions.csv") {
		assert.InDelta(t, number(row["co2e_lb_per_mwh"])*gramsPerKWhPerPoundPerMWh, number(row["co2e_g_per_kwh"]), 0.0006, row["subregion"])
	}
}
