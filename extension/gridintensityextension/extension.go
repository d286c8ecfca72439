// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/cache"
	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store"
)

// common is what all zones share.
type common struct {
	config    *Config
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	cache     *cache.Cache
}

// gridIntensity makes no request before somebody asks for a zone.
type gridIntensity struct {
	*common

	settings extension.Settings
	sources  []*source
	running  sync.WaitGroup
	ctx      context.Context //nolint:containedctx // of the goroutines of zones, which begin later
	stop     context.CancelFunc

	mu    sync.Mutex
	zones map[string]*zone
	areas map[string]*area
}

var (
	_ grid.Source      = (*gridIntensity)(nil)
	_ grid.PriceSource = (*gridIntensity)(nil)
)

func newGridIntensity(config *Config, set extension.Settings) (*gridIntensity, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	e := &gridIntensity{
		common:   &common{config: config, logger: set.Logger, telemetry: telemetry},
		settings: set, zones: map[string]*zone{}, areas: map[string]*area{},
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	for i := range config.Providers {
		e.sources = append(e.sources, newSource(&config.Providers[i], set.Logger, telemetry))
	}
	return e, errors.Join(
		telemetry.RegisterGridintensityZonesCallback(func(_ context.Context, o metric.Int64Observer) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			o.Observe(int64(len(e.zones)))
			return nil
		}),
		telemetry.RegisterGridintensityProviderHealthyCallback(func(_ context.Context, o metric.Int64Observer) error {
			for _, s := range e.sources {
				o.Observe(s.healthy(), metric.WithAttributes(s.attribute))
			}
			return nil
		}),
	)
}

func (e *gridIntensity) Start(ctx context.Context, host component.Host) error {
	for i, s := range e.sources {
		if err := s.connect(ctx, host, e.settings.TelemetrySettings); err != nil {
			return fmt.Errorf("providers::%d: %w", i, err)
		}
	}
	client, err := store.Open(ctx, host, e.config.Storage, component.KindExtension, e.settings.ID)
	if err != nil {
		return err
	}
	e.cache, err = cache.New(ctx, e.config.Redis, client, e.logger, func(layer cache.Layer, reason cache.Reason) {
		e.telemetry.GridintensityCacheFailures.Add(context.Background(), 1, metric.WithAttributes(
			attribute.String("cache.layer", string(layer)), attribute.String("reason", string(reason))))
	})
	return err
}

// Dependencies are the extensions that have to be started before.
func (e *gridIntensity) Dependencies() (ids []component.ID) {
	if e.config.Storage != nil {
		ids = append(ids, *e.config.Storage)
	}
	for i := range e.config.Providers {
		if auth := e.config.Providers[i].ClientConfig.Auth; auth.HasValue() {
			ids = append(ids, auth.Get().AuthenticatorID)
		}
	}
	return ids
}

func (e *gridIntensity) Shutdown(ctx context.Context) error {
	e.stop()
	e.running.Wait()
	e.telemetry.Shutdown()
	if e.cache == nil {
		return nil
	}
	c := e.cache
	e.cache = nil
	return c.Close(ctx)
}

// Feed begins to ask for a zone that was not asked for before.
func (e *gridIntensity) Feed(name string, signal grid.Signal) (*grid.Feed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := strings.ToUpper(name) + "|" + string(signal)
	if z, ok := e.zones[key]; ok {
		return z.feed, nil
	}
	if len(e.zones) >= e.config.MaxZones {
		return nil, fmt.Errorf("zone %q: there are max_zones: %d already", name, e.config.MaxZones)
	}
	z, err := e.newZone(name, signal)
	if err != nil {
		return nil, err
	}
	for _, other := range e.zones {
		if other.same(z) {
			e.zones[key] = other // by another name
			return other.feed, nil
		}
	}
	e.zones[key] = z
	if len(z.links) > 0 {
		e.running.Go(func() { z.run(e.ctx) })
	}
	return z.feed, nil
}

// newZone links the providers that know the zone.
func (e *gridIntensity) newZone(name string, signal grid.Signal) (*zone, error) {
	z := &zone{common: e.common, since: notYet}
	var chain []grid.Provenance
	var covered, withLosses []string
	var noFallback error
	for _, s := range e.sources {
		if s.provenance.Signal != signal {
			continue
		}
		covered = append(covered, s.config.Name+" ("+s.kind.Zones+")")
		if s.static() {
			fallback, err := e.yearly(s, name)
			switch {
			case err != nil:
				noFallback = err
			case z.fallback == nil:
				z.fallback = &fallback
				chain = append(chain, fallback.Provenance)
			}
			continue
		}
		if id, ok := s.zone(name); ok {
			z.links = append(z.links, newLink(s, id))
			chain = append(chain, s.provenance)
			if s.kind.Losses {
				withLosses = append(withLosses, s.config.Name)
			}
		}
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("zone %q: no provider covers it; there are %s; name it under zones of a provider, or add one", name, strings.Join(covered, ", "))
	}
	if err := e.mixes(name, chain); err != nil {
		return nil, err
	}
	if z.fallback == nil && noFallback != nil {
		e.logger.Warn("no yearly average stands in for what the providers do not know of a zone: name one under zones of static",
			zap.String("grid.zone", name), zap.Error(noFallback))
	}
	if len(z.links) == 0 {
		z.since = always
	}
	z.feed = grid.NewFeed(chain[0], grid.NewTimeline(nil, e.config.MaxCarry, z.fallback, z.since))
	z.feed.WithLosses, z.feed.History = withLosses, e.config.History
	return z, nil
}

// yearly is a table's average of a zone, else of the country that it is a part of, as the other providers know.
func (e *gridIntensity) yearly(s *source, name string) (grid.Intensity, error) {
	id, _ := s.zone(name)
	zones := []string{id}
	for _, other := range e.sources {
		if part, ok := other.zone(name); ok && other.kind.Country != nil {
			if country := other.kind.Country(part); country != "" && !slices.Contains(zones, country) {
				zones = append(zones, country)
			}
		}
	}
	var errs []error
	for _, zone := range zones {
		average, err := grid.Static(zone, s.config.Boundary)
		if err == nil {
			average.Source = s.config.Name
			return average, nil
		}
		errs = append(errs, err)
	}
	return grid.Intensity{}, errors.Join(errs...)
}

// mixes refuses a chain whose numbers are not of the same kind.
func (e *gridIntensity) mixes(zone string, chain []grid.Provenance) error {
	first := chain[0]
	for _, p := range chain[1:] {
		for _, d := range []struct{ what, a, b string }{
			{mixBoundary, string(first.Boundary), string(p.Boundary)},
			{mixGas, string(first.Gas), string(p.Gas)},
		} {
			if d.a != d.b && !slices.Contains(e.config.AllowMixing, d.what) {
				return fmt.Errorf("zone %q: %s counts %s and %s counts %s: their numbers must not be mixed; choose others, or set allow_mixing: [%s]",
					zone, first.Source, d.a, p.Source, d.b, d.what)
			}
		}
	}
	return nil
}

// connect makes the client of a provider.
func (s *source) connect(ctx context.Context, host component.Host, set component.TelemetrySettings) (err error) {
	settings := provider.Settings{
		Name: s.config.Name, Provenance: s.provenance, Endpoint: strings.TrimRight(s.config.ClientConfig.Endpoint, "/"),
		Token: s.config.Token, Username: s.config.Username, Password: s.config.Password, Options: s.config.Options,
	}
	if s.kind.Endpoint != "" {
		if settings.Client, err = s.config.ClientConfig.ToClient(ctx, host.GetExtensions(), set); err != nil {
			return err
		}
		settings.Client.Transport = counted{settings.Client.Transport, func(ctx context.Context) {
			s.telemetry.GridintensityRequests.Add(ctx, 1, metric.WithAttributes(s.attribute))
		}}
	}
	if s.provider, err = s.kind.New(settings); err != nil {
		return err
	}
	if p, ok := s.provider.(interface{ Of() grid.Provenance }); ok {
		s.provenance = p.Of()
	}
	return nil
}

// counted counts the requests that are really sent.
type counted struct {
	http.RoundTripper

	count func(context.Context)
}

func (c counted) RoundTrip(request *http.Request) (*http.Response, error) {
	c.count(request.Context())
	return c.RoundTripper.RoundTrip(request)
}

// static reports whether it is a table, which is not asked but falls back on.
func (s *source) static() bool { return s.kind.Step == 0 }

// isLocal reports whether it is on this machine: what it says is of no use to other collectors, and asking it costs
// nothing.
func (s *source) isLocal() bool { return s.kind.Endpoint == "" }

func (s *source) healthy() int64 {
	if s.breaker.State() == gobreaker.StateOpen || time.Now().Before(s.restUntil()) {
		return 0
	}
	return 1
}
