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
	starts, step, err := energyChartsTimes(answer.UnixSeconds)
	if err != nil {
		return nil, err
	}
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

// energyChartsTimes are the beginnings of intervals, and their length.
func energyChartsTimes(unixSeconds []*int64) ([]time.Time, time.Duration, error) {
	starts := make([]time.Time, len(unixSeconds))
	for i, seconds := range unixSeconds {
		if seconds == nil {
			return nil, 0, reject(Malformed, "no time at place %d", i)
		}
		starts[i] = time.Unix(*seconds, 0)
	}
	return starts, spacing(starts, energyCharts.Step, time.Hour), nil // some countries have hours
}

// energyChartsAreas are the bidding zones of today. Their case counts.
var energyChartsAreas = strings.Fields(`AT BE BG CH CZ DE-LU DK1 DK2 EE ES FI FR GR HR HU
	IT-Calabria IT-Centre-North IT-Centre-South IT-North IT-Sardinia IT-Sicily IT-South
	LT LV ME NL NO1 NO2 NO3 NO4 NO5 PL PT RO RS SE1 SE2 SE3 SE4 SI SK`)

func (p *energyChartsProvider) PriceAreas() []string { return energyChartsAreas }

// Prices are in euros everywhere. The end of the range is included.
func (p *energyChartsProvider) Prices(ctx context.Context, area string, from, to time.Time) ([]grid.Price, error) {
	body, err := p.get(ctx, "/price", url.Values{
		"bzn": {area}, "start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Unix()-1, 10)},
	}, nil)
	if err != nil {
		return nil, err
	}
	return readEnergyChartsPrices(body, area)
}

func readEnergyChartsPrices(body []byte, area string) ([]grid.Price, error) {
	var answer struct {
		UnixSeconds []*int64   `json:"unix_seconds"`
		Prices      []*float64 `json:"price"`
		Unit        string     `json:"unit"`
	}
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Prices) != len(answer.UnixSeconds) {
		return nil, reject(Malformed, "%d times, %d prices", len(answer.UnixSeconds), len(answer.Prices))
	}
	starts, step, err := energyChartsTimes(answer.UnixSeconds)
	if err != nil {
		return nil, err
	}
	currency, err := currencyPerMWh(answer.Unit)
	if err != nil {
		return nil, err
	}
	var prices []grid.Price
	for i, price := range answer.Prices {
		if price != nil {
			prices = append(prices, perMWh(area, currency, starts[i], step, *price))
		}
	}
	if len(prices) == 0 {
		return nil, reject(Missing, "no price of %s", area)
	}
	return prices, nil
}
