// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package provider asks the services that know what the grid emits. One file is one service; Types lists
// them all.
package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Provider asks one service, as often as it is called: it keeps no values and repeats nothing. It is safe for
// concurrent use. A value's interval is the service's own, never the time of the request or of an update.
type Provider interface {
	// Latest returns the newest intervals of a zone, as few as the service's cheapest call gives. It may return
	// forecasts that come with them.
	Latest(ctx context.Context, zone string) ([]grid.Value, error)
	// History returns the intervals that overlap [from, to).
	History(ctx context.Context, zone string, from, to time.Time) ([]grid.Value, error)
	// Forecast returns the intervals to come, or ErrNotOffered.
	Forecast(ctx context.Context, zone string) ([]grid.Value, error)
}

// ErrNotOffered says that the service has nothing of the kind.
var ErrNotOffered = errors.New("the provider does not offer this")

// Type is what is known of a service before it is asked.
type Type struct {
	// Endpoint is where the service is; empty if it has none.
	Endpoint string
	// Provenance of its values. Zone is set by the values, Source by the settings.
	grid.Provenance
	// Boundaries that can be chosen; nil if there is no choice.
	Boundaries []grid.Boundary
	// RequestsPerMinute is what the service lets one address ask; 0 if it does not say.
	RequestsPerMinute int
	// Losses says that the losses of the grid are in its values.
	Losses bool
	// Step is the length of its intervals, or the shortest one.
	Step time.Duration
	// Credentials are the settings that the service needs: token, or username and password.
	Credentials []Credential
	// Zone is the service's id of a zone that is named as for grid.Static or by that id; false if the
	// service does not cover it.
	Zone func(zone string) (string, bool)
	// Zones says in a few words what Zone takes, for error messages.
	Zones string
	// Country that a zone is a part of, by the service's id; "" if it is not known. Nil if no zone is a part of one.
	Country func(id string) string
	// Options are the keys that Settings.Options may have.
	Options []string
	New     func(Settings) (Provider, error)
}

// Credential is a setting that a service needs.
type Credential string

// The credentials that services ask for.
const (
	Token    Credential = "token"
	Username Credential = "username"
	Password Credential = "password"
)

// Settings of one provider.
type Settings struct {
	// Name is the Source of its values.
	Name string
	// Provenance of its values but for the zone: that of the type, with what was configured.
	Provenance grid.Provenance
	// Endpoint has no slash at its end.
	Endpoint string
	// Client has the configured timeout, TLS and authentication.
	Client *http.Client
	// Token, Username and Password are empty if not configured.
	Token, Password configopaque.String
	Username        string
	// Options are what only this service has: see the type's documentation.
	Options map[string]string
}

// Types are all services, by what a configuration calls them.
var Types = map[string]Type{
	"electricitymaps": electricityMaps,
	"energinet":       energinet,
	"energycharts":    energyCharts,
	"eia":             eia,
	"entsoe":          entsoe,
	"file":            file,
	"neso":            neso,
	"openelectricity": openElectricity,
	"rte":             rte,
	"static":          static,
	"watttime":        wattTime,
}

// Of is what the values count, but for the zone.
func (s *Settings) Of() grid.Provenance { return s.Provenance }

// value is one of a zone.
func (s *Settings) value(zone string, start time.Time, length time.Duration, gramsPerKWh float64, quality grid.Quality) grid.Value {
	p := s.Provenance
	p.Zone, p.Source = zone, s.Name
	return grid.Value{
		Start: start.UTC(), End: start.Add(length).UTC(),
		Intensity: grid.Intensity{GramsPerKWh: gramsPerKWh, Quality: quality, Provenance: p},
	}
}

// partsOf is the Country of a service in one country.
func partsOf(country string) func(string) string { return func(string) string { return country } }

// within are the values that overlap [from, to).
func within(values []grid.Value, from, to time.Time) ([]grid.Value, error) {
	kept := make([]grid.Value, 0, len(values))
	for _, v := range values {
		if v.Start.Before(to) && v.End.After(from) {
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 {
		return nil, reject(Missing, "none of %d values is of the time that was asked for", len(values))
	}
	return kept, nil
}

// spacing is the shortest time between two of the times, within bounds; the lower one if there is no second time.
func spacing(times []time.Time, least, most time.Duration) time.Duration {
	times = slices.SortedFunc(slices.Values(times), time.Time.Compare)
	shortest := time.Duration(0)
	for i := 1; i < len(times); i++ {
		if gap := times[i].Sub(times[i-1]); gap > 0 && (shortest == 0 || gap < shortest) {
			shortest = gap
		}
	}
	return min(max(shortest, least), most)
}

// Reason why an answer was not used.
type Reason string

// The reasons, as they are counted.
const (
	// ZoneDiffers: the answer is about another zone.
	ZoneDiffers Reason = "zone_differs"
	// Missing: there is no value, or none for the time.
	Missing Reason = "missing"
	// Negative: below 0, which is no grid. 0 is legal.
	Negative Reason = "negative"
	// Absurd: above grid.MaxGramsPerKWh, not a number, or of an interval that cannot be.
	Absurd Reason = "absurd"
	// Sandbox: scrambled data for tests.
	Sandbox Reason = "sandbox"
	// TooOld: the newest interval is too old to be carried until now.
	TooOld Reason = "too_old"
	// Malformed: not what the service is documented to answer.
	Malformed Reason = "malformed"
	// Unauthorized: the service wants other credentials (401, 403).
	Unauthorized Reason = "unauthorized"
	// NotFound: the service does not know the zone (404, 422).
	NotFound Reason = "not_found"
	// Throttled: too many requests (429).
	Throttled Reason = "throttled"
	// Unavailable: no answer, or one that says so (5xx).
	Unavailable Reason = "unavailable"
)

// Error is an answer that was not used, and why.
type Error struct {
	Reason Reason
	// Detail is what the service said, without anything secret.
	Detail string
	// RetryAfter is how long the service wants to be left alone; 0 if it does not say.
	RetryAfter time.Duration
	Err        error
	status     int    // of the answer, 0 if it is not about that
	body       []byte // for services that explain themselves there
}

func (e *Error) Error() string {
	text := string(e.Reason)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

func reject(r Reason, format string, arguments ...any) error {
	return &Error{Reason: r, Detail: fmt.Sprintf(format, arguments...)}
}
