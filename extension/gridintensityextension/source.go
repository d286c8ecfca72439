// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

const (
	// enough failures in a row and a provider is left alone for a while; then one request tries it.
	enough = 5
	pause  = time.Minute
	// clockSkew is how far in the future a value may be that claims to be known.
	clockSkew = 5 * time.Minute
	// farthest is how far ahead a forecast may be.
	farthest = 10 * 24 * time.Hour
	// longest is the longest interval that is told from a mistake: a month.
	longest = 31 * 24 * time.Hour
)

// earliest is before any service had values.
var earliest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// source is a provider that was configured. All zones share it, with its limits.
type source struct {
	config     *ProviderConfig
	kind       provider.Type
	provenance grid.Provenance
	provider   provider.Provider // nil for tables, which need not be asked
	breaker    *gobreaker.CircuitBreaker[struct{}]
	limiter    *rate.Limiter
	logger     *zap.Logger
	telemetry  *metadata.TelemetryBuilder
	attribute  attribute.KeyValue

	mu        sync.Mutex
	lacks     map[string]bool              // what it does not offer: history, forecast
	notBefore time.Time                    // the provider wants to be left alone until then
	troubles  map[question]provider.Reason // what was logged
}

// question is what is asked of a zone or price area. One may fail while others are answered.
type question struct {
	about zap.Field
	what  string
}

func newSource(config *ProviderConfig, logger *zap.Logger, telemetry *metadata.TelemetryBuilder) *source {
	kind := provider.Types[config.Type]
	s := &source{
		config: config, kind: kind, provenance: kind.Provenance,
		logger: logger.With(zap.String("carbon.source", config.Name)), telemetry: telemetry,
		attribute: attribute.String("carbon.source", config.Name),
		limiter:   rate.NewLimiter(rate.Inf, 1),
		lacks:     map[string]bool{},
		troubles:  map[question]provider.Reason{},
	}
	s.provenance.Boundary, s.provenance.Source = config.Boundary, config.Name
	if n := config.RequestsPerMinute; n > 0 {
		s.limiter = rate.NewLimiter(rate.Every(time.Minute/time.Duration(n)), 2*n)
	}
	s.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: config.Name, Timeout: pause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= enough },
		IsSuccessful: func(err error) bool { return !down(err) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				s.logger.Warn("a provider of grid intensity fails again and again: it is left alone for a while", zap.Duration("for", pause))
			}
		},
	})
	return s
}

// down reports whether an error says that the provider as a whole cannot be had, not one zone or value.
func down(err error) bool {
	var e *provider.Error
	if !errors.As(err, &e) {
		return err != nil && !errors.Is(err, provider.ErrNotOffered)
	}
	switch e.Reason {
	case provider.Unauthorized, provider.Throttled, provider.Unavailable, provider.Malformed:
		return true
	default:
		return false
	}
}

// zone is the provider's id of a zone.
func (s *source) zone(name string) (string, bool) {
	for from, to := range s.config.Zones {
		if strings.EqualFold(from, name) {
			return to, true
		}
	}
	if s.kind.Zone == nil {
		return "", false
	}
	return s.kind.Zone(name)
}

// ask returns the values of an answer that can be true. The judge, if there is one, has the last word on them.
func (s *source) ask(ctx context.Context, zone, what string, request func() ([]grid.Value, error), judge func([]grid.Value) error) (values []grid.Value, err error) {
	err = s.send(ctx, zap.String("grid.zone", zone), what, func() (err error) {
		values, err = request()
		return err
	}, func() (err error) {
		if values, err = kept(ctx, s, values, implausible); err == nil && judge != nil {
			err = judge(values)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// send sends a request unless the provider is to be left alone, or does not offer what is asked for. The check is of an
// answer.
func (s *source) send(ctx context.Context, about zap.Field, what string, request, check func() error) error {
	what, _, _ = strings.Cut(what, "/")
	if s.isLacking(what) {
		return provider.ErrNotOffered
	}
	if wait := time.Until(s.restUntil()); wait > 0 {
		return &provider.Error{Reason: provider.Throttled, Detail: "it wants to be left alone for another " + wait.Round(time.Second).String()}
	}
	if err := s.limiter.Wait(ctx); err != nil {
		return err
	}
	_, err := s.breaker.Execute(func() (struct{}, error) { return struct{}{}, request() })
	if errors.Is(err, provider.ErrNotOffered) {
		s.mu.Lock()
		s.lacks[what] = true
		s.mu.Unlock()
		return err
	}
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &provider.Error{Reason: provider.Unavailable, Detail: "it has failed again and again and is left alone"}
	}
	if err == nil {
		err = check()
	}
	s.note(ctx, question{about, what}, err)
	return err
}

func (s *source) isLacking(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lacks[what]
}

func (s *source) restUntil() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notBefore
}

// kept are the values without those that cannot be. If nothing is left, the error says why.
func kept[T any](ctx context.Context, s *source, values []T, implausible func(T, time.Time) provider.Reason) ([]T, error) {
	kept := make([]T, 0, len(values))
	why := provider.Missing
	now := time.Now()
	for _, v := range values {
		if reason := implausible(v, now); reason != "" {
			why = reason
			s.reject(ctx, reason)
			continue
		}
		kept = append(kept, v)
	}
	if len(kept) == 0 {
		return nil, &provider.Error{Reason: why, Detail: "no value can be used"}
	}
	return kept, nil
}

func implausible(v grid.Value, now time.Time) provider.Reason {
	limit := now.Add(clockSkew)
	if v.Quality == grid.Forecast {
		limit = now.Add(farthest)
	}
	switch {
	case v.GramsPerKWh < 0:
		return provider.Negative
	case math.IsNaN(v.GramsPerKWh), v.GramsPerKWh > grid.MaxGramsPerKWh, !possible(v.Start, v.End, limit):
		return provider.Absurd
	default:
		return ""
	}
}

// possible reports whether an interval may be one of a service.
func possible(start, end, limit time.Time) bool {
	length := end.Sub(start)
	return length > 0 && length <= longest && !start.After(limit) && !start.Before(earliest)
}

func (s *source) reject(ctx context.Context, reason provider.Reason) {
	s.telemetry.GridintensityRejected.Add(ctx, 1, metric.WithAttributes(s.attribute, attribute.String("reason", string(reason))))
}

// note counts a failure, and logs when the reason changes.
func (s *source) note(ctx context.Context, q question, err error) {
	if ctx.Err() != nil {
		return
	}
	var reason provider.Reason
	var e *provider.Error
	if err != nil {
		reason = provider.Unavailable
	}
	if errors.As(err, &e) {
		reason = e.Reason
	}
	if reason != "" {
		s.reject(ctx, reason)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e != nil && e.RetryAfter > 0 {
		s.notBefore = time.Now().Add(min(e.RetryAfter, time.Hour))
	}
	if s.troubles[q] == reason {
		return
	}
	s.troubles[q] = reason
	if reason == "" {
		s.logger.Info("a provider of grid intensity answers again", q.about, zap.String("asked.for", q.what))
		return
	}
	s.logger.Warn("a provider of grid intensity has no answer that can be used", q.about, zap.String("asked.for", q.what), zap.Error(err))
}
