// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

func mustIntensity(tb testing.TB, cfg *Config) grid.Intensity {
	tb.Helper()
	i, err := cfg.intensity(cfg.Zone)
	require.NoError(tb, err)
	return i
}

// run is a running processor and what it sent on.
type run struct {
	tb   testing.TB
	p    processor.Metrics
	sink consumertest.MetricsSink
}

func newRun(tb testing.TB, set processor.Settings, settings map[string]any) *run {
	tb.Helper()
	return newRunOn(tb, componenttest.NewNopHost(), set, settings)
}

func newRunOn(tb testing.TB, host component.Host, set processor.Settings, settings map[string]any) *run {
	tb.Helper()
	r := &run{tb: tb}
	cfg := createDefaultConfig()
	require.NoError(tb, confmap.NewFromStringMap(settings).Unmarshal(cfg))
	require.NoError(tb, confmap.Validate(cfg))
	p, err := NewFactory().CreateMetrics(context.Background(), set, cfg, &r.sink)
	require.NoError(tb, err)
	r.p = p
	require.NoError(tb, p.Start(context.Background(), host))
	tb.Cleanup(func() { require.NoError(tb, p.Shutdown(context.Background())) })
	return r
}

func nopSettings() processor.Settings { return processortest.NewNopSettings(metadata.Type) }

// send passes metrics through and returns what came out.
func (r *run) send(md pmetric.Metrics) pmetric.Metrics {
	r.sink.Reset()
	require.NoError(r.tb, r.p.ConsumeMetrics(context.Background(), md))
	all := r.sink.AllMetrics()
	require.Len(r.tb, all, 1)
	return all[0]
}

// point is a point of a sum, for tests to write down.
type point struct {
	device      string
	start, time time.Time
	value       float64
}

func energy(name string, temporality pmetric.AggregationTemporality, points ...point) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("host.id", "h1")
	scope := rm.ScopeMetrics().AppendEmpty()
	scope.Scope().SetName("a receiver")
	m := scope.Metrics().AppendEmpty()
	m.SetName(name)
	m.SetUnit("J")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(temporality)
	for _, p := range points {
		dp := sum.DataPoints().AppendEmpty()
		dp.Attributes().PutStr("hw.id", p.device)
		dp.Attributes().PutStr("hw.type", "gpu")
		if !p.start.IsZero() {
			dp.SetStartTimestamp(pcommon.NewTimestampFromTime(p.start))
		}
		dp.SetTimestamp(pcommon.NewTimestampFromTime(p.time))
		dp.SetDoubleValue(p.value)
	}
	return md
}

// metricsNamed returns all metrics of a name.
func metricsNamed(md pmetric.Metrics, name string) []pmetric.Metric {
	var found []pmetric.Metric
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Name() == name {
					found = append(found, m)
				}
			}
		}
	}
	return found
}

// pointsNamed returns the points of the one metric of a name, in their order.
func pointsNamed(tb testing.TB, md pmetric.Metrics, name string) []point {
	tb.Helper()
	found := metricsNamed(md, name)
	require.LessOrEqual(tb, len(found), 1)
	var points []point
	for _, m := range found {
		for _, dp := range m.Sum().DataPoints().All() {
			device, _ := dp.Attributes().Get("hw.id")
			points = append(points, point{device.Str(), dp.StartTimestamp().AsTime(), dp.Timestamp().AsTime(), dp.DoubleValue()})
		}
	}
	return points
}

func validated(settings map[string]any) error {
	cfg := createDefaultConfig()
	if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
		return err
	}
	return confmap.Validate(cfg)
}

func timestamp(t time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(t) }
