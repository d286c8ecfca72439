// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// entsoe is the transparency platform of Europe's grid operators: what each area generates by type, from which
// the intensity is computed here. It is often half a day late: for history and revisions rather than for now
// (web-api.tp.entsoe.eu, document A75, process A16).
var entsoe = Type{
	Endpoint:    "https://web-api.tp.entsoe.eu",
	Provenance:  mixProvenance,
	Step:        15 * time.Minute,
	Credentials: []Credential{Token},
	Zone:        entsoeZone,
	Zones:       "a country or bidding zone of ENTSO-E, such as DE, DE_LU or NO_2, its EIC, or a cloud region in Europe",
	Country:     entsoeCountry,
	New:         func(s Settings) (Provider, error) { return &entsoeProvider{s}, nil },
}

// entsoeAreas are EICs by the country or bidding zone, and by themselves.
var entsoeAreas = sync.OnceValue(func() map[string]string {
	areas := map[string]string{}
	for _, row := range table("entsoe_areas.csv") {
		areas[row[0]], areas[row[1]] = row[1], row[1]
	}
	return areas
})

func entsoeZone(zone string) (string, bool) {
	place, _ := grid.Locate(zone)
	for _, name := range []string{strings.ToUpper(zone), place.ENTSOE, place.Country} {
		if eic, ok := entsoeAreas()[name]; ok {
			return eic, true
		}
	}
	return "", false
}

// entsoeCountry is what the name of an area begins with.
func entsoeCountry(eic string) string {
	for _, row := range table("entsoe_areas.csv") {
		if row[1] == eic {
			country, _, _ := strings.Cut(row[0], "_")
			return country
		}
	}
	return ""
}

const (
	// entsoeDays keeps an answer below maxBody; the service allows a year.
	entsoeDays = 14 * 24 * time.Hour
	// entsoeRecent is how far back the newest interval is looked for. In 2026 Germany, France and Spain were 12 to
	// 16 hours late.
	entsoeRecent = 36 * time.Hour
	// entsoeBan is how long the service shuts out who asks more than 400 times a minute.
	entsoeBan = 10 * time.Minute
)

type entsoeProvider struct{ Settings }

func (p *entsoeProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	now := time.Now()
	return p.ask(ctx, zone, now.Add(-entsoeRecent), now)
}

func (p *entsoeProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	return inChunks(from.Truncate(time.Hour), to, entsoeDays, func(from, to time.Time) ([]grid.Value, error) {
		return p.ask(ctx, zone, from, to)
	})
}

func (p *entsoeProvider) Forecast(context.Context, string) ([]grid.Value, error) {
	return nil, ErrNotOffered // it is of wind and solar only
}

func (p *entsoeProvider) ask(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	const minute = "200601021504"
	query := url.Values{
		"documentType": {"A75"}, "processType": {"A16"}, "in_Domain": {zone},
		"periodStart": {from.UTC().Truncate(time.Hour).Format(minute)},
		"periodEnd":   {to.UTC().Add(time.Hour - 1).Truncate(time.Hour).Format(minute)},
	}
	if p.Token != "" {
		query.Set("securityToken", string(p.Token))
	}
	body, err := p.get(ctx, "/api", query, nil)
	if refused, ok := errors.AsType[*Error](err); ok {
		switch refused.Reason {
		case Throttled:
			refused.RetryAfter = cmp.Or(refused.RetryAfter, entsoeBan)
		case NotFound:
			if _, why := p.read(refused.body, zone); !isOf(why, Malformed) {
				return nil, why
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return p.read(body, zone)
}

// entsoeDocument is a GL_MarketDocument or, where there is nothing, an Acknowledgement_MarketDocument.
type entsoeDocument struct {
	XMLName xml.Name
	Reason  []struct {
		Code string `xml:"code"`
		Text string `xml:"text"`
	} `xml:"Reason"`
	Series []entsoeSeries `xml:"TimeSeries"`
}

type entsoeSeries struct {
	// Generated is the area if the plants generate; if they use electricity, Used is.
	Generated string `xml:"inBiddingZone_Domain.mRID"`
	Used      string `xml:"outBiddingZone_Domain.mRID"`
	Unit      string `xml:"quantity_Measure_Unit.name"`
	Curve     string `xml:"curveType"`
	Fuel      string `xml:"MktPSRType>psrType"`
	// Sequence tells series of the same apart: the lowest counts.
	Sequence int            `xml:"classificationSequence_AttributeInstanceComponent.position"`
	Periods  []entsoePeriod `xml:"Period"`
}

type entsoePeriod struct {
	Start      string        `xml:"timeInterval>start"`
	End        string        `xml:"timeInterval>end"`
	Resolution string        `xml:"resolution"`
	Points     []entsoePoint `xml:"Point"`
}

type entsoePoint struct {
	Position int      `xml:"position"`
	Quantity *float64 `xml:"quantity"`
}

func (p *entsoeProvider) read(body []byte, zone string) ([]grid.Value, error) {
	var document entsoeDocument
	if err := xml.Unmarshal(body, &document); err != nil {
		return nil, &Error{Reason: Malformed, Detail: "no XML of the documented form: " + excerpt(body), Err: err}
	}
	switch document.XMLName.Local {
	case "GL_MarketDocument":
		return p.mix(document.Series, zone)
	case "Acknowledgement_MarketDocument":
		for _, r := range document.Reason {
			if r.Code == "999" && strings.HasPrefix(r.Text, "No matching data found") { // 999 alone is any error
				return nil, reject(Missing, "%s", excerpt([]byte(r.Text)))
			}
		}
		return nil, reject(NotFound, "%s", excerpt([]byte(fmt.Sprint(document.Reason))))
	default:
		return nil, reject(Malformed, "a document of type %s", excerpt([]byte(document.XMLName.Local)))
	}
}

func (p *entsoeProvider) mix(series []entsoeSeries, zone string) ([]grid.Value, error) {
	// What comes later replaces what was before.
	slices.SortStableFunc(series, func(a, b entsoeSeries) int { return cmp.Compare(b.Sequence, a.Sequence) })
	step, err := finest(series)
	if err != nil {
		return nil, err
	}
	generated := generation{}
	for _, s := range series {
		switch {
		case s.Generated == "" && s.Used != "":
			continue // what pumps and batteries take, and power plants that stand still
		case s.Generated != zone:
			return nil, reject(ZoneDiffers, "%s, asked for %s", excerpt([]byte(s.Generated)), zone)
		case s.Unit != "" && s.Unit != "MAW":
			return nil, reject(Malformed, "quantity in %s, not in MAW", excerpt([]byte(s.Unit)))
		}
		for _, period := range s.Periods {
			if err := period.expand(s.Curve, step, func(at time.Time, megawatts float64) error {
				return generated.add(at, s.Fuel, megawatts)
			}); err != nil {
				return nil, err
			}
		}
	}
	return generated.values(&p.Settings, zone, step)
}

var entsoeResolutions = map[string]time.Duration{"PT15M": 15 * time.Minute, "PT30M": 30 * time.Minute, "PT60M": time.Hour, "PT1H": time.Hour}

// finest is the shortest resolution; each other is a multiple of it.
func finest(series []entsoeSeries) (time.Duration, error) {
	step := time.Hour
	for _, s := range series {
		for _, period := range s.Periods {
			r, ok := entsoeResolutions[period.Resolution]
			if !ok {
				return 0, reject(Malformed, "resolution %s", excerpt([]byte(period.Resolution)))
			}
			step = min(step, r)
		}
	}
	return step, nil
}

// expand yields the power of each step. On a curve of the type A03 a position that is left out repeats the one
// before; on the others it is not known.
func (p *entsoePeriod) expand(curve string, step time.Duration, yield func(at time.Time, megawatts float64) error) error {
	const layout, longest = "2006-01-02T15:04Z", 32 * 24 * time.Hour
	start, err1 := time.Parse(layout, p.Start)
	end, err2 := time.Parse(layout, p.End)
	resolution := entsoeResolutions[p.Resolution]
	length := end.Sub(start)
	if err := errors.Join(err1, err2); err != nil || length <= 0 || length > longest || length%resolution != 0 || start.Truncate(step) != start {
		return reject(Malformed, "period from %s to %s in %s", excerpt([]byte(p.Start)), excerpt([]byte(p.End)), p.Resolution)
	}
	quantities := make([]*float64, length/resolution)
	for _, point := range p.Points {
		if point.Position < 1 || point.Position > len(quantities) {
			return reject(Malformed, "position %d of %d", point.Position, len(quantities))
		}
		quantities[point.Position-1] = point.Quantity
	}
	for i, quantity := range quantities {
		if quantity == nil && curve == "A03" && i > 0 {
			quantity = quantities[i-1]
			quantities[i] = quantity
		}
		if quantity == nil {
			continue
		}
		at := start.Add(time.Duration(i) * resolution)
		for next := at.Add(resolution); at.Before(next); at = at.Add(step) {
			if err := yield(at, *quantity); err != nil {
				return err
			}
		}
	}
	return nil
}
