// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadatatest"
)

// fakeGrid is a gridintensity extension whose feeds a test publishes.
type fakeGrid struct {
	component.StartFunc
	component.ShutdownFunc

	feeds map[string]*grid.Feed
}

func newFakeGrid() *fakeGrid {
	return &fakeGrid{feeds: map[string]*grid.Feed{"DE": grid.NewFeed(lifecycle, grid.Always(year))}}
}

func (g *fakeGrid) Feed(zone string, signal grid.Signal) (*grid.Feed, error) {
	if f, ok := g.feeds[zone+string(signal)]; ok {
		return f, nil
	}
	return nil, errors.New("no provider covers it")
}

func (g *fakeGrid) host() component.Host {
	return host{component.MustNewID("gridintensity"): g, component.MustNewID("pprof"): struct {
		component.StartFunc
		component.ShutdownFunc
	}{}}
}

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

var (
	lifecycle = grid.Provenance{Zone: "DE", Source: "a", Boundary: grid.Lifecycle, Basis: grid.Consumption, Gas: grid.CO2e}
	year      = grid.Fixed(400, "DE", grid.Lifecycle)
	noon      = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a synctest bubble begins
)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func said(quality grid.Quality, from, to int, grams float64) grid.Value {
	return grid.Value{Start: at(from), End: at(to), Intensity: grid.Intensity{GramsPerKWh: grams, Quality: quality, Provenance: lifecycle}}
}

func timeline(fallback *grid.Intensity, values ...grid.Value) *grid.Timeline {
	return grid.NewTimeline(values, 2, fallback, at(-1e6))
}

func feed(values ...grid.Value) *grid.Feed { return grid.NewFeed(lifecycle, timeline(nil, values...)) }

// rig is a receiver at work, at the beginning of the bubble's time.
type rig struct {
	receiver.Metrics

	sink      *consumertest.MetricsSink
	telemetry *componenttest.Telemetry
	logs      *observer.ObservedLogs
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Source = component.MustNewID("gridintensity")
	cfg.Zones = []string{"DE"}
	cfg.Controller.InitialDelay = 0
	if change != nil {
		change(cfg)
	}
	require.NoError(t, cfg.Validate())
	r := &rig{sink: &consumertest.MetricsSink{}, telemetry: componenttest.NewTelemetry()}
	t.Cleanup(func() { require.NoError(t, r.telemetry.Shutdown(context.Background())) })
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = r.telemetry.NewTelemetrySettings()
	core, logs := observer.New(zap.InfoLevel)
	set.Logger, r.logs = zap.New(core), logs
	var err error
	r.Metrics, err = NewFactory().CreateMetrics(t.Context(), set, cfg, r.sink)
	require.NoError(t, err)
	return r
}

// begin starts a receiver in a bubble of time, and returns after its first collection.
func begin(t *testing.T, g *fakeGrid, change func(*Config)) *rig {
	t.Helper()
	r := newRig(t, change)
	require.NoError(t, r.Start(t.Context(), g.host()))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	synctest.Wait()
	return r
}

// wait for some collections.
func (r *rig) wait(minutes int) {
	time.Sleep(time.Duration(minutes) * time.Minute)
	synctest.Wait()
}

// last are the metrics of the last collection.
func (r *rig) last(t *testing.T) map[string]pmetric.Metric {
	t.Helper()
	metrics := map[string]pmetric.Metric{}
	all := r.sink.AllMetrics()
	require.NotEmpty(t, all)
	for _, rm := range all[len(all)-1].ResourceMetrics().All() {
		require.Zero(t, rm.Resource().Attributes().Len(), "the grid is of no host")
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				require.NotContains(t, metrics, m.Name())
				metrics[m.Name()] = m
			}
		}
	}
	return metrics
}

// by are the values of a metric in the last collection, by one of their attributes.
func (r *rig) by(t *testing.T, metric, attribute string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	if m, ok := r.last(t)[metric]; ok {
		for _, dp := range m.Gauge().DataPoints().All() {
			key, ok := dp.Attributes().Get(attribute)
			require.True(t, ok, "%s without %s", metric, attribute)
			require.NotContains(t, values, key.Str())
			values[key.Str()] = dp.DoubleValue()
		}
	}
	return values
}

// only is the one point of a metric in the last collection.
func (r *rig) only(t *testing.T, metric string) pmetric.NumberDataPoint {
	t.Helper()
	m, ok := r.last(t)[metric]
	require.True(t, ok, "%s is not there", metric)
	require.Equal(t, 1, m.Gauge().DataPoints().Len())
	return m.Gauge().DataPoints().At(0)
}

// assertSkipped compares the points of all zones that were left out, by zone and reason.
func (r *rig) assertSkipped(t *testing.T, want map[[2]string]int64) {
	t.Helper()
	if len(want) == 0 {
		_, err := r.telemetry.GetMetric("otelcol_gridintensity.points.skipped")
		require.Error(t, err)
		return
	}
	dps := make([]metricdata.DataPoint[int64], 0, len(want))
	for key, n := range want {
		dps = append(dps, metricdata.DataPoint[int64]{Value: n, Attributes: attribute.NewSet(attribute.String("zone", key[0]), attribute.String("reason", key[1]))})
	}
	metadatatest.AssertEqualGridintensityPointsSkipped(t, r.telemetry, dps, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

func (r *rig) assertHistoryKnown(t *testing.T, window string, want float64) {
	t.Helper()
	got, err := r.telemetry.GetMetric("otelcol_gridintensity.history.known")
	require.NoError(t, err)
	dps := got.Data.(metricdata.Gauge[float64]).DataPoints
	require.Len(t, dps, 1)
	require.Equal(t, attribute.NewSet(attribute.String("zone", "DE"), attribute.String("window", window)), dps[0].Attributes)
	require.InDelta(t, want, dps[0].Value, 1e-12)
}

func zapMetric(name string) zap.Field { return zap.String("metric", name) }
