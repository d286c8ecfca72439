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
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
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
