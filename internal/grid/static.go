// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// World is the zone of the world's average.
const World = "WORLD"

// Static returns the yearly average of a zone from the embedded tables. A zone is, in any case, an
// ISO 3166 code (DE, DEU), WORLD, an eGRID subregion (CAMX), a zone id of Electricity Maps or a
// cloud region (us-east-1, aws/us-east-1); the last two stand for their country or subregion, and
// the Zone of the result says which. Lifecycle factors are Ember's, by country; direct ones are US
// EPA's eGRID, by subregion.
func Static(zone string, boundary Boundary) (Intensity, error) {
	t := tables()
	p, ok := t.places[strings.ToUpper(zone)]
	switch {
	case !ok:
		return Intensity{}, fmt.Errorf("%q is not a known zone; nearest: %s", zone, strings.Join(t.nearest(zone, boundary), ", "))
	case boundary == Lifecycle && p.country != "":
		return t.factors[p.country], nil
	case boundary == Lifecycle:
		return Intensity{}, fmt.Errorf("%q is an eGRID subregion, whose factors are direct: use the zone US, or the boundary direct", zone)
	case len(p.subregions) == 1:
		return t.factors[p.subregions[0]], nil
	case len(p.subregions) > 1:
		return Intensity{}, fmt.Errorf("%q lies in several eGRID subregions: use one of %s", zone, strings.Join(p.subregions, ", "))
	default:
		return Intensity{}, errors.New("there are no direct factors for " + zone + ": they cover the US only, by eGRID subregion: " + strings.Join(t.subregions(), ", "))
	}
}

// Place is what others call a zone; a name is empty if it is not known.
type Place struct {
	Country         string // ISO 3166-1 alpha-2
	ElectricityMaps string // zone
	EIA             string // balancing authority
	ENTSOE          string // EIC of the bidding zone
}

// Locate finds a zone that is named as for Static. WORLD and eGRID subregions are no such place.
func Locate(zone string) (Place, bool) {
	p := tables().places[strings.ToUpper(zone)].ids
	return p, len(p.Country) == 2
}

// nearest lists the valid zones whose code, or whose country's name, is most like what was asked for.
func (t *staticTables) nearest(zone string, boundary Boundary) []string {
	type candidate struct {
		zone     string
		distance int
	}
	var candidates []candidate
	for id, p := range t.places {
		if boundary == Direct && len(p.subregions) != 1 {
			continue
		}
		if boundary == Lifecycle && p.country == "" {
			continue
		}
		distance := levenshtein.ComputeDistance(strings.ToUpper(zone), id)
		if p.name != "" {
			distance = min(distance, levenshtein.ComputeDistance(strings.ToUpper(zone), strings.ToUpper(p.name)))
		}
		candidates = append(candidates, candidate{p.spelled, distance})
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.zone, b.zone)
	})
	const enough, near = 3, 1
	var names []string
	for _, c := range candidates[:min(enough, len(candidates))] {
		if c.distance <= candidates[0].distance+near {
			names = append(names, c.zone)
		}
	}
	return names
}
