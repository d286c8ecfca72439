// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// electricityMaps covers most of the world: what a zone consumes, with the emissions of its imports
// (api.electricitymaps.com, paths /v3 and /v4). Options: api_version, v3 or v4.
var electricityMaps = Type{
	Endpoint:    "https://api.electricitymaps.com",
	Provenance:  grid.Provenance{Boundary: grid.Lifecycle, Basis: grid.Consumption, Gas: grid.CO2e},
	Boundaries:  []grid.Boundary{grid.Lifecycle, grid.Direct},
	Step:        time.Hour,
	Credentials: []Credential{Token},
	Zone:        electricityMapsZone,
	Zones:       "a country, such as DE, a zone of Electricity Maps, such as US-CAL-CISO, or a cloud region",
	Country:     electricityMapsCountry,
	Options:     []string{apiVersion},
	New:         newElectricityMaps,
}

// electricityMapsID does not match NESO's GB-13.
var electricityMapsID = regexp.MustCompile(`^[A-Z]{2}(-[A-Z][A-Z0-9]*)*$`)

// electricityMapsCountries are those that have no yearly average: the rest of ISO 3166-1, Kosovo, and XX, which is
// Northern Cyprus.
var electricityMapsCountries = strings.Fields(`AD AI AQ AX BL BQ BV CC CW CX FM GG GS HM IM IO JE LI MC MF MH MP NF NU PN PW
	SJ SM SX TF TK TV UM VA WF XK XX YT`)

func electricityMapsZone(zone string) (string, bool) {
	if place, ok := grid.Locate(zone); ok {
		return place.ElectricityMaps, true
	}
	zone = strings.ToUpper(zone)
	country, _, _ := strings.Cut(zone, "-")
	_, isCountry := grid.Locate(country)
	return zone, electricityMapsID.MatchString(zone) && (isCountry || slices.Contains(electricityMapsCountries, country))
}

// electricityMapsCountry is what an id begins with. Digits are in ids such as DK-DK1 only, and in cloud regions: me-west1
// is not in Montenegro.
func electricityMapsCountry(id string) string {
	country, part, _ := strings.Cut(id, "-")
	if strings.ContainsAny(part, "0123456789") && !strings.HasPrefix(part, country) {
		return ""
	}
	return country
}

const (
	apiVersion = "api_version"
	// electricityMapsRange is the most hours that one answer about the past has.
	electricityMapsRange = 240 * time.Hour
)

type electricityMapsProvider struct {
	Settings
	version string
}

func newElectricityMaps(s Settings) (Provider, error) {
	version := "v4"
	for _, key := range slices.Sorted(maps.Keys(s.Options)) {
		if key != apiVersion {
			return nil, fmt.Errorf("options: %q is not known; accepted: %s", key, apiVersion)
		}
		version = s.Options[key]
		if accepted := oneOf(version, "v3", "v4"); accepted != "" {
			return nil, fmt.Errorf("options::%s: %q; accepted: %s", apiVersion, version, accepted)
		}
	}
	return &electricityMapsProvider{s, version}, nil
}

func (p *electricityMapsProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	return p.ask(ctx, zone, "latest", url.Values{})
}

// History of a token whose plan is free is that of the last 24 hours.
func (p *electricityMapsProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	values, err := inChunks(from.Truncate(electricityMaps.Step), to, electricityMapsRange, func(from, to time.Time) ([]grid.Value, error) {
		return p.ask(ctx, zone, "past-range", url.Values{
			"start": {from.UTC().Format(time.RFC3339)}, "end": {to.UTC().Format(time.RFC3339)},
		})
	})
	if outsideThePlan(err) {
		values, err = p.ask(ctx, zone, "history", url.Values{})
	}
	if err != nil {
		return nil, err
	}
	return within(values, from, to)
}

func (p *electricityMapsProvider) Forecast(ctx context.Context, zone string) ([]grid.Value, error) {
	values, err := p.ask(ctx, zone, "forecast", url.Values{"horizonHours": {"24"}})
	if outsideThePlan(err) {
		return nil, fmt.Errorf("%w to this token", ErrNotOffered)
	}
	return values, err
}

// outsideThePlan tells a token that may not ask this from one that is wrong.
func outsideThePlan(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == Unauthorized && bytes.Contains(e.body, []byte("Request unauthorized"))
}

func (p *electricityMapsProvider) ask(ctx context.Context, zone, what string, query url.Values) ([]grid.Value, error) {
	query.Set("zone", zone)
	query.Set("emissionFactorType", string(p.Provenance.Boundary))
	// Else a zone that the service does not know is where the caller seems to be.
	query.Set("shouldUseFallbackCallerLookup", "false")
	header := http.Header{}
	if p.Token != "" {
		header.Set("auth-token", string(p.Token))
	}
	body, err := p.get(ctx, "/"+p.version+"/carbon-intensity/"+what, query, header)
	if err != nil {
		return nil, err
	}
	return p.read(body, zone, what)
}

type electricityMapsAnswer struct {
	electricityMapsPoint                        // latest
	History              []electricityMapsPoint `json:"history"`
	Data                 []electricityMapsPoint `json:"data"` // past-range
	Forecast             []electricityMapsPoint `json:"forecast"`
}

// electricityMapsPoint has what the points of a list need not repeat.
type electricityMapsPoint struct {
	Zone            string    `json:"zone"`
	CarbonIntensity *float64  `json:"carbonIntensity"`
	Start           time.Time `json:"datetime"`
	FactorType      string    `json:"emissionFactorType"`
	Granularity     string    `json:"temporalGranularity"`
	IsEstimated     *bool     `json:"isEstimated"`
	Method          string    `json:"estimationMethod"`
}

// electricityMapsSteps leaves out monthly and above, which are of no fixed length and are never asked for.
var electricityMapsSteps = map[string]time.Duration{
	"": time.Hour, "5_minutes": 5 * time.Minute, "15_minutes": 15 * time.Minute, "hourly": time.Hour, "daily": 24 * time.Hour,
}

func (p *electricityMapsProvider) read(body []byte, zone, what string) ([]grid.Value, error) {
	var answer electricityMapsAnswer
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	if answer.Zone != zone {
		return nil, reject(ZoneDiffers, "%q, asked for %s", answer.Zone, zone)
	}
	points := slices.Concat(answer.History, answer.Data, answer.Forecast)
	if what == "latest" {
		points = append(points, answer.electricityMapsPoint)
	}
	var values []grid.Value
	for _, point := range points {
		step, known := electricityMapsSteps[cmp.Or(point.Granularity, answer.Granularity)]
		switch {
		case point.Zone != "" && point.Zone != zone:
			return nil, reject(ZoneDiffers, "%q, asked for %s", point.Zone, zone)
		case point.Method == "SANDBOX_MODE_DATA":
			return nil, reject(Sandbox, "the token is for tests: its data are scrambled")
		case point.FactorType != "" && point.FactorType != string(p.Provenance.Boundary):
			return nil, reject(Malformed, "emissionFactorType %q, asked for %s", point.FactorType, p.Provenance.Boundary)
		case !known:
			return nil, reject(Malformed, "temporalGranularity %q", cmp.Or(point.Granularity, answer.Granularity))
		case point.CarbonIntensity == nil:
			continue
		case point.Start.IsZero():
			return nil, reject(Malformed, "a value without datetime")
		}
		values = append(values, p.value(zone, point.Start, step, *point.CarbonIntensity, point.quality(what)))
	}
	if len(values) == 0 {
		return nil, reject(Missing, "no value of %s", zone)
	}
	return values, nil
}

func (point *electricityMapsPoint) quality(what string) grid.Quality {
	switch {
	case what == "forecast":
		return grid.Forecast
	case point.IsEstimated != nil && !*point.IsEstimated && point.Method == "":
		return grid.Measured
	default:
		return grid.Estimated
	}
}
