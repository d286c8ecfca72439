// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// scripted is a provider of values, hourly unless it has another step: 100 g/kWh now, 50 in the past, 70 to come.
type scripted struct {
	name       string
	provenance grid.Provenance
	step       time.Duration
	takes      time.Duration
	past       float64
	foretells  bool
	unknown    string // a zone that it does not know when asked
	unmapped   string // a zone that it does not cover

	mu    sync.Mutex
	err   error
	spoil func(*grid.Value)
	// historyErr is of the history only.
	historyErr error
	played
}

type played struct {
	requests  int
	running   int
	most      int // requests at a time
	histories int
	asks      time.Duration // for how much history was asked
}

// script adds a provider to those that the next run has, in order, until the end of the test.
func script(t *testing.T, name string) *scripted {
	t.Helper()
	s := &scripted{name: name, step: time.Hour, past: 50, provenance: grid.Provenance{Boundary: grid.Lifecycle, Gas: grid.CO2e}}
	provider.Types[name] = provider.Type{
		Endpoint: "http://127.0.0.1:1", Provenance: s.provenance, Step: time.Hour, Zones: "any",
		Zone: func(zone string) (string, bool) { return strings.ToUpper(zone), zone != s.unmapped },
		New:  func(provider.Settings) (provider.Provider, error) { return s, nil },
	}
	scripts = append(scripts, s)
	t.Cleanup(func() {
		delete(provider.Types, name)
		scripts = nil
	})
	return s
}

var scripts []*scripted

// set changes a script while it plays.
func (s *scripted) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *scripted) fail(err error) { s.set(func() { s.err = err }) }

// seen is what has happened so far.
func (s *scripted) seen() played {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.played
}

func (s *scripted) asked() int { return s.seen().requests }

func (s *scripted) interval(zone string, start time.Time, grams float64, quality grid.Quality) grid.Value {
	p := s.provenance
	p.Zone, p.Source = zone, s.name
	v := grid.Value{Start: start, End: start.Add(s.step), Intensity: grid.Intensity{GramsPerKWh: grams, Quality: quality, Provenance: p}}
	if s.spoil != nil {
		s.spoil(&v)
	}
	return v
}

func (s *scripted) Latest(_ context.Context, zone string) ([]grid.Value, error) {
	s.mu.Lock()
	s.requests++
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if zone == s.unknown {
		return nil, &provider.Error{Reason: provider.NotFound}
	}
	return []grid.Value{s.interval(zone, time.Now().Truncate(s.step), 100, grid.Measured)}, s.err
}

func (s *scripted) History(_ context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.histories++
	s.asks = to.Sub(from)
	var values []grid.Value
	for start := from.Truncate(s.step); start.Add(s.step).Before(to); start = start.Add(s.step) {
		values = append(values, s.interval(zone, start, s.past, grid.Measured))
	}
	return values, cmp.Or(s.historyErr, s.err)
}

func (s *scripted) Forecast(_ context.Context, zone string) ([]grid.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.foretells {
		return nil, provider.ErrNotOffered
	}
	var values []grid.Value
	for i := range 24 {
		values = append(values, s.interval(zone, time.Now().Truncate(time.Hour).Add(time.Duration(i)*time.Hour), 70, grid.Forecast))
	}
	return values, s.err
}

// harness is an extension with the scripted providers.
type harness struct {
	*gridIntensity

	t         *testing.T
	telemetry *componenttest.Telemetry
	logs      *observer.ObservedLogs
}

func newHarness(t *testing.T, change func(*Config)) *harness {
	t.Helper()
	h := &harness{t: t, telemetry: componenttest.NewTelemetry()}
	cfg := createDefaultConfig().(*Config)
	for _, s := range scripts {
		kind := provider.Types[s.name]
		kind.Provenance = s.provenance
		provider.Types[s.name] = kind
		cfg.Providers = append(cfg.Providers, ProviderConfig{Type: s.name, Name: s.name, Boundary: s.provenance.Boundary})
	}
	if change != nil {
		change(cfg)
	}
	set := extensiontest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = h.telemetry.NewTelemetrySettings()
	core, logs := observer.New(zap.InfoLevel)
	set.Logger, h.logs = zap.New(core), logs
	var err error
	h.gridIntensity, err = newGridIntensity(cfg, set)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.telemetry.Shutdown(context.Background())) })
	return h
}

func run(t *testing.T, host component.Host, change func(*Config)) *harness {
	t.Helper()
	h := newHarness(t, change)
	require.NoError(t, h.Start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, h.Shutdown(context.Background())) })
	return h
}

func (h *harness) feed(zone string) *grid.Feed {
	h.t.Helper()
	feed, err := h.Feed(zone, grid.Average)
	require.NoError(h.t, err)
	return feed
}

// rejected is the extension's own count, by reason.
func (h *harness) rejected() map[provider.Reason]int64 {
	h.t.Helper()
	counts := map[provider.Reason]int64{}
	got, err := h.telemetry.GetMetric("otelcol_gridintensity.rejected")
	if err != nil {
		return counts
	}
	for _, dp := range got.Data.(metricdata.Sum[int64]).DataPoints {
		reason, _ := dp.Attributes.Value("reason")
		counts[provider.Reason(reason.AsString())] += dp.Value
	}
	return counts
}

func (h *harness) healthy() map[string]int64 {
	h.t.Helper()
	states := map[string]int64{}
	got, err := h.telemetry.GetMetric("otelcol_gridintensity.provider.healthy")
	require.NoError(h.t, err)
	for _, dp := range got.Data.(metricdata.Gauge[int64]).DataPoints {
		source, _ := dp.Attributes.Value("carbon.source")
		states[source.AsString()] = dp.Value
	}
	return states
}

func trim(r provider.Reason) provider.Reason { return provider.Reason(strings.TrimSpace(string(r))) }

type holds struct {
	source  string
	quality grid.Quality
	grams   float64
}

func now(f *grid.Feed) holds { return at(f, time.Now()) }

func at(f *grid.Feed, moment time.Time) holds {
	i, _ := f.Timeline().At(moment.UnixNano())
	if i == nil {
		return holds{}
	}
	return holds{i.Source, i.Quality, i.GramsPerKWh}
}
