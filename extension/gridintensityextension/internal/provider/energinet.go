// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// energinet is the Danish system operator's service: no key, data under CC BY 4.0. It counts the CO2 of the
// electricity that is consumed in a price area, imports included, from what is metered online; what is settled is
// another data set (api.energidataservice.dk, CO2Emis).
var energinet = Type{
	Endpoint:   "https://api.energidataservice.dk",
	Provenance: grid.Provenance{Boundary: grid.Direct, Basis: grid.Consumption, Gas: grid.CO2},
	Step:       5 * time.Minute,
	Zone:       energinetZone,
	Zones:      "a price area of Denmark: DK1 or DK2, also as DK-DK1 or DK-DK2, or a cloud region in one",
	Country:    partsOf("DK"),
	New:        func(s Settings) (Provider, error) { return &energinetProvider{s}, nil },
}

func energinetZone(zone string) (string, bool) {
	if place, ok := grid.Locate(zone); ok {
		zone = place.ElectricityMaps
	}
	zone = strings.TrimPrefix(strings.ToUpper(zone), "DK-")
	return zone, zone == "DK1" || zone == "DK2"
}

const (
	// energinetMonth keeps an answer about the past small.
	energinetMonth = 31 * 24 * time.Hour
	energinetRead  = "2006-01-02T15:04:05" // of UTC, without saying so
	energinetWrite = "2006-01-02T15:04"
)

type energinetProvider struct{ Settings }

func (p *energinetProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	return p.ask(ctx, zone, "CO2Emis", grid.Estimated, url.Values{"start": {"now-PT2H"}})
}

func (p *energinetProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	values, err := inChunks(from.Truncate(energinet.Step), to, energinetMonth, func(from, to time.Time) ([]grid.Value, error) {
		return p.ask(ctx, zone, "CO2Emis", grid.Estimated, url.Values{
			"start": {from.UTC().Format(energinetWrite)}, "end": {to.Add(time.Minute - 1).UTC().Format(energinetWrite)}, // excluded
		})
	})
	if err != nil {
		return nil, err
	}
	return within(values, from, to)
}

func (p *energinetProvider) Forecast(ctx context.Context, zone string) ([]grid.Value, error) {
	return p.ask(ctx, zone, "CO2EmisProg", grid.Forecast, url.Values{"start": {"now-PT1H"}})
}

func (p *energinetProvider) ask(ctx context.Context, zone, set string, quality grid.Quality, query url.Values) ([]grid.Value, error) {
	query.Set("sort", "Minutes5UTC desc")
	body, err := p.records(ctx, set, zone, query)
	if err != nil {
		return nil, err
	}
	return p.read(body, zone, quality)
}

// records asks for all records of a price area.
func (p *energinetProvider) records(ctx context.Context, set, area string, query url.Values) ([]byte, error) {
	query.Set("timezone", "utc") // of start and end, which are Danish else
	query.Set("filter", `{"PriceArea":["`+area+`"]}`)
	query.Set("limit", "0") // all
	return p.get(ctx, "/dataset/"+set, query, nil)
}

func (p *energinetProvider) read(body []byte, zone string, quality grid.Quality) ([]grid.Value, error) {
	var answer struct {
		Records []struct {
			Start string   `json:"Minutes5UTC"`
			Area  string   `json:"PriceArea"`
			Grams *float64 `json:"CO2Emission"`
		} `json:"records"`
	}
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	var values []grid.Value
	for _, r := range answer.Records {
		start, err := time.Parse(energinetRead, r.Start)
		switch {
		case r.Area != zone:
			return nil, reject(ZoneDiffers, "%q, asked for %s", r.Area, zone)
		case r.Grams == nil:
			continue
		case err != nil:
			return nil, reject(Malformed, "Minutes5UTC %s", excerpt([]byte(r.Start)))
		}
		values = append(values, p.value(zone, start, energinet.Step, *r.Grams, quality))
	}
	if len(values) == 0 {
		return nil, reject(Missing, "no record of %s", zone)
	}
	return values, nil
}

func (p *energinetProvider) PriceAreas() []string { return []string{"DK1", "DK2"} }

// Prices have a data set of their own, since the market has quarters of an hour: DayAheadPrices, from 2025-10-01 on.
func (p *energinetProvider) Prices(ctx context.Context, area string, from, to time.Time) ([]grid.Price, error) {
	body, err := p.records(ctx, "DayAheadPrices", area, url.Values{
		"start": {from.UTC().Format(energinetWrite)}, "end": {to.UTC().Format(energinetWrite)}, "sort": {"TimeUTC asc"},
	})
	if err != nil {
		return nil, err
	}
	return readEnerginetPrices(body, area)
}

func readEnerginetPrices(body []byte, area string) ([]grid.Price, error) {
	var answer struct {
		Records []struct {
			Start string   `json:"TimeUTC"`
			Area  string   `json:"PriceArea"`
			Euros *float64 `json:"DayAheadPriceEUR"` // per MWh
		} `json:"records"`
	}
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	const quarter = 15 * time.Minute
	var prices []grid.Price
	for _, r := range answer.Records {
		start, err := time.Parse(energinetRead, r.Start)
		switch {
		case r.Area != area:
			return nil, reject(ZoneDiffers, "%q, asked for %s", r.Area, area)
		case r.Euros == nil:
			continue
		case err != nil:
			return nil, reject(Malformed, "TimeUTC %s", excerpt([]byte(r.Start)))
		}
		prices = append(prices, perMWh(area, "EUR", start, quarter, *r.Euros))
	}
	if len(prices) == 0 {
		return nil, reject(Missing, "no price of %s", area)
	}
	return prices, nil
}
