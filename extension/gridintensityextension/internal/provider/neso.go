// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// neso is the British system operator's service: no key, data under CC BY 4.0. Its numbers count imports and what
// is lost in transmission (api.carbonintensity.org.uk). The regions have forecasts only.
var neso = Type{
	Endpoint:   "https://api.carbonintensity.org.uk",
	Provenance: grid.Provenance{Boundary: grid.Direct, Basis: grid.Consumption, Gas: grid.CO2},
	Losses:     true,
	Step:       30 * time.Minute,
	Zone:       nesoZone,
	Zones:      "Great Britain, GB, or one of its regions, GB-1 (North Scotland) to GB-17 (Wales)",
	Country:    partsOf(britain),
	New:        func(s Settings) (Provider, error) { return &nesoProvider{s}, nil },
}

const (
	britain = "GB"
	// nesoDays is the most that one answer covers.
	nesoDays = 14 * 24 * time.Hour
	// nesoRecent is how far back the newest interval is looked for: its actual value comes after its end.
	nesoRecent = 2 * time.Hour
	nesoTime   = "2006-01-02T15:04Z" // no seconds, UTC
)

func nesoZone(zone string) (string, bool) {
	if place, ok := grid.Locate(zone); ok {
		return britain, place.ElectricityMaps == britain // Northern Ireland is another grid
	}
	zone = strings.ToUpper(zone)
	_, ok := nesoRegion(zone)
	return zone, ok
}

// nesoRegion is the number of a region; 0 is all of Great Britain.
func nesoRegion(zone string) (int, bool) {
	const regions = 17
	number, found := strings.CutPrefix(zone, britain+"-")
	n, err := strconv.Atoi(number)
	return n, found && err == nil && n >= 1 && n <= regions && number == strconv.Itoa(n)
}

type nesoProvider struct{ Settings }

func (p *nesoProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	now := time.Now()
	return p.ask(ctx, zone, now.Add(-nesoRecent), nesoTo(now))
}

func (p *nesoProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	values, err := inChunks(from.Truncate(neso.Step), to, nesoDays, func(from, to time.Time) ([]grid.Value, error) {
		return p.ask(ctx, zone, from, nesoTo(to))
	})
	if err != nil {
		return nil, err
	}
	return within(values, from, to)
}

func (p *nesoProvider) Forecast(ctx context.Context, zone string) ([]grid.Value, error) {
	return p.ask(ctx, zone, time.Now(), "fw48h")
}

// nesoTo is the end of the interval that a time is in, or ends.
func nesoTo(at time.Time) string {
	return at.Add(neso.Step - 1).Truncate(neso.Step).UTC().Format(nesoTime)
}

func (p *nesoProvider) ask(ctx context.Context, zone string, from time.Time, to string) ([]grid.Value, error) {
	path := "/intensity/" + from.Truncate(neso.Step).UTC().Format(nesoTime) + "/" + to
	if region, ok := nesoRegion(zone); ok {
		path = "/regional" + path + "/regionid/" + strconv.Itoa(region)
	}
	body, err := p.get(ctx, path, nil, nil)
	if err != nil {
		return nil, err
	}
	return p.read(body, zone)
}

type nesoInterval struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Intensity struct {
		Forecast *float64 `json:"forecast"`
		Actual   *float64 `json:"actual"` // null until it is known, and in the regions
	} `json:"intensity"`
}

// nesoRegions is a list with one region, or that region.
type nesoRegions []struct {
	ID   int            `json:"regionid"`
	Data []nesoInterval `json:"data"`
}

func (r *nesoRegions) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("{")) {
		*r = make(nesoRegions, 1)
		return json.Unmarshal(b, &(*r)[0])
	}
	type list nesoRegions // without this method
	return json.Unmarshal(b, (*list)(r))
}

func (p *nesoProvider) read(body []byte, zone string) ([]grid.Value, error) {
	region, regional := nesoRegion(zone)
	if !regional {
		var answer struct {
			Data []nesoInterval `json:"data"`
		}
		if err := decode(body, &answer); err != nil {
			return nil, err
		}
		return p.values(answer.Data, zone)
	}
	var answer struct {
		Data nesoRegions `json:"data"`
	}
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	var intervals []nesoInterval
	for _, r := range answer.Data {
		if r.ID != region {
			return nil, reject(ZoneDiffers, "region %d, asked for %d", r.ID, region)
		}
		intervals = append(intervals, r.Data...)
	}
	return p.values(intervals, zone)
}

func (p *nesoProvider) values(intervals []nesoInterval, zone string) ([]grid.Value, error) {
	var values []grid.Value
	for _, i := range intervals {
		start, err1 := time.Parse(nesoTime, i.From)
		end, err2 := time.Parse(nesoTime, i.To)
		switch length := end.Sub(start); {
		case err1 != nil || err2 != nil:
			return nil, reject(Malformed, "from %s to %s", excerpt([]byte(i.From)), excerpt([]byte(i.To)))
		case length <= 0:
			return nil, reject(Absurd, "an interval from %s to %s", i.From, i.To)
		case i.Intensity.Actual != nil:
			values = append(values, p.value(zone, start, length, *i.Intensity.Actual, grid.Measured))
		case i.Intensity.Forecast != nil:
			values = append(values, p.value(zone, start, length, *i.Intensity.Forecast, grid.Forecast))
		}
	}
	if len(values) == 0 {
		return nil, reject(Missing, "no value of %s", zone)
	}
	return values, nil
}
