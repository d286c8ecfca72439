// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadatatest"
)

const (
	cumulative = pmetric.AggregationTemporalityCumulative
	delta      = pmetric.AggregationTemporalityDelta
)

func TestEmissionsStandNextToTheEnergy(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"zone": "DE", "pue": 1.2})
	at := time.Now().Add(time.Hour)
	md := r.send(energy("hw.energy", cumulative, point{"GPU-1", at, at.Add(time.Second), 3.6e6}))

	rm := md.ResourceMetrics().At(0)
	require.Equal(t, 2, rm.ScopeMetrics().Len())
	scope := rm.ScopeMetrics().At(1)
	assert.Equal(t, metadata.ScopeName, scope.Scope().Name())
	assert.Equal(t, map[string]any{"carbon.factor.version": "Ember via OWID 2025-05, 2024"}, scope.Scope().Attributes().AsRaw())
	require.Equal(t, 1, scope.Metrics().Len())
	m := scope.Metrics().At(0)
	assert.Equal(t, "hw.emissions", m.Name())
	assert.Equal(t, "g", m.Unit())
	assert.True(t, m.Sum().IsMonotonic())
	assert.Equal(t, cumulative, m.Sum().AggregationTemporality())
	last := m.Sum().DataPoints().At(m.Sum().DataPoints().Len() - 1)
	assert.Equal(t, map[string]any{
		"hw.id": "GPU-1", "hw.type": "gpu",
		"grid.zone": "DE", "carbon.source": "static", "carbon.data.quality": "static",
		"carbon.boundary": "lifecycle", "carbon.basis": "production", "carbon.gas": "co2e",
	}, last.Attributes().AsRaw())
	assert.InEpsilon(t, 344.13992*1.2, last.DoubleValue(), 1e-12)

	assert.Equal(t, 3.6e6, pointsNamed(t, md, "hw.energy")[0].value, "the energy itself is not touched") //nolint:testifylint // exact
}

func TestNames(t *testing.T) {
	for in, out := range map[string]string{
		"hw.energy":       "hw.emissions",
		"hw.host.energy":  "hw.host.emissions",
		"workload.energy": "workload.emissions",
		"hw.energy.inner": "",
		"hw.power":        "",
		"energy":          "",
	} {
		t.Run(in, func(t *testing.T) {
			md := newRun(t, nopSettings(), map[string]any{"zone": "DE"}).send(energy(in, delta, point{"GPU-1", time.Now(), time.Now(), 1}))
			metrics := md.ResourceMetrics().At(0).ScopeMetrics()
			if out == "" {
				assert.Equal(t, 1, metrics.Len())
				return
			}
			assert.Len(t, metricsNamed(md, out), 1)
		})
	}
}

func TestGoldenNumbers(t *testing.T) {
	content, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var golden struct {
		Units []struct {
			In string
			G  float64
		}
	}
	require.NoError(t, json.Unmarshal(content, &golden))
	checked := 0
	for _, unit := range golden.Units {
		var joules, gramsPerKWh float64
		if n, _ := fmt.Sscanf(unit.In, "%f J at %f g/kWh", &joules, &gramsPerKWh); n != 2 {
			continue
		}
		checked++
		r := newRun(t, nopSettings(), map[string]any{"intensity": gramsPerKWh})
		at := time.Now().Add(time.Hour)
		got := pointsNamed(t, r.send(energy("hw.energy", cumulative, point{"GPU-1", at, at.Add(time.Second), joules})), "hw.emissions")
		assert.InEpsilon(t, unit.G, got[len(got)-1].value, 1e-9, unit.In)
	}
	assert.Positive(t, checked)
}

func TestBeginnings(t *testing.T) {
	const grams = 1 / 3.6e6 // of a joule at 1 g/kWh
	early := time.Now().Add(-time.Hour)
	late := time.Now().Add(time.Hour)
	for name, tc := range map[string]struct{ in, want []point }{
		"a stream that begins now is reported from its start": {
			[]point{{"GPU-1", late, late.Add(9), 36}},
			[]point{{"GPU-1", late, late, 0}, {"GPU-1", late, late.Add(9), 36 * grams}},
		},
		"a stream that was there before is announced at 0": {
			[]point{{"GPU-1", early, late, 36}, {"GPU-1", early, late.Add(9), 72}},
			[]point{{"GPU-1", late, late, 0}, {"GPU-1", late, late.Add(9), 36 * grams}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, nopSettings(), map[string]any{"intensity": 1})
			got := pointsNamed(t, r.send(energy("hw.energy", cumulative, tc.in...)), "hw.emissions")
			require.Len(t, got, len(tc.want))
			for i, want := range tc.want {
				assert.True(t, want.start.Equal(got[i].start), "start of %d", i)
				assert.True(t, want.time.Equal(got[i].time), "time of %d", i)
				assert.InDelta(t, want.value, got[i].value, 1e-15)
			}
		})
	}
}

// The same energy as deltas and as a counter gives the same grams.
func TestDeltaAndCumulativeAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		settings := map[string]any{"intensity": rapid.Float64Range(0, 2000).Draw(rt, "intensity"), "pue": rapid.Float64Range(1, 3).Draw(rt, "pue")}
		deltas, counter := newRun(t, nopSettings(), settings), newRun(t, nopSettings(), settings)
		start := time.Now().Add(time.Hour)
		var joules, fromDeltas, fromCounter float64
		at := start
		for _, more := range rapid.SliceOfN(rapid.Float64Range(0, 1e7), 1, 100).Draw(rt, "joules") {
			previous := at
			at = at.Add(time.Second)
			joules += more
			for _, p := range pointsNamed(t, deltas.send(energy("hw.energy", delta, point{"GPU-1", previous, at, more})), "hw.emissions") {
				fromDeltas += p.value
			}
			got := pointsNamed(t, counter.send(energy("hw.energy", cumulative, point{"GPU-1", start, at, joules})), "hw.emissions")
			assert.GreaterOrEqual(rt, got[len(got)-1].value, fromCounter, "never falls")
			fromCounter = got[len(got)-1].value
		}
		assert.InDelta(rt, fromDeltas, fromCounter, 1e-12*math.Max(1, fromDeltas))
	})
}

func TestGapsStayGaps(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"zone": "DE"})
	md := energy("hw.energy", cumulative, point{"GPU-1", time.Time{}, time.Now(), 0})
	dp := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0)
	dp.SetFlags(dp.Flags().WithNoRecordedValue(true))
	out := metricsNamed(r.send(md), "hw.emissions")[0].Sum().DataPoints()
	require.Equal(t, 1, out.Len())
	assert.True(t, out.At(0).Flags().NoRecordedValue())
}

func TestNothingToAddLeavesNothingBehind(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"zone": "DE"})
	md := r.send(energy("hw.energy", delta, point{"GPU-1", time.Now(), time.Now(), -1}))
	require.Equal(t, 1, md.ResourceMetrics().At(0).ScopeMetrics().Len())
	assert.Equal(t, "a receiver", md.ResourceMetrics().At(0).ScopeMetrics().At(0).Scope().Name())
}

func TestPointsWithoutATimeAreLeftOut(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"zone": "DE"})
	assert.Empty(t, pointsNamed(t, r.send(energy("hw.energy", cumulative, point{"GPU-1", time.Time{}, time.Unix(0, 0), 1})), "hw.emissions"))
}

func TestIntegerEnergyIsConverted(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"intensity": 1})
	md := energy("hw.energy", delta, point{"GPU-1", time.Now(), time.Now(), 0})
	md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).SetIntValue(3_600_000)
	assert.InDelta(t, 1.0, pointsNamed(t, r.send(md), "hw.emissions")[0].value, 1e-15)
}

func TestNothingIsLeftOutInSilence(t *testing.T) {
	at := time.Now().Add(time.Hour)
	fall := []point{{"GPU-1", time.Time{}, at, 9}, {"GPU-1", time.Time{}, at.Add(1), 8}}
	for want, in := range map[string]func() pmetric.Metrics{
		"stream_limit": func() pmetric.Metrics {
			return energy("hw.energy", cumulative, point{"GPU-1", at, at, 0}, point{"GPU-2", at, at, 0})
		},
		"restarted": func() pmetric.Metrics { return energy("hw.energy", cumulative, fall...) },
		"out_of_order": func() pmetric.Metrics {
			return energy("hw.energy", cumulative, fall[1], fall[0])
		},
		"overlap": func() pmetric.Metrics {
			return energy("hw.energy", cumulative, point{"GPU-1", at, at.Add(9), 5}, point{"GPU-1", at.Add(5), at.Add(19), 9})
		},
		"value": func() pmetric.Metrics { return energy("hw.energy", delta, point{"GPU-1", at, at, math.NaN()}) },
		"unit": func() pmetric.Metrics {
			md := energy("hw.energy", delta, fall[0])
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetUnit("kW.h")
			return md
		},
		"not_monotonic_sum": func() pmetric.Metrics {
			md := energy("hw.energy", delta, fall[0])
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetEmptyGauge().DataPoints().AppendEmpty()
			return md
		},
	} {
		t.Run(want, func(t *testing.T) {
			telemetry := componenttest.NewTelemetry()
			t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
			core, logs := observer.New(zap.WarnLevel)
			set := nopSettings()
			set.TelemetrySettings = telemetry.NewTelemetrySettings()
			set.Logger = zap.New(core)
			r := newRun(t, set, map[string]any{"zone": "DE", "max_streams": 1})
			r.send(in())
			r.send(in())

			assert.Equal(t, 1, logs.FilterField(zap.String("reason", want)).Len(), "logged once")
			got, err := telemetry.GetMetric("otelcol_carbonintensity.points.unconverted")
			require.NoError(t, err)
			counted := map[string]int64{}
			for _, p := range got.Data.(metricdata.Sum[int64]).DataPoints {
				why, _ := p.Attributes.Value("reason")
				counted[why.AsString()] = p.Value
			}
			assert.Positive(t, counted[want], "%v", counted)
			metadatatest.AssertEqualCarbonintensityStreamsLimit(t, telemetry,
				[]metricdata.DataPoint[int64]{{Value: 1}}, metricdatatest.IgnoreTimestamp())
		})
	}
}

func TestSilentStreamsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun(t, nopSettings(), map[string]any{"zone": "DE", "max_streams": 1, "max_stale": "10m"})
		converted := func(device string) int {
			return len(pointsNamed(t, r.send(energy("hw.energy", cumulative, point{device, time.Time{}, time.Now(), 1})), "hw.emissions"))
		}
		require.Equal(t, 1, converted("GPU-1"))
		require.Zero(t, converted("GPU-2"), "no room yet")
		time.Sleep(9 * time.Minute)
		require.Equal(t, 1, converted("GPU-1"))
		time.Sleep(9 * time.Minute)
		require.Zero(t, converted("GPU-2"), "GPU-1 lives and keeps its place")
		time.Sleep(3 * time.Minute)
		require.Equal(t, 1, converted("GPU-2"), "GPU-1 has been silent for long")
	})
}

func TestConcurrentBatches(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"intensity": 1, "max_streams": 1000})
	start := time.Now().Add(time.Hour)
	var senders sync.WaitGroup
	for sender := range 8 {
		senders.Go(func() {
			for i := range 200 {
				device := fmt.Sprintf("GPU-%d-%d", sender, i%20)
				assert.NoError(t, r.p.ConsumeMetrics(t.Context(), energy("hw.energy", cumulative, point{device, start, start.Add(time.Duration(i)), float64(i)})))
			}
		})
	}
	senders.Wait()
	last := map[string]float64{}
	for _, md := range r.sink.AllMetrics() {
		for _, p := range pointsNamed(t, md, "hw.emissions") {
			last[p.device] = max(last[p.device], p.value)
		}
	}
	assert.Len(t, last, 160)
	for device, grams := range last {
		assert.InDelta(t, 189.5, grams*joulesPerKWh, 9.6, device)
	}
}

// What a point costs must be the point itself: a larger batch allocates no more per point than
// building its emissions by hand, plus what a batch costs however many points it has.
func TestNoAllocationBeyondThePoints(t *testing.T) {
	process := newProcess(t)
	intensity := mustIntensity(t, &Config{Zone: "DE", Boundary: "lifecycle"})
	c := newClasses()
	german := c.of(&intensity)
	const perBatch = 20
	for _, md := range makeBatches(1000)[:2] {
		rewind(md, cumulative, 1)
		require.NoError(t, process(md))
		processing := testing.AllocsPerRun(50, func() {
			rewind(md, cumulative, 2)
			require.NoError(t, process(md))
		})
		rewind(md, cumulative, 2)
		in := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
		building := testing.AllocsPerRun(50, func() {
			rewind(md, cumulative, 2)
			out := pmetric.NewNumberDataPointSlice()
			out.EnsureCapacity(in.Len())
			for _, dp := range in.All() {
				c.appendGrams(out, dp, german, 1, 2, 3)
			}
		})
		assert.LessOrEqual(t, processing, building+perBatch)
	}
}

func newProcess(t *testing.T) func(pmetric.Metrics) error {
	t.Helper()
	r := newRun(t, nopSettings(), map[string]any{"zone": "DE"})
	return func(md pmetric.Metrics) error {
		r.sink.Reset()
		return r.p.ConsumeMetrics(context.Background(), md)
	}
}

// A point without a value is no reading of 0 J.
func TestPointWithoutAValue(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"intensity": 360})
	at := time.Now().Add(-time.Hour)
	next := func() time.Time { at = at.Add(10 * time.Second); return at }
	r.send(energy("hw.energy", cumulative, point{"a", time.Time{}, next(), 1e9}))
	md := energy("hw.energy", cumulative, point{"a", time.Time{}, next(), 0})
	dp := pmetric.NewNumberDataPoint()
	old := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0)
	dp.SetTimestamp(old.Timestamp())
	old.Attributes().CopyTo(dp.Attributes())
	dp.CopyTo(old)
	require.Equal(t, pmetric.NumberDataPointValueTypeEmpty, old.ValueType())
	r.send(md)
	got := pointsNamed(t, r.send(energy("hw.energy", cumulative, point{"a", time.Time{}, next(), 1e9 + 1000})), "hw.emissions")
	assert.InDelta(t, 0.1, got[len(got)-1].value, 1e-6)
}

// One reading of a clock that was ahead does not stop a stream for as long.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		set := map[string]any{"intensity": 360, "storage": "file_storage"}
		r := newRunOn(t, storetest.Host(m), nopSettings(), set)
		begin := time.Now()
		r.send(joulesAt("a", begin, time.Now(), 0))
		time.Sleep(10 * time.Second)
		r.send(joulesAt("a", begin, time.Now().Add(365*24*time.Hour), 1000))
		var got []point
		for range 500 {
			time.Sleep(time.Minute)
			got = pointsNamed(t, r.send(joulesAt("a", begin, time.Now(), 1000*time.Since(begin).Seconds())), "hw.emissions")
		}
		require.NoError(t, r.p.Shutdown(t.Context()))
		r = newRunOn(t, storetest.Host(m), nopSettings(), set)
		start := time.Now()
		for range 5 { // the source has restarted as well
			time.Sleep(time.Minute)
			got = pointsNamed(t, r.send(joulesAt("a", start, time.Now(), 1000*time.Since(start).Seconds())), "hw.emissions")
		}
		assert.NotEmpty(t, got)
		require.NoError(t, r.p.Shutdown(t.Context()))
	})
}

// Between two intervals that do not touch nothing is carried.
func TestNothingIsCarriedForNoTime(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	year := grid.Fixed(100, "DE", grid.Lifecycle)
	feed := grid.NewFeed(lifecycle, grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, hour, hour.Add(10*time.Minute), 360)}, 0, &year, always))
	r := newRunOn(t, fakeGrid{"DE": feed}, nopSettings(), live)
	r.send(joulesAt("a", hour, hour, 0))
	md := r.send(joulesAt("a", hour, hour.Add(20*time.Minute), 1000))
	assert.NotContains(t, grams(md, "hw.emissions"), [3]string{"DE", "a", "stale"})
}
