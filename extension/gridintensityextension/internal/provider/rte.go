// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// rte is what the French system operator publishes as éCO2mix: no key, data under Licence Ouverte. Real-time data
// are estimates; consolidated ones take their place weeks later (odre.opendatasoft.com, Explore API v2.1).
var rte = Type{
	Endpoint:   "https://odre.opendatasoft.com",
	Provenance: grid.Provenance{Boundary: grid.Direct, Basis: grid.Production, Gas: grid.CO2e},
	Step:       15 * time.Minute,
	Zone: func(zone string) (string, bool) {
		place, _ := grid.Locate(zone)
		return france, place.ElectricityMaps == france // Corsica and the overseas territories are other grids
	},
	Zones: "France, FR",
	New:   func(s Settings) (Provider, error) { return &rteProvider{s}, nil },
}

const (
	france = "FR"
	// rteRows is the most that one answer has; a day has 96.
	rteRows = 100
	rteDay  = 24 * time.Hour
	// rteRecent is of two hours: the service adds an hour at a time.
	rteRecent = 8
	// rteHalfHour is the step of the consolidated data, at most.
	rteHalfHour = 30 * time.Minute
	rteTime     = "date'2006-01-02T15:04:05Z'"
)

// rteSet is a data set, and what its values are.
type rteSet struct {
	name    string
	quality grid.Quality
	step    time.Duration // at most
}

var (
	rteRealTime     = rteSet{"eco2mix-national-tr", grid.Estimated, rte.Step}
	rteConsolidated = rteSet{"eco2mix-national-cons-def", grid.Measured, rteHalfHour}
)

type rteProvider struct{ Settings }

func (p *rteProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	return p.ask(ctx, zone, &rteRealTime, "", "date_heure desc", rteRecent)
}

func (p *rteProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	values, err := inChunks(from.Truncate(rteHalfHour), to, rteDay, func(from, to time.Time) ([]grid.Value, error) {
		where := " and date_heure >= " + from.UTC().Format(rteTime) + " and date_heure < " + to.UTC().Format(rteTime)
		values, err := p.ask(ctx, zone, &rteRealTime, where, "date_heure", rteRows)
		if isOf(err, Missing) {
			return p.ask(ctx, zone, &rteConsolidated, where, "date_heure", rteRows)
		}
		return values, err
	})
	if err != nil {
		return nil, err
	}
	return within(values, from, to)
}

func (p *rteProvider) Forecast(context.Context, string) ([]grid.Value, error) {
	return nil, ErrNotOffered
}

func (p *rteProvider) ask(ctx context.Context, zone string, set *rteSet, where, order string, limit int) ([]grid.Value, error) {
	body, err := p.get(ctx, "/api/explore/v2.1/catalog/datasets/"+set.name+"/records", url.Values{
		"select": {"date_heure,taux_co2"}, "where": {"taux_co2 is not null" + where},
		"order_by": {order}, "limit": {strconv.Itoa(limit)}, "timezone": {"UTC"},
	}, nil)
	if err != nil {
		return nil, err
	}
	return p.read(body, zone, set)
}

func (p *rteProvider) read(body []byte, zone string, set *rteSet) ([]grid.Value, error) {
	var answer struct {
		Results []struct {
			Start time.Time `json:"date_heure"`
			Grams *float64  `json:"taux_co2"`
		} `json:"results"`
	}
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	var starts []time.Time
	var grams []float64
	for _, row := range answer.Results {
		switch {
		case row.Grams == nil:
			continue
		case row.Start.IsZero():
			return nil, reject(Malformed, "a value without date_heure")
		}
		starts, grams = append(starts, row.Start), append(grams, *row.Grams)
	}
	if len(starts) == 0 {
		return nil, reject(Missing, "no value in %s", set.name)
	}
	step := spacing(starts, rte.Step, set.step)
	values := make([]grid.Value, len(starts))
	for i := range starts {
		values[i] = p.value(zone, starts[i], step, grams[i], set.quality)
	}
	return values, nil
}
