// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// energyCharts is Fraunhofer ISE's service for Europe: no key, data under CC BY 4.0. One call has the last
// values and the forecast of the day (api.energy-charts.info, path /co2eq).
var energyCharts = Type{
	Endpoint:          "https://api.energy-charts.info",
	RequestsPerMinute: 2, // with a burst of 4
	Provenance:        grid.Provenance{Boundary: grid.Lifecycle, Basis: grid.Production, Gas: grid.CO2e},
	Step:              15 * time.Minute,
	Zone: func(zone string) (string, bool) {
		place, ok := grid.Locate(zone)
		return place.Country, ok && slices.Contains(energyChartsCountries, place.Country)
	},
	Zones: "a European country, such as DE",
	New:   func(s Settings) (Provider, error) { return &energyChartsProvider{s}, nil },
}

var energyChartsCountries = strings.Fields("AL AM AT AZ BA BE BG BY CH CY CZ DE DK EE ES FI FR GB GE GR HR HU IE IT LT LU LV MD ME MK MT NL NO PL PT RO RS RU SE SI SK TR UA XK")

type energyChartsProvider struct{ Settings }

func (p *energyChartsProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	return p.ask(ctx, zone, url.Values{})
}

// History is asked for by Unix seconds: a date would be read in the country's time zone.
func (p *energyChartsProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	values, err := p.ask(ctx, zone, url.Values{
		"start": {strconv.FormatInt(from.Truncate(time.Hour).Unix(), 10)}, "end": {strconv.FormatInt(to.Unix(), 10)},
	})
	if err != nil {
		return nil, err
	}
	return within(values, from, to)
}

func (p *energyChartsProvider) Forecast(context.Context, string) ([]grid.Value, error) {
	return nil, ErrNotOffered // it comes with the latest values
}

func (p *energyChartsProvider) ask(ctx context.Context, zone string, query url.Values) ([]grid.Value, error) {
	query.Set("country", strings.ToLower(zone))
	body, err := p.get(ctx, "/co2eq", query, nil)
	if err != nil {
		return nil, err
	}
	return p.read(body, zone)
}

// energyChartsAnswer has arrays of one length.
type energyChartsAnswer struct {
	UnixSeconds []*int64   `json:"unix_seconds"`
	Known       []*float64 `json:"co2eq"`
	Foretold    []*float64 `json:"co2eq_forecast"`
	Substitute  bool       `json:"substitute"`
}

func (p *energyChartsProvider) read(body []byte, zone string) ([]grid.Value, error) {
	var answer energyChartsAnswer
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	n := len(answer.UnixSeconds)
	if len(answer.Known) != n || len(answer.Foretold) != 0 && len(answer.Foretold) != n {
		return nil, reject(Malformed, "%d times, %d values, %d forecasts", n, len(answer.Known), len(answer.Foretold))
	}
	quality := grid.Measured
	if answer.Substitute {
		quality = grid.Estimated
	}
	starts := make([]time.Time, n)
	for i, seconds := range answer.UnixSeconds {
		if seconds == nil {
			return nil, reject(Malformed, "no time at place %d", i)
		}
		starts[i] = time.Unix(*seconds, 0)
	}
	step := spacing(starts, energyCharts.Step, time.Hour) // some countries have hours
	var values []grid.Value
	for i, start := range starts {
		switch {
		case answer.Known[i] != nil:
			values = append(values, p.value(zone, start, step, *answer.Known[i], quality))
		case len(answer.Foretold) > 0 && answer.Foretold[i] != nil:
			values = append(values, p.value(zone, start, step, *answer.Foretold[i], grid.Forecast))
		}
	}
	if len(values) == 0 {
		return nil, reject(Missing, "no value of %s", zone)
	}
	return values, nil
}
