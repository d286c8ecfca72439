// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"math"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadatatest"
)

// a kilogram in a thousand hours is a gram an hour.
var making1 = map[string]any{"intensity": 1, "embodied": map[string]any{
	"devices": []any{map[string]any{"match": "Test*", "kg": 1, "lifetime": "1000h"}},
}}

func namedEnergy(name string, points ...point) pmetric.Metrics {
	md := energy("hw.energy", cumulative, points...)
	for _, dp := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
		dp.Attributes().PutStr("hw.name", name)
	}
	return md
}

func TestEmbodiedEmissionsAccrueWithTime(t *testing.T) {
	begin := time.Now()
	for _, name := range []string{"Test GPU", "another"} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			set := nopSettings()
			set.Logger = zap.New(core)
			r := newRun(t, set, making1)
			var got []point
			for hour := range 4 {
				at := begin.Add(time.Duration(hour) * time.Hour)
				got = pointsNamed(t, r.send(namedEnergy(name, point{"GPU-1", begin, at, 0}, point{"GPU-1", begin, at, 0})), embodiedName)
			}
			if name == "another" {
				assert.Empty(t, got)
				assert.Equal(t, 1, logs.FilterMessageSnippet("no embodied emissions").Len())
				return
			}
			require.Len(t, got, 1, "once for each device")
			assert.InEpsilon(t, 3.0, got[0].value, 1e-9)
			assert.True(t, got[0].start.Equal(begin))
		})
	}
}

// A device is made once, under whatever resource it is told.
func TestEmbodiedEmissionsAreToldOnce(t *testing.T) {
	r := newRun(t, nopSettings(), making1)
	at := time.Now()
	both := namedEnergy("Test GPU", point{"GPU-1", at, at, 0})
	namedEnergy("Test GPU", point{"GPU-1", at, at, 0}).ResourceMetrics().MoveAndAppendTo(both.ResourceMetrics())
	both.ResourceMetrics().At(1).Resource().Attributes().PutStr("service.name", "another source")
	assert.Len(t, metricsNamed(r.send(both), embodiedName), 1)
}

func TestEmbodiedEmissionsGoOnAfterARestart(t *testing.T) {
	m := &storetest.Memory{}
	begin := time.Now()
	settings := with(making1, map[string]any{"storage": "file_storage"})
	send := func(r *run, hours int) float64 {
		got := pointsNamed(t, r.send(namedEnergy("Test GPU", point{"GPU-1", begin, begin.Add(time.Duration(hours) * time.Hour), 0})), embodiedName)
		require.Len(t, got, 1)
		return got[0].value
	}
	first := newRunOn(t, storetest.Host(m), nopSettings(), settings)
	send(first, 0)
	send(first, 2)
	require.NoError(t, first.p.Shutdown(context.Background()))
	assert.InEpsilon(t, 5.0, send(newRunOn(t, storetest.Host(m), nopSettings(), settings), 5), 1e-9)
}

func TestEnergyWithoutAttributes(t *testing.T) {
	r := newRun(t, nopSettings(), with(making1, map[string]any{"uncertainty": map[string]any{}}))
	at := time.Now()
	for range 2 {
		md := energy("hw.energy", delta, point{"", at, at.Add(time.Second), 1})
		md.ResourceMetrics().At(0).Resource().Attributes().Clear()
		md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).Attributes().Clear()
		assert.Len(t, pointsNamed(t, r.send(md), "hw.emissions"), 1)
	}
}

// golden.json, uncertainty: a year's factor for an hour, and a counter.
func TestUncertaintyIsTold(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"zone": "DE", "pue": 1.2, "uncertainty": map[string]any{"windows": []any{"1h", "24h"}}})
	at := time.Now()
	send := func(seconds int) pmetric.Metrics {
		md := energy("hw.energy", cumulative, point{"GPU-1", at.Add(-time.Hour), at.Add(time.Duration(seconds) * time.Second), float64(1000 * seconds)})
		md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).Attributes().PutStr("energy.method", "counter")
		return r.send(md)
	}
	assert.Empty(t, metricsNamed(send(0), "hw.emissions.uncertainty"), "of nothing")
	found := metricsNamed(send(1), "hw.emissions.uncertainty")
	require.Len(t, found, 1)
	assert.Equal(t, "1", found[0].Unit())
	windows := map[string]float64{}
	for _, dp := range found[0].Gauge().DataPoints().All() {
		a := dp.Attributes().AsRaw()
		assert.Equal(t, "GPU-1", a["hw.id"])
		assert.Equal(t, "DE", a["grid.zone"])
		windows[a["window"].(string)] = dp.DoubleValue()
	}
	// 2·sqrt(0.40² + 0.15² + 0.029² + 0.03² + 0.001²)
	assert.InDelta(t, 0.858, windows["1h"], 0.001)
	assert.InDelta(t, windows["1h"], windows["24h"], 1e-9, "there is no more than this hour")
}

func TestUncertaintyIsBounded(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := nopSettings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)
	r := newRun(t, set, map[string]any{"zone": "DE", "max_streams": 1, "uncertainty": map[string]any{"windows": []any{"1h"}}})
	at := time.Now()
	send := func() []pmetric.Metric {
		md := r.send(energy("hw.energy", delta, point{"GPU-1", at, at, 1000}, point{"GPU-2", at, at, 2000}, point{"GPU-3", at, at, 0}))
		return metricsNamed(md, "hw.emissions.uncertainty")
	}
	found := send()
	require.Len(t, found, 1)
	require.Equal(t, 1, found[0].Gauge().DataPoints().Len())
	require.Empty(t, send(), "it is told once a minute")
	metadatatest.AssertEqualCarbonintensityEnergyUnrated(t, telemetry,
		[]metricdata.DataPoint[float64]{{Value: 4000}}, metricdatatest.IgnoreTimestamp())
	assert.Equal(t, 1, logs.FilterMessageSnippet("no uncertainty").Len(), "said once")
}

// A reading changes that of an hour little, so it is told once a minute. A device that is gone makes room.
func TestUncertaintyOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun(t, nopSettings(), map[string]any{"zone": "DE", "max_streams": 1, "max_stale": "10m", "uncertainty": map[string]any{"windows": []any{"1h"}}})
		send := func(device, method string) float64 {
			at := time.Now()
			md := energy("hw.energy", delta, point{device, at, at, 1000}, point{device, at, at, 1000})
			for _, dp := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
				dp.Attributes().PutStr("energy.method", method)
			}
			for _, m := range metricsNamed(r.send(md), "hw.emissions.uncertainty") {
				require.Equal(t, 1, m.Gauge().DataPoints().Len(), "once for each device")
				return m.Gauge().DataPoints().At(0).DoubleValue()
			}
			return 0
		}
		require.Positive(t, send("GPU-1", "counter"))
		time.Sleep(retell / 2)
		require.Zero(t, send("GPU-1", "model"))
		time.Sleep(retell / 2)
		mixed := send("GPU-1", "model")
		// of the intensity 0.40 and 0.15, of a model 0.30 of two thirds, of a counter 0.029 of one
		require.InDelta(t, 2*math.Sqrt(0.40*0.40+0.15*0.15+0.20*0.20+0.029*0.029/9), mixed, 0.001)

		require.Zero(t, send("GPU-2", "counter"), "there is no room")
		time.Sleep(12 * time.Minute)
		require.Positive(t, send("GPU-2", "counter"))
	})
}

func TestUncertaintyConfig(t *testing.T) {
	for want, settings := range map[string]map[string]any{
		"uncertainty: windows::0: 1h30m0s: must be whole hours": {"windows": []any{"90m"}},
		"uncertainty: windows: empty":                           {"windows": []any{}},
	} {
		require.ErrorContains(t, validated(map[string]any{"zone": "DE", "uncertainty": settings}), want)
	}
	require.ErrorContains(t, validated(map[string]any{"zone": "DE", "embodied": map[string]any{"lifetime": "1h"}}), "embodied: lifetime: 1h0m0s: must be at least")
}

// Two restarts without energy in between count no time twice.
func TestEmbodiedOverTwoRestarts(t *testing.T) {
	m := &storetest.Memory{}
	settings := with(making1, map[string]any{"storage": "file_storage"})
	begin := time.Now().Add(-72 * time.Hour)
	var got []point
	for i := range 3 {
		r := newRunOn(t, storetest.Host(m), nopSettings(), settings)
		switch i {
		case 0:
			for h := range 72 {
				got = pointsNamed(t, r.send(namedEnergy("Test GPU", point{"GPU-1", begin, begin.Add(time.Duration(h) * time.Hour), 0})), embodiedName)
			}
			require.InEpsilon(t, 71.0, got[0].value, 1e-9)
		case 2:
			got = pointsNamed(t, r.send(namedEnergy("Test GPU", point{"GPU-1", begin, begin.Add(72 * time.Hour), 0})), embodiedName)
			assert.InEpsilon(t, 72.0, got[0].value, 1e-9)
		}
		require.NoError(t, r.p.Shutdown(context.Background()))
	}
}

// Devices beyond max_streams take no memory.
func TestTellersAreBounded(t *testing.T) {
	r := &refusing{}
	cfg := createDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(with(making1, map[string]any{"max_streams": 1})).Unmarshal(cfg))
	p, err := newProcessor(cfg.(*Config), nopSettings(), r)
	require.NoError(t, err)
	require.NoError(t, p.start(t.Context(), fakeGridHost{}))
	for i := range 1000 {
		_, err := p.processMetrics(t.Context(), namedEnergy("Test GPU", point{strconv.Itoa(i), time.Now().Add(-time.Hour), time.Now(), 0}))
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, len(p.making.tellers), 1)
	require.NoError(t, p.shutdown(t.Context()))
}

// The windows end where what is told has come to.
func TestUncertaintyOfWhatIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		feed := known(said("DE", "a", grid.Measured, begin, begin.Add(100*time.Hour), 360))
		sink := &refusing{}
		p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, nopSettings(), with(settled, map[string]any{"uncertainty": map[string]any{}}), sink)
		for range 60 * 6 {
			time.Sleep(time.Minute)
			require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, time.Now(), 1000*time.Since(begin).Seconds())))
		}
		windows := map[string]int{}
		for _, md := range sink.AllMetrics() {
			for _, m := range metricsNamed(md, "hw.emissions.uncertainty") {
				for _, dp := range m.Gauge().DataPoints().All() {
					windows[text(dp.Attributes(), "window")]++
				}
			}
		}
		assert.NotZero(t, windows["1h"])
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

// Hosts that have a name only are told apart by that.
func TestHostsByName(t *testing.T) {
	r := newRun(t, nopSettings(), making1)
	at := time.Now()
	seen := 0
	for _, host := range []string{"node-1", "node-2"} {
		md := namedEnergy("Test GPU", point{"gpu-0", at, at.Add(time.Hour), 0})
		a := md.ResourceMetrics().At(0).Resource().Attributes()
		a.Remove("host.id")
		a.PutStr("host.name", host)
		seen += len(pointsNamed(t, r.send(md), embodiedName))
	}
	assert.Equal(t, 2, seen)
}
