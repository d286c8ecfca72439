// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadatatest"
)

var byAttribute = map[string]any{"zone_from": []any{map[string]any{"attribute": "zone"}}}

// in has a resource say where it is.
func in(zone string, md pmetric.Metrics) pmetric.Metrics {
	md.ResourceMetrics().At(0).Resource().Attributes().PutStr("zone", zone)
	return md
}

// What is not known of the marginal signal takes nothing from what is known of the average.
func TestZoneWithoutAMarginalSignal(t *testing.T) {
	hour := time.Now().Add(time.Hour).Truncate(time.Hour)
	of := func(zone string, grams float64) *grid.Feed {
		return known(said(zone, "a", grid.Measured, hour, hour.Add(time.Hour), grams))
	}
	g := fakeGrid{"DE": of("DE", 100), "DEmarginal": of("DE", 700), "FR": of("FR", 20)}
	for name, temporality := range map[string]pmetric.AggregationTemporality{"delta": delta, "cumulative": cumulative} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			telemetry := componenttest.NewTelemetry()
			t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
			set := nopSettings()
			set.TelemetrySettings = telemetry.NewTelemetrySettings()
			set.Logger = zap.New(core)
			r := newRunOn(t, g, set, with(with(live, byAttribute), map[string]any{"marginal": true}))
			for zone, want := range map[string]struct{ average, marginal map[[3]string]float64 }{
				"FR": {map[[3]string]float64{{"FR", "a", "measured"}: 20}, map[[3]string]float64{}},
				"DE": {map[[3]string]float64{{"DE", "a", "measured"}: 100}, map[[3]string]float64{{"DE", "a", "measured"}: 700}},
			} {
				md := r.send(in(zone, energy("hw.energy", temporality, point{"GPU-1", hour, hour.Add(time.Minute), 3.6e6})))
				assert.Equal(t, want.average, grams(md, "hw.emissions"))
				assert.Equal(t, want.marginal, grams(md, "hw.emissions.marginal"))
			}
			r.send(in("FR", energy("hw.energy", temporality, point{"GPU-1", hour, hour.Add(time.Minute), 0})))
			assert.Equal(t, map[string]float64{"no_marginal": 3.6e6}, unconverted(t, telemetry))
			assert.Equal(t, 1, logs.FilterMessageSnippet("no marginal intensity").FilterField(zap.String("zone", "FR")).Len(), "said once")
		})
	}
}

func TestPointsOfTheDefaultZoneAreCounted(t *testing.T) {
	at := time.Now().Add(time.Hour)
	core, logs := observer.New(zap.WarnLevel)
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := nopSettings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)
	r := newRun(t, set, with(map[string]any{"zone": "DE"}, byAttribute))
	send := func(zone string) map[[3]string]float64 {
		return grams(r.send(in(zone, energy("hw.energy", delta, point{"GPU-1", at, at, 3.6e6}, point{"GPU-2", at, at, 3.6e6}))), "hw.emissions")
	}
	for i := range maxZones + 9 { // the default zone is one of them
		send("mars-" + strconv.Itoa(i))
	}
	require.Contains(t, send("FR"), [3]string{"DE", "static", "static"}, "there is no room")
	send("mars-0")
	metadatatest.AssertEqualCarbonintensityPointsMisplaced(t, telemetry, []metricdata.DataPoint[int64]{
		{Value: 2 * maxZones, Attributes: attribute.NewSet(attribute.String("reason", "zone"))},
		{Value: 2 * 11, Attributes: attribute.NewSet(attribute.String("reason", "zone_limit"))},
	}, metricdatatest.IgnoreTimestamp())
	assert.Equal(t, 1, logs.FilterMessageSnippet("zones").Len(), "said once")
}
