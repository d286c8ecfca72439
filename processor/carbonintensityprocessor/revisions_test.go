// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"bytes"
	"context"
	"math"
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
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadatatest"
)

var revising = with(live, map[string]any{"revisions": map[string]any{}})

const revision = "hw.emissions.revision"

// golden.json: revision. 320 g were told of a kWh, 305 are true.
func TestRevision(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	for name, temporality := range map[string]pmetric.AggregationTemporality{"delta": delta, "cumulative": cumulative} {
		t.Run(name, func(t *testing.T) {
			g := fakeGrid{"DE": known(said("DE", "a", grid.Estimated, hour, hour.Add(time.Hour), 320))}
			r := newRunOn(t, g, nopSettings(), revising)
			send := func(minute int, kWh float64) pmetric.Metrics {
				start := hour
				if temporality == delta {
					start = hour.Add(time.Duration(minute-30) * time.Minute)
				}
				return r.send(energy("hw.energy", temporality, point{"GPU-1", start, hour.Add(time.Duration(minute) * time.Minute), kWh * 3.6e6}))
			}
			if temporality == cumulative {
				send(0, 0)
			}
			first := send(30, 1)
			require.InEpsilon(t, 320.0, grams(first, "hw.emissions")[[3]string{"DE", "a", "estimated"}], 1e-9)
			require.Empty(t, grams(first, revision), "nothing to correct")

			g["DE"].Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, hour, hour.Add(time.Hour), 305)}, 2, nil, always))
			next := 1.0
			if temporality == delta {
				next = 0
			}
			got := send(60, next)
			require.InEpsilon(t, -15.0, grams(got, revision)[[3]string{"DE", "a", "estimated"}], 1e-9, "with the attributes of the stream it corrects")
			m := metricsNamed(got, revision)[0]
			assert.Equal(t, "g", m.Unit())
			assert.False(t, m.Sum().IsMonotonic())
			assert.Equal(t, cumulative, m.Sum().AggregationTemporality())
			assert.InEpsilon(t, -15.0, grams(send(90, next), revision)[[3]string{"DE", "a", "estimated"}], 1e-9, "once")
		})
	}
}

// Emissions begin anew after a gap, so their corrections do.
func TestRevisionsOverAGap(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	value := func(quality grid.Quality, grams float64) *grid.Timeline {
		return grid.NewTimeline([]grid.Value{said("DE", "a", quality, hour, hour.Add(time.Hour), grams)}, 2, nil, always)
	}
	g := fakeGrid{"DE": grid.NewFeed(lifecycle, value(grid.Estimated, 320))}
	r := newRunOn(t, g, nopSettings(), with(live, map[string]any{"revisions": map[string]any{}, "max_gap": "15m"}))
	send := func(minute int, kWh float64) pmetric.Metrics {
		return r.send(energy("hw.energy", cumulative, point{"GPU-1", hour, hour.Add(time.Duration(minute) * time.Minute), kWh * 3.6e6}))
	}
	send(0, 0)
	send(10, 1)
	g["DE"].Publish(value(grid.Measured, 305))
	require.InEpsilon(t, -15.0, grams(send(20, 1), revision)[[3]string{"DE", "a", "estimated"}], 1e-9)
	require.Zero(t, grams(send(40, 1), "hw.emissions")[[3]string{"DE", "a", "measured"}])
	g["DE"].Publish(value(grid.Measured, 300))
	require.Empty(t, grams(send(50, 1), revision), "of emissions that are not told any more")
}

// Emissions go on after a stop, so their corrections do, and what was told before can still be corrected.
func TestRevisionsOverARestart(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	for name, temporality := range map[string]pmetric.AggregationTemporality{"delta": delta, "cumulative": cumulative} {
		t.Run(name, func(t *testing.T) {
			value := func(quality grid.Quality, grams float64) *grid.Timeline {
				return grid.NewTimeline([]grid.Value{said("DE", "a", quality, hour, hour.Add(time.Hour), grams)}, 2, nil, always)
			}
			g, m := fakeGrid{"DE": grid.NewFeed(lifecycle, value(grid.Estimated, 320))}, &storetest.Memory{}
			settings := with(kept, map[string]any{"revisions": map[string]any{}})
			send := func(r *run, minute int, kWh float64) pmetric.Metrics {
				start := hour
				if temporality == delta {
					start = hour.Add(time.Duration(minute-10) * time.Minute)
				}
				if temporality == delta && minute != 30 {
					kWh = 0
				}
				return r.send(energy("hw.energy", temporality, point{"GPU-1", start, hour.Add(time.Duration(minute) * time.Minute), kWh * 3.6e6}))
			}
			correction := func(md pmetric.Metrics) (float64, time.Time) {
				points := pointsNamed(t, md, revision)
				require.Len(t, points, 1)
				return points[0].value, points[0].start
			}
			first := newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), settings)
			if temporality == cumulative {
				send(first, 0, 0)
			}
			send(first, 30, 1)
			g["DE"].Publish(value(grid.Measured, 305))
			before, since := correction(send(first, 40, 1))
			require.InEpsilon(t, -15.0, before, 1e-9)
			require.NoError(t, first.p.Shutdown(context.Background()))

			second := newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), settings)
			after, start := correction(send(second, 50, 1))
			require.InEpsilon(t, -15.0, after, 1e-9)
			require.True(t, start.Equal(since))
			g["DE"].Publish(value(grid.Measured, 310))
			after, _ = correction(send(second, 55, 1))
			require.InEpsilon(t, -10.0, after, 1e-9)
			require.NoError(t, second.p.Shutdown(context.Background()))

			newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), kept) // without revisions
			require.Equal(t, map[string][]byte{runningKey: {1}}, m.Content(), "nothing is left behind")
		})
	}
}

func TestBrokenRevisionsAreNotUsed(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	for _, name := range []string{revisedChunks, bucketChunks} {
		t.Run(name, func(t *testing.T) {
			g, m := fakeGrid{"DE": known(said("DE", "a", grid.Estimated, hour, hour.Add(time.Hour), 320))}, &storetest.Memory{}
			settings := with(kept, map[string]any{"revisions": map[string]any{}})
			first := newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), settings)
			first.send(energy("hw.energy", delta, point{"GPU-1", hour, hour, 3.6e6}))
			g["DE"].Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, hour, hour.Add(time.Hour), 305)}, 2, nil, always))
			require.NotEmpty(t, grams(first.send(energy("hw.energy", delta, point{"GPU-1", hour, hour, 0})), revision))
			require.NoError(t, first.p.Shutdown(context.Background()))
			content := m.Content()[chunkKey(name, 0)]
			require.NotEmpty(t, content)
			require.NoError(t, m.Set(t.Context(), chunkKey(name, 0), bytes.Repeat([]byte{0xff}, len(content))))
			core, logs := observer.New(zap.WarnLevel)
			set := nopSettings()
			set.Logger = zap.New(core)
			second := newRunOn(t, keeping{storetest.Host(m), g}, set, settings)
			assert.Equal(t, 1, logs.FilterMessageSnippet("what was kept cannot be used").Len())
			assert.Empty(t, grams(second.send(energy("hw.energy", delta, point{"GPU-1", hour, hour, 0})), revision))
		})
	}
}

// What is known is not given up for less: the source forgets, and falls back on the year's average.
func TestNothingIsRevisedForTheWorse(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	year := grid.Fixed(1000, "DE", grid.Lifecycle)
	g := fakeGrid{"DE": known(said("DE", "a", grid.Measured, hour, hour.Add(time.Hour), 300))}
	r := newRunOn(t, g, nopSettings(), revising)
	r.send(energy("hw.energy", cumulative, point{"GPU-1", hour, hour, 0}))
	r.send(energy("hw.energy", cumulative, point{"GPU-1", hour, hour.Add(time.Minute), 3.6e6}))
	for _, known := range []*grid.Timeline{grid.Always(year), grid.NewTimeline(nil, 2, nil, always)} {
		g["DE"].Publish(known)
		assert.Empty(t, grams(r.send(energy("hw.energy", cumulative, point{"GPU-1", hour, hour.Add(2 * time.Minute), 3.6e6})), revision))
	}
}

func TestRevisionsAreBounded(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	value := func(grams float64) *grid.Timeline {
		return grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, hour, hour.Add(time.Hour), grams)}, 2, nil, always)
	}
	for name, tt := range map[string]struct {
		settings map[string]any
		metric   string
		want     float64 // of the 12 g
	}{
		"all":               {map[string]any{}, "hw.energy", 12},
		"max_buckets":       {map[string]any{"max_buckets": 3}, "hw.energy", 3},
		"a workload":        {map[string]any{}, "workload.energy", 0},
		"a workload, asked": {map[string]any{"metrics": []any{"hw.", "workload."}}, "workload.energy", 12},
	} {
		t.Run(name, func(t *testing.T) {
			feed := grid.NewFeed(lifecycle, value(100))
			telemetry := componenttest.NewTelemetry()
			t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
			set := nopSettings()
			set.TelemetrySettings = telemetry.NewTelemetrySettings()
			r := newRunOn(t, fakeGrid{"DE": feed}, set, with(live, map[string]any{"revisions": tt.settings}))
			r.send(energy(tt.metric, cumulative, point{"GPU-1", hour, hour, 0}))
			r.send(energy(tt.metric, cumulative, point{"GPU-1", hour, hour.Add(time.Hour), 3.6e6}))
			feed.Publish(value(112))
			md := r.send(energy(tt.metric, cumulative, point{"GPU-1", hour, hour.Add(time.Hour), 3.6e6}))
			got := 0.0
			for _, name := range []string{revision, "workload.emissions.revision"} {
				for _, grams := range grams(md, name) {
					got += grams
				}
			}
			assert.InDelta(t, tt.want, got, 1e-9)
			if name == "max_buckets" { // 3 of the 12 slots are remembered
				metadatatest.AssertEqualCarbonintensityEnergyUnrevised(t, telemetry,
					[]metricdata.DataPoint[float64]{{Value: 2.7e6}}, metricdatatest.IgnoreTimestamp())
			}
		})
	}
}

// Deltas have no other streams that are counted.
func TestDeltasBeyondMaxStreamsAreNotRevised(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := nopSettings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	g := fakeGrid{"DE": known(said("DE", "a", grid.Measured, hour, hour.Add(time.Hour), 300))}
	r := newRunOn(t, g, set, with(revising, map[string]any{"max_streams": 1}))
	r.send(energy("hw.energy", delta, point{"GPU-1", hour, hour, 1000}, point{"GPU-2", hour, hour, 2000}))
	metadatatest.AssertEqualCarbonintensityEnergyUnrevised(t, telemetry,
		[]metricdata.DataPoint[float64]{{Value: 2000}}, metricdatatest.IgnoreTimestamp())
}

// Whatever is told when, in the end emissions and revisions add up to the energy of each time by what is known
// of that time last.
func TestSettledIsWhatIsKnownInTheEnd(t *testing.T) {
	begin := time.Now().Truncate(time.Hour).Add(-6 * time.Hour)
	rapid.Check(t, func(rt *rapid.T) {
		const intervals = 12 // of half an hour
		truth := rapid.SliceOfN(rapid.Float64Range(0, 1000), intervals, intervals).Draw(rt, "truth")
		order := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}).Draw(rt, "order")
		values := map[int]grid.Value{}
		for i := range intervals { // first guesses of some
			if rapid.Bool().Draw(rt, "foretold") {
				at := begin.Add(time.Duration(i) * 30 * time.Minute)
				values[i] = said("DE", "a", grid.Forecast, at, at.Add(30*time.Minute), rapid.Float64Range(0, 1000).Draw(rt, "forecast"))
			}
		}
		year := grid.Fixed(400, "DE", grid.Lifecycle)
		timeline := func() *grid.Timeline {
			var all []grid.Value
			for _, v := range values {
				all = append(all, v)
			}
			return grid.NewTimeline(all, 2, &year, always)
		}
		feed, m := grid.NewFeed(lifecycle, timeline()), &storetest.Memory{}
		begun := func() *run {
			return newRunOn(t, keeping{storetest.Host(m), fakeGrid{"DE": feed}}, nopSettings(), with(revising, map[string]any{"storage": "file_storage"}))
		}
		r := begun()
		for i, told := range order { // energy comes evenly, and the truth in any order
			at := begin.Add(time.Duration(i+1) * 30 * time.Minute)
			if i == 0 {
				r.send(energy("hw.energy", cumulative, point{"GPU-1", begin.Add(-time.Hour), begin, 0}))
			}
			r.send(energy("hw.energy", cumulative, point{"GPU-1", begin.Add(-time.Hour), at, float64(i+1) * 3.6e6}))
			start := begin.Add(time.Duration(told) * 30 * time.Minute)
			values[told] = said("DE", "a", grid.Measured, start, start.Add(30*time.Minute), truth[told])
			feed.Publish(timeline())
			if rapid.Bool().Draw(rt, "restarted") {
				require.NoError(rt, r.p.Shutdown(context.Background()))
				r = begun()
			}
		}
		last := r.send(energy("hw.energy", cumulative, point{"GPU-1", begin.Add(-time.Hour), begin.Add(intervals * 30 * time.Minute), intervals * 3.6e6}))
		want, got := 0.0, 0.0
		for _, g := range truth {
			want += g
		}
		for _, name := range []string{"hw.emissions", revision} {
			for _, g := range grams(last, name) {
				got += g
			}
		}
		require.InDelta(rt, want, got, 1e-9*math.Max(1, want))
	})
}

// The grid's intervals may be shorter than a slot, begin anywhere, and energy may be used in some of them only: what is
// said again without a change corrects nothing.
func TestNothingNewCorrectsNothing(t *testing.T) {
	begin := time.Now().Truncate(time.Hour)
	rapid.Check(t, func(rt *rapid.T) {
		var values []grid.Value
		at := begin.Add(-time.Minute)
		for at.Before(begin.Add(30 * time.Minute)) {
			end := at.Add(time.Duration(rapid.SampledFrom([]int{20, 60, 90, 300, 900}).Draw(rt, "seconds")) * time.Second)
			values = append(values, said("DE", "file", grid.Measured, at, end, rapid.SampledFrom([]float64{0, 100, 300, 500}).Draw(rt, "grams")))
			at = end
		}
		timeline := func() *grid.Timeline { return grid.NewTimeline(values, 2, nil, always) }
		feed := grid.NewFeed(lifecycle, timeline())
		r := newRunOn(t, fakeGrid{"DE": feed}, nopSettings(), revising)
		temporality := rapid.SampledFrom([]pmetric.AggregationTemporality{delta, cumulative}).Draw(rt, "temporality")
		joules, last := 0.0, begin
		for range rapid.IntRange(1, 20).Draw(rt, "readings") {
			now := last.Add(time.Duration(rapid.IntRange(1, 80).Draw(rt, "seconds")) * time.Second)
			used := rapid.SampledFrom([]float64{0, 1, 3.6e6}).Draw(rt, "used")
			start := begin
			if joules += used; temporality == delta {
				start, joules = rapid.SampledFrom([]time.Time{last, now}).Draw(rt, "start"), used
			}
			if last = now; rapid.Bool().Draw(rt, "said again") {
				feed.Publish(timeline())
			}
			md := r.send(energy("hw.energy", temporality, point{"GPU-1", start, now, joules}))
			require.Empty(rt, grams(md, revision))
		}
	})
}

// A restatement counts for the time in which the energy was used, as far as the grid is known.
func TestRevisionOfAMinute(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	minutes := func(grams ...float64) *grid.Timeline {
		var values []grid.Value
		for i, g := range grams {
			at := hour.Add(time.Duration(i) * time.Minute)
			values = append(values, said("DE", "file", grid.Measured, at, at.Add(time.Minute), g))
		}
		return grid.NewTimeline(values, 2, nil, always)
	}
	feed := grid.NewFeed(lifecycle, minutes(100, 200, 300, 400, 500))
	r := newRunOn(t, fakeGrid{"DE": feed}, nopSettings(), revising)
	send := func(minute int) pmetric.Metrics {
		return r.send(energy("hw.energy", cumulative, point{"GPU-1", hour, hour.Add(time.Duration(minute) * time.Minute), 3.6e6 * float64(min(minute, 1))}))
	}
	send(0)
	send(1)
	feed.Publish(minutes(100, 999, 999, 999, 999))
	require.Empty(t, grams(send(2), revision), "nothing was used then")
	feed.Publish(minutes(110, 999, 999, 999, 999))
	require.InEpsilon(t, 10.0, grams(send(3), revision)[[3]string{"DE", "file", "measured"}], 1e-9)
}

func TestRevisionsConfig(t *testing.T) {
	require.ErrorContains(t, validated(map[string]any{"zone": "DE", "revisions": map[string]any{"keep": "1m"}}), "revisions: keep: 1m0s: must be from 1h to 720h")
	require.ErrorContains(t, validated(map[string]any{"zone": "DE", "revisions": map[string]any{"max_buckets": 0}}), "revisions: max_buckets: 0: must be at least 1")
}

func TestRevisionsAreAskedFor(t *testing.T) {
	for _, settings := range []map[string]any{live, revising} {
		g := fakeGrid{"DE": known()}
		newRunOn(t, g, nopSettings(), settings)
		assert.Equal(t, settings["revisions"] != nil, !g["DE"].Wanted().IsZero())
	}
}

// What is told by another zone, or PUE, from a restart on is no correction of what was told before.
func TestAnotherPlaceRevisesNothing(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	for _, what := range []string{"zone", "pue"} {
		t.Run(what, func(t *testing.T) {
			val := func(zone string, g float64) *grid.Feed {
				return grid.NewFeed(lifecycle, grid.NewTimeline([]grid.Value{said(zone, "a", grid.Measured, hour, hour.Add(2*time.Hour), g)}, 2, nil, always))
			}
			g, m := fakeGrid{"DE": val("DE", 400), "FR": val("FR", 50)}, &storetest.Memory{}
			settings := with(kept, map[string]any{"revisions": map[string]any{}})
			send := func(r *run, minute int, kWh float64) pmetric.Metrics {
				return r.send(energy("hw.energy", cumulative, point{"GPU-1", hour, hour.Add(time.Duration(minute) * time.Minute), kWh * 3.6e6}))
			}
			r := newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), settings)
			send(r, 0, 0)
			send(r, 30, 1)
			require.NoError(t, r.p.Shutdown(context.Background()))
			if what == "zone" {
				settings = with(settings, map[string]any{"zone": "FR"})
			} else {
				settings = with(settings, map[string]any{"pue": 1.5})
			}
			r = newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), settings)
			got := send(r, 40, 1)
			assert.Empty(t, grams(got, revision), "nothing was restated")
		})
	}
}

// Corrections of a stream live as long as its emissions, also while some of its energy waits.
func TestCorrectionsStayWhileEnergyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		hour := func(q grid.Quality, g float64) grid.Value { return said("DE", "a", q, begin, begin.Add(time.Hour), g) }
		feed := learning(grid.NewTimeline([]grid.Value{hour(grid.Estimated, 320)}, 0, nil, always))
		sink := &refusing{}
		p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, nopSettings(), revising, sink)
		send := func(kWh float64) {
			require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, time.Now(), kWh*3.6e6)))
		}
		time.Sleep(time.Minute)
		send(1)
		feed.Publish(grid.NewTimeline([]grid.Value{hour(grid.Measured, 300)}, 0, nil, always))
		time.Sleep(58 * time.Minute)
		send(1) // -20 g
		time.Sleep(2 * time.Minute)
		send(2) // partly of a time that is not known
		time.Sleep(2 * time.Hour)
		feed.Publish(grid.NewTimeline([]grid.Value{hour(grid.Measured, 300), said("DE", "a", grid.Measured, begin.Add(time.Hour), begin.Add(9*time.Hour), 300)}, 0, nil, always))
		send(2)
		time.Sleep(61 * time.Second) // when nothing is told by itself
		send(2)
		all := sink.AllMetrics()
		sum := 0.0
		for _, name := range []string{"hw.emissions", revision} {
			for _, g := range grams(all[len(all)-1], name) {
				sum += g
			}
		}
		assert.InEpsilon(t, 600.0, sum, 1e-9)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

// One delta that says to have begun in 1970 does not take all room.
func TestLongDelta(t *testing.T) {
	hour := time.Now().Truncate(time.Hour)
	g := fakeGrid{"DE": known(said("DE", "a", grid.Estimated, hour, hour.Add(time.Hour), 320))}
	year := grid.Fixed(400, "DE", grid.Lifecycle)
	on := func(q grid.Quality, v float64) *grid.Timeline {
		return grid.NewTimeline([]grid.Value{said("DE", "a", q, hour, hour.Add(time.Hour), v)}, 2, &year, always)
	}
	g["DE"].Publish(on(grid.Estimated, 320))
	r := newRunOn(t, g, nopSettings(), revising)
	r.send(energy("hw.energy", delta, point{"bad", hour, hour.Add(time.Minute), 1}))
	r.send(energy("hw.energy", delta, point{"bad", time.Unix(1, 0), hour.Add(2 * time.Minute), 1}))
	r.send(energy("hw.energy", delta, point{"good", hour, hour.Add(time.Minute), 3.6e6}))
	g["DE"].Publish(on(grid.Measured, 305))
	got := r.send(energy("hw.energy", delta, point{"good", hour.Add(time.Minute), hour.Add(2 * time.Minute), 0}))
	assert.InDelta(t, -15.0, grams(got, revision)[[3]string{"DE", "a", "estimated"}], 1e-9)
}
