// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Where gateways share the streams of foreign sources, one that moves to another, and back, begins anew: no value falls
// under one start, nothing is told twice, and a move costs one interval, which is counted.
func TestAStreamMovesBetweenGateways(t *testing.T) {
	const (
		interval = 10 * time.Second
		watts    = 1000
	)
	scraped := func(begin, at time.Time) pmetric.Metrics {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.instance.id", "node-1:9400")
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION")
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(cumulative)
		dp := sum.DataPoints().AppendEmpty()
		dp.Attributes().PutStr("UUID", "GPU-1")
		dp.Attributes().PutStr("gpu", "0")
		dp.Attributes().PutStr("Hostname", "node-1")
		dp.SetStartTimestamp(0)
		dp.SetTimestamp(timestamp(at))
		dp.SetDoubleValue(1000 * watts * at.Sub(begin).Seconds()) // mJ
		return md
	}
	synctest.Test(t, func(t *testing.T) {
		telemetry := componenttest.NewTelemetry()
		settings := map[string]any{
			"zone": "DE", "intensity": 360.0, "max_gap": "15s", "foreign": map[string]any{"presets": []any{"dcgm"}},
		}
		var gateways [2]*run
		for i := range gateways {
			set := nopSettings()
			set.TelemetrySettings = telemetry.NewTelemetrySettings()
			gateways[i] = newRun(t, set, settings)
		}
		begin := time.Now()
		type stream struct{ start time.Time }
		last := map[stream]float64{}
		moves := 0
		var lastGateway *run
		for i := range 60 {
			time.Sleep(interval)
			gateway := gateways[i/12%2] // two minutes each
			if gateway != lastGateway {
				lastGateway = gateway
				moves++
			}
			out := gateway.send(scraped(begin, time.Now()))
			for _, p := range pointsNamed(t, out, "hw.emissions") {
				key := stream{p.start}
				assert.GreaterOrEqual(t, p.value, last[key], "under one start")
				last[key] = p.value
			}
		}
		total := 0.0
		for _, grams := range last {
			total += grams
		}
		require.Equal(t, 5, moves)
		used := watts * (60 - 5) * interval.Seconds() // the first reading is a base as well
		assert.InEpsilon(t, used/joulesPerKWh*360, total, 1e-9)

		lost, err := telemetry.GetMetric("otelcol_carbonintensity.energy.unconverted")
		require.NoError(t, err)
		sum := lost.Data.(metricdata.Sum[float64])
		require.Len(t, sum.DataPoints, 1)
		// What a gateway missed while the other had the stream, of which but an interval was nobody's.
		assert.InEpsilon(t, 3*13*watts*interval.Seconds(), sum.DataPoints[0].Value, 1e-9)
		why, _ := sum.DataPoints[0].Attributes.Value("reason")
		assert.Equal(t, "gap", why.AsString())
		require.NoError(t, telemetry.Shutdown(context.Background()))
	})
}

// Where the start of a stream is known, and the grid varies, a gateway that meets it late does not tell again what others
// told: neither as much, under another start, nor spread otherwise, under the same.
func TestAStreamOfKnownStartMovesBetweenGateways(t *testing.T) {
	const (
		interval = 10 * time.Second
		watts    = 1000
		stay     = 12 // intervals
	)
	synctest.Test(t, func(t *testing.T) {
		telemetry := componenttest.NewTelemetry()
		joins := time.Now().Add(time.Minute)
		moves := []int{0, 1, 0, 1, 2, 0}
		var values []grid.Value
		for i := range len(moves) * stay {
			from := joins.Add(time.Duration(i) * interval)
			values = append(values, said("DE", "a", grid.Measured, from, from.Add(interval), float64(900-800*(i/5%2))))
		}
		var gateways [3]*run
		for i := range gateways {
			set := nopSettings()
			set.TelemetrySettings = telemetry.NewTelemetrySettings()
			gateways[i] = newRunOn(t, fakeGrid{"DE": known(values...)}, set, with(live, map[string]any{"max_gap": "15s"}))
		}
		time.Sleep(time.Until(joins))
		last := map[time.Time]float64{}
		want, unconverted := 0.0, 0.0
		read := map[int]int{} // by gateway: the interval that it saw the end of last
		for i := range len(moves) * stay {
			time.Sleep(interval)
			gateway := moves[i/stay]
			for _, p := range pointsNamed(t, gateways[gateway].send(joulesAt("GPU-1", joins, time.Now(), watts*time.Since(joins).Seconds())), "hw.emissions") {
				require.GreaterOrEqual(t, p.value, last[p.start], "under one start, at %v", time.Since(joins))
				last[p.start] = p.value
			}
			if missed := i - read[gateway]; missed == 0 || i%stay != 0 {
				want += watts * interval.Seconds() / joulesPerKWh * values[i].GramsPerKWh
			} else {
				unconverted += watts * interval.Seconds() * float64(missed+1)
			}
			read[gateway] = i + 1
		}
		total := 0.0
		for _, grams := range last {
			total += grams
		}
		assert.InEpsilon(t, want, total, 1e-9, "a move costs an interval")
		assert.Len(t, last, len(moves), "each begins anew")
		lost, err := telemetry.GetMetric("otelcol_carbonintensity.energy.unconverted")
		require.NoError(t, err)
		points := lost.Data.(metricdata.Sum[float64]).DataPoints
		require.Len(t, points, 1)
		assert.InEpsilon(t, unconverted, points[0].Value, 1e-9)
		assert.Equal(t, attribute.NewSet(attribute.String("reason", "gap")), points[0].Attributes)
		require.NoError(t, telemetry.Shutdown(context.Background()))
	})
}

// A stream that returns after it was forgotten is not told again either.
func TestAForgottenStreamReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		telemetry := componenttest.NewTelemetry()
		set := nopSettings()
		set.TelemetrySettings = telemetry.NewTelemetrySettings()
		begin := time.Now()
		r := newRunOn(t, fakeGrid{"DE": known(
			said("DE", "a", grid.Measured, begin, begin.Add(time.Hour), 900), said("DE", "a", grid.Measured, begin.Add(time.Hour), begin.Add(9*time.Hour), 100),
		)}, set, live)
		time.Sleep(time.Minute)
		start := time.Now()
		send := func(kWh float64) point {
			points := pointsNamed(t, r.send(joulesAt("GPU-1", start, time.Now(), kWh*joulesPerKWh)), "hw.emissions")
			return points[len(points)-1]
		}
		time.Sleep(10 * time.Minute)
		before := send(1)
		assert.Equal(t, start.UTC(), before.start)
		assert.InEpsilon(t, 900, before.value, 1e-9)
		time.Sleep(2 * time.Hour)
		now := time.Now()
		after := send(1.5)
		assert.Equal(t, now.UTC(), after.start)
		assert.Zero(t, after.value)
		time.Sleep(10 * time.Minute)
		assert.InEpsilon(t, 25, send(1.75).value, 1e-9)
		assert.InEpsilon(t, 1.5*joulesPerKWh, unconverted(t, telemetry)["gap"], 1e-9)
		require.NoError(t, telemetry.Shutdown(context.Background()))
	})
}
