// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// wattTime says what one more kilowatt-hour causes, by grid region of most of the world: the signal co2_moer
// (api.watttime.org, v3).
var wattTime = Type{
	Endpoint:    "https://api.watttime.org",
	Provenance:  grid.Provenance{Signal: grid.Marginal, Boundary: grid.Direct, Gas: grid.CO2},
	Step:        5 * time.Minute,
	Credentials: []Credential{Username, Password},
	Zone:        func(zone string) (string, bool) { return zone, wattTimeRegion.MatchString(zone) },
	Zones:       "a region of WattTime by its id, such as CAISO_NORTH; map others under zones",
	New: func(s Settings) (Provider, error) {
		return &wattTimeProvider{Settings: s, turn: make(chan struct{}, 1)}, nil
	},
}

// wattTimeRegion leaves out the ids that may also be a country or an eGRID subregion.
var wattTimeRegion = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

const (
	moer         = "co2_moer"
	poundsPerMWh = "lbs_co2_per_mwh"
	// gramsPerPound in g/kWh per lb/MWh, by the international pound (0.45359237 kg).
	gramsPerPound = 0.45359237
	// wattTimeDays is within the most that one answer about the past covers, 32 days with both ends.
	wattTimeDays = 31 * 24 * time.Hour
	// wattTimeRecent is how far back the newest interval is looked for: values come minutes to a few hours late.
	wattTimeRecent = 6 * time.Hour
	// sessionLife is below the 30 minutes that a session's token is good for.
	sessionLife = 28 * time.Minute
)

type wattTimeProvider struct {
	Settings

	turn    chan struct{} // held by the one who logs in, or looks
	session configopaque.String
	until   time.Time
}

// Latest is what has happened, and where that is published late, what is foretold of now: a region that always is
// would else never be used.
func (p *wattTimeProvider) Latest(ctx context.Context, zone string) ([]grid.Value, error) {
	now := time.Now()
	values, err := p.past(ctx, zone, now.Add(-wattTimeRecent), now)
	recent := slices.ContainsFunc(values, func(v grid.Value) bool { return now.Sub(v.End) <= wattTime.Step })
	if recent || err != nil && !isOf(err, Missing) {
		return values, err
	}
	foretold, err := p.ahead(ctx, zone, "1")
	if len(values) == 0 {
		return foretold, err
	}
	return append(values, foretold...), nil // the past is true without the forecast
}

func (p *wattTimeProvider) History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	values, err := inChunks(from.Truncate(time.Hour), to, wattTimeDays, func(from, to time.Time) ([]grid.Value, error) {
		return p.past(ctx, zone, from, to)
	})
	if err != nil {
		return nil, err
	}
	return within(values, from, to)
}

func (p *wattTimeProvider) past(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	return p.ask(ctx, zone, "/v3/historical", grid.Measured, url.Values{
		"start": {from.UTC().Format(time.RFC3339)}, "end": {to.UTC().Format(time.RFC3339)}, "include_imputed_marker": {"true"},
	})
}

func (p *wattTimeProvider) Forecast(ctx context.Context, zone string) ([]grid.Value, error) {
	return p.ahead(ctx, zone, "24")
}

func (p *wattTimeProvider) ahead(ctx context.Context, zone, hours string) ([]grid.Value, error) {
	return p.ask(ctx, zone, "/v3/forecast", grid.Forecast, url.Values{"horizon_hours": {hours}})
}

func (p *wattTimeProvider) ask(ctx context.Context, zone, path string, quality grid.Quality, query url.Values) ([]grid.Value, error) {
	query.Set("region", zone)
	query.Set("signal_type", moer)
	body, err := p.inSession(ctx, path, query)
	if err != nil {
		return nil, err
	}
	return p.read(body, zone, quality)
}

// inSession logs in again, once, if the service does not know the session any more.
func (p *wattTimeProvider) inSession(ctx context.Context, path string, query url.Values) ([]byte, error) {
	if p.Username == "" {
		return p.get(ctx, path, query, nil) // an auth extension takes care
	}
	var session configopaque.String
	for again := false; ; again = true {
		var err error
		if session, err = p.login(ctx, session); err != nil {
			return nil, err
		}
		settings := p.Settings
		settings.Token = session // so that it is kept secret
		body, err := settings.get(ctx, path, query, http.Header{"Authorization": {"Bearer " + string(session)}})
		var e *Error
		if again || !errors.As(err, &e) || e.status != http.StatusUnauthorized {
			return body, err
		}
	}
}

// login takes the session that there is, unless it is over or has been refused. All others wait meanwhile.
func (p *wattTimeProvider) login(ctx context.Context, refused configopaque.String) (configopaque.String, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return "", &Error{Reason: Unavailable, Err: ctx.Err()}
	}
	if p.session != "" && p.session != refused && time.Now().Before(p.until) {
		return p.session, nil
	}
	begin := time.Now()
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(p.Username, string(p.Password))
	body, err := p.get(ctx, "/login", nil, r.Header)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token configopaque.String `json:"token"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Token == "" {
		return "", reject(Malformed, "the answer to the login has no token") // and is not quoted: it might
	}
	p.session, p.until = answer.Token, begin.Add(sessionLife)
	return p.session, nil
}

type wattTimeAnswer struct {
	Data []struct {
		Start   time.Time `json:"point_time"`
		Value   *float64  `json:"value"`
		Imputed bool      `json:"imputed_data_used"`
	} `json:"data"`
	Meta struct {
		Region string `json:"region"`
		Signal string `json:"signal_type"`
		Units  string `json:"units"`
		Period int64  `json:"data_point_period_seconds"`
	} `json:"meta"`
}

func (p *wattTimeProvider) read(body []byte, zone string, quality grid.Quality) ([]grid.Value, error) {
	var answer wattTimeAnswer
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	const hour = 3600
	switch meta := answer.Meta; {
	case meta.Region != zone:
		return nil, reject(ZoneDiffers, "%q, asked for %s", meta.Region, zone)
	case meta.Signal != moer || meta.Units != poundsPerMWh:
		return nil, reject(Malformed, "%q in %q, asked for %s, which is in %s", meta.Signal, meta.Units, moer, poundsPerMWh)
	case meta.Period < 1 || meta.Period > hour:
		return nil, reject(Malformed, "data_point_period_seconds %d", meta.Period)
	}
	var values []grid.Value
	for _, point := range answer.Data {
		switch {
		case point.Value == nil:
			continue
		case point.Start.IsZero():
			return nil, reject(Malformed, "a value without point_time")
		}
		of := quality
		if point.Imputed && quality == grid.Measured {
			of = grid.Estimated
		}
		values = append(values, p.value(zone, point.Start, time.Duration(answer.Meta.Period)*time.Second, *point.Value*gramsPerPound, of))
	}
	if len(values) == 0 {
		return nil, reject(Missing, "no value of %s", zone)
	}
	return values, nil
}
