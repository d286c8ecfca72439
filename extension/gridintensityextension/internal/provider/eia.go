// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// eia is the US Energy Information Administration's Hourly Electric Grid Monitor (EIA-930): what each balancing
// authority generates by fuel, 1 to 2 hours late, from which the intensity is computed here (api.eia.gov, v2).
var eia = Type{
	Endpoint:    "https://api.eia.gov",
	Provenance:  mixProvenance,
	Step:        time.Hour,
	Credentials: []Credential{Token},
	Zone:        eiaZone,
	Zones:       "a balancing authority of the US by its EIA id, such as CISO, or a cloud region in the US",
	Country:     partsOf("US"),
	New:         func(s Settings) (Provider, error) { return &eiaProvider{s}, nil },
}

var balancingAuthority = regexp.MustCompile(`^[A-Z]{3,5}$`)

// eiaZone takes no two letters for a balancing authority: only SC is one, and it is the Seychelles as well.
func eiaZone(zone string) (string, bool) {
	if place, ok := grid.Locate(zone); ok {
		return place.EIA, place.EIA != ""
	}
	if _, err := grid.Static(zone, grid.Direct); err == nil || zone == grid.World {
		return "", false // an eGRID subregion is not a balancing authority
	}
	return zone, balancingAuthority.MatchString(zone)
}

const (
	eiaHour = "2006-01-02T15"
	// eiaRows is the most that one answer has; eiaHours times the 17 fuel types are fewer.
	eiaRows  = 5000
	eiaHours = 240 * time.Hour
	// eiaRecent is how far back the newest hour is looked for.
	eiaRecent = 48 * time.Hour
)

type eiaProvider struct{ Settings }

func (p *eiaProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	now := time.Now()
	return p.ask(ctx, zone, now.Add(-eiaRecent), now)
}

func (p *eiaProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	return inChunks(from.Truncate(time.Hour), to, eiaHours, func(from, to time.Time) ([]grid.Value, error) {
		return p.ask(ctx, zone, from, to)
	})
}

func (p *eiaProvider) Forecast(context.Context, string) ([]grid.Value, error) {
	return nil, ErrNotOffered // it is of the demand only
}

// eiaAnswer has numbers as numbers or, since API 2.1.6, as strings.
type eiaAnswer struct {
	Response struct {
		Total    json.Number     `json:"total"`
		Warnings json.RawMessage `json:"warnings"`
		Data     []struct {
			Period     string       `json:"period"`
			Respondent string       `json:"respondent"`
			FuelType   string       `json:"fueltype"`
			Value      *json.Number `json:"value"`
			Units      string       `json:"value-units"`
		} `json:"data"`
	} `json:"response"`
	Warning     string `json:"warning"`
	Description string `json:"description"`
}

func (p *eiaProvider) ask(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	query := url.Values{
		"frequency": {"hourly"}, "data[]": {"value"}, "facets[respondent][]": {zone},
		// A period is named after its end, and both ends are included.
		"start":           {from.UTC().Truncate(time.Hour).Add(time.Hour).Format(eiaHour)},
		"end":             {to.UTC().Add(time.Hour - 1).Truncate(time.Hour).Format(eiaHour)},
		"sort[0][column]": {"period"}, "sort[0][direction]": {"desc"},
		"length": {strconv.Itoa(eiaRows)},
	}
	if p.Token != "" {
		query.Set("api_key", string(p.Token))
	}
	body, err := p.get(ctx, "/v2/electricity/rto/fuel-type-data/data/", query, nil)
	if err != nil {
		return nil, err
	}
	return p.read(body, zone)
}

func (p *eiaProvider) read(body []byte, zone string) ([]grid.Value, error) {
	var answer eiaAnswer
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	rows := answer.Response.Data
	for _, warning := range []string{string(answer.Response.Warnings), answer.Warning + ": " + answer.Description} {
		if strings.Contains(warning, " rows ") { // there are more than it returns
			return nil, reject(Malformed, "the answer was cut: %s", excerpt([]byte(warning)))
		}
	}
	if len(rows) == 0 { // this is how it answers to an id that it does not know
		return nil, reject(NotFound, "no rows of %s: it is no balancing authority, or has not reported", zone)
	}
	if total, err := answer.Response.Total.Int64(); err == nil && total > int64(len(rows)) {
		return nil, reject(Malformed, "%d of %d rows: the answer was cut", len(rows), total)
	}
	hours := generation{}
	for _, row := range rows {
		end, err := time.Parse(eiaHour, row.Period)
		switch {
		case row.Respondent != zone:
			return nil, reject(ZoneDiffers, "%s, asked for %s", excerpt([]byte(row.Respondent)), zone)
		case err != nil:
			return nil, reject(Malformed, "period %s", excerpt([]byte(row.Period)))
		case row.Units != "" && row.Units != "megawatthours":
			return nil, reject(Malformed, "value in %s, not in megawatthours", excerpt([]byte(row.Units)))
		case row.Value == nil || *row.Value == "":
			continue // not reported yet
		}
		amount, err := row.Value.Float64()
		if err != nil {
			return nil, reject(Malformed, "value %s", excerpt([]byte(*row.Value)))
		}
		if err := hours.add(end.Add(-time.Hour), row.FuelType, amount); err != nil {
			return nil, err
		}
	}
	return hours.values(&p.Settings, zone, eia.Step)
}
