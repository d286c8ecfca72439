// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// openElectricity covers Australia's two markets: emissions from the stacks, by the factors of the market
// operator, and energy, of each region every 5 minutes (api.openelectricity.org.au, v4).
var openElectricity = Type{
	Endpoint:    "https://api.openelectricity.org.au",
	Provenance:  grid.Provenance{Boundary: grid.Direct, Basis: grid.Production, Gas: grid.CO2e},
	Step:        5 * time.Minute,
	Credentials: []Credential{Token},
	Zone:        openElectricityZone,
	Zones:       "a part of Australia: AU-NSW, AU-QLD, AU-SA, AU-TAS, AU-VIC, AU-WA, or NSW1, QLD1, SA1, TAS1, VIC1, WEM",
	Country:     partsOf("AU"),
	New:         func(s Settings) (Provider, error) { return &openElectricityProvider{s}, nil },
}

var openElectricityRegions = map[string]string{
	"AU-NSW": "NSW1", "AU-QLD": "QLD1", "AU-SA": "SA1", "AU-TAS": "TAS1", "AU-VIC": "VIC1", "AU-WA": "WEM",
}

func openElectricityZone(zone string) (string, bool) {
	if place, ok := grid.Locate(zone); ok {
		zone = place.ElectricityMaps
	}
	for theirs, region := range openElectricityRegions {
		if zone == theirs || zone == region {
			return region, true
		}
	}
	return "", false
}

// market is the network that a region belongs to, and its time, which knows no summer.
func market(region string) (network string, zone *time.Location) {
	if region == "WEM" {
		return "WEM", time.FixedZone("AWST", 8*60*60)
	}
	return "NEM", time.FixedZone("AEST", 10*60*60)
}

const (
	// openElectricityDays is within the most that one request for 5-minute data may cover, 8 days.
	openElectricityDays = 7 * 24 * time.Hour
	// openElectricityRecent is how far back the newest interval is looked for. Western Australia publishes a day late.
	openElectricityRecent = 36 * time.Hour
)

type openElectricityProvider struct{ Settings }

func (p *openElectricityProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	now := time.Now()
	recent := 2 * time.Hour
	if zone == "WEM" {
		recent = openElectricityRecent
	}
	// Without an end the service leaves out the interval that is still being settled.
	return p.ask(ctx, zone, now.Add(-recent), time.Time{})
}

func (p *openElectricityProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	return inChunks(from.Truncate(openElectricity.Step), to, openElectricityDays, func(from, to time.Time) ([]grid.Value, error) {
		return p.ask(ctx, zone, from, to)
	})
}

func (p *openElectricityProvider) Forecast(context.Context, string) ([]grid.Value, error) {
	return nil, ErrNotOffered
}

type openElectricityAnswer struct {
	Success bool `json:"success"`
	Data    []struct {
		Metric  string `json:"metric"`
		Unit    string `json:"unit"`
		Results []struct {
			Columns struct {
				Region string `json:"region"`
				Fuel   string `json:"fueltech_group"`
			} `json:"columns"`
			Data []timedValue `json:"data"`
		} `json:"results"`
	} `json:"data"`
}

// timedValue is [time, value or null].
type timedValue struct {
	at    time.Time
	value *float64
}

func (v *timedValue) UnmarshalJSON(b []byte) error {
	pair := []any{&v.at, &v.value}
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 || v.at.IsZero() {
		return fmt.Errorf("%d elements, want a time and a value", len(pair))
	}
	return nil
}

func (p *openElectricityProvider) ask(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	network, local := market(zone)
	const naive = "2006-01-02T15:04:05" // the service refuses an offset
	query := url.Values{
		"metrics": {"emissions", "energy"}, "interval": {"5m"},
		"primary_grouping": {"network_region"}, "network_region": {zone}, "secondary_grouping": {"fueltech_group"},
		"date_start": {from.In(local).Truncate(time.Minute).Format(naive)},
	}
	if !to.IsZero() {
		query.Set("date_end", to.In(local).Format(naive))
	}
	header := http.Header{}
	if p.Token != "" {
		header.Set("Authorization", "Bearer "+string(p.Token))
	}
	body, err := p.get(ctx, "/v4/data/network/"+network, query, header)
	if refused, ok := errors.AsType[*Error](err); ok && refused.Reason == NotFound && bytes.Contains(refused.body, []byte("No data available")) {
		refused.Reason = Missing // the region is known: there is nothing of that time
	}
	if err != nil {
		return nil, err
	}
	return p.read(body, zone)
}

// read adds up what generates. Storage is left out, as in a mix: the service counts what charges it.
func (p *openElectricityProvider) read(body []byte, zone string) ([]grid.Value, error) {
	var answer openElectricityAnswer
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	if !answer.Success {
		return nil, reject(Malformed, "no success: %s", excerpt(body))
	}
	amounts := map[string]map[fuelTime]float64{"emissions": {}, "energy": {}}
	units := map[string]string{"emissions": "t", "energy": "MWh"}
	ours, other := false, ""
	for _, series := range answer.Data {
		if want, ok := units[series.Metric]; !ok || series.Unit != want {
			return nil, reject(Malformed, "%s in %s", excerpt([]byte(series.Metric)), excerpt([]byte(series.Unit)))
		}
		for _, result := range series.Results {
			if result.Columns.Region != zone {
				other = result.Columns.Region
				continue
			}
			ours = true
			if !slices.Contains(openElectricityStorage, result.Columns.Fuel) {
				for _, v := range result.Data {
					if v.value != nil {
						amounts[series.Metric][fuelTime{v.at.Unix(), result.Columns.Fuel}] = *v.value
					}
				}
			}
		}
	}
	if !ours && other != "" {
		return nil, reject(ZoneDiffers, "%s, asked for %s", excerpt([]byte(other)), zone)
	}
	return p.divide(zone, amounts["emissions"], amounts["energy"])
}

var openElectricityStorage = []string{"battery", "battery_charging", "battery_discharging", "pumps"}

type fuelTime struct {
	at   int64 // Unix seconds
	fuel string
}

// divide leaves out an interval in which a fuel has emissions or energy without the other.
func (p *openElectricityProvider) divide(zone string, tonnes, energy map[fuelTime]float64) ([]grid.Value, error) {
	type sum struct{ tonnes, megawattHours float64 }
	sums, incomplete := map[int64]sum{}, map[int64]bool{}
	for key := range tonnes {
		if _, ok := energy[key]; !ok {
			incomplete[key.at] = true
		}
	}
	byTime := func(a, b fuelTime) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.fuel, b.fuel)) }
	for _, key := range slices.SortedFunc(maps.Keys(energy), byTime) { // a sum of floats depends on its order
		t, ok := tonnes[key]
		switch s := sums[key.at]; {
		case !ok:
			incomplete[key.at] = true
		case max(math.Abs(t), math.Abs(energy[key])) > maxAmount:
			return nil, reject(Absurd, "%g t of %g MWh", t, energy[key])
		case energy[key] > 0: // else it is load
			sums[key.at] = sum{s.tonnes + t, s.megawattHours + energy[key]}
		}
	}
	var values []grid.Value
	for _, at := range slices.Sorted(maps.Keys(sums)) {
		if incomplete[at] {
			continue
		}
		const kilogramsPerTonne = 1e3 // and g/kWh are kg/MWh
		grams := sums[at].tonnes / sums[at].megawattHours * kilogramsPerTonne
		if math.IsInf(grams, 0) {
			return nil, reject(Absurd, "%g t of %g MWh", sums[at].tonnes, sums[at].megawattHours)
		}
		values = append(values, p.value(zone, time.Unix(at, 0), openElectricity.Step, grams, grid.Measured))
	}
	if len(values) == 0 {
		return nil, reject(Missing, "no interval of %s has emissions and energy", zone)
	}
	return values, nil
}
