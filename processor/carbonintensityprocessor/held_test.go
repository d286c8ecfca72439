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
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

// learning is a feed of a source that keeps two days, and knows this as yet.
func learning(t *grid.Timeline) *grid.Feed {
	feed := grid.NewFeed(lifecycle, t)
	feed.History = 48 * time.Hour
	return feed
}

// unknown is a timeline on which all was asked for, and nothing came.
func unknown() *grid.Timeline { return grid.NewTimeline(nil, 2, nil, always) }

func observed(t *testing.T) (processor.Settings, *componenttest.Telemetry) {
	t.Helper()
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := nopSettings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	return set, telemetry
}

// lost is the energy that was counted as unconverted.
func lost(t *testing.T, telemetry *componenttest.Telemetry) map[string]float64 {
	t.Helper()
	if _, err := telemetry.GetMetric("otelcol_carbonintensity.energy.unconverted"); err != nil {
		return map[string]float64{}
	}
	return unconverted(t, telemetry)
}

// Energy that finds no factor waits: an outage that outlasts what is carried costs nothing but time.
func TestEnergyWithoutAFactorWaits(t *testing.T) {
	for name, temporality := range map[string]pmetric.AggregationTemporality{"delta": delta, "cumulative": cumulative} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, telemetry := observed(t)
				begin := time.Now()
				feed := learning(unknown())
				sink := &refusing{}
				p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, set, with(live, map[string]any{"revisions": map[string]any{}}), sink)
				time.Sleep(10 * time.Second)
				middle := time.Now()
				require.NoError(t, p.ConsumeMetrics(t.Context(), energy("hw.energy", temporality, point{"GPU-1", begin, middle, 3.6e6})))
				assert.True(t, feed.Wanted().Equal(begin), "it is asked for")
				feed.Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Estimated, begin.Add(-time.Hour), begin.Add(time.Hour), 300)}, 2, nil, always))
				time.Sleep(10 * time.Second)
				next := point{"GPU-1", begin, time.Now(), 5.4e6}
				if temporality == delta {
					next.start, next.value = middle, 1.8e6
				}
				require.NoError(t, p.ConsumeMetrics(t.Context(), energy("hw.energy", temporality, next)))
				time.Sleep(time.Minute)
				total := 0.0
				for _, md := range sink.AllMetrics() {
					if temporality == cumulative {
						total = 0
					}
					for _, p := range pointsNamed(t, md, "hw.emissions") {
						total += p.value
					}
				}
				assert.InEpsilon(t, 450.0, total, 1e-9)
				assert.Empty(t, lost(t, telemetry))

				// It is corrected like other energy.
				feed.Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, begin.Add(-time.Hour), begin.Add(time.Hour), 200)}, 2, nil, always))
				now := time.Now()
				last := point{"GPU-1", begin, now, 5.4e6}
				if temporality == delta {
					last.start, last.value = now, 0
				}
				sink.Reset()
				require.NoError(t, p.ConsumeMetrics(t.Context(), energy("hw.energy", temporality, last)))
				assert.InEpsilon(t, -150.0, pointsNamed(t, sink.AllMetrics()[0], revision)[0].value, 1e-9)
				require.NoError(t, p.Shutdown(t.Context()))
			})
		})
	}
}

// What waits is told as if it had been known at once: each part with the intensity of its time, and the parts of a device
// add up to it. What is known meanwhile is told meanwhile.
func TestWhatWaitsIsToldOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, telemetry := observed(t)
		begin := time.Now().Truncate(time.Hour)
		time.Sleep(time.Until(begin.Add(time.Hour)))
		begin = time.Now()
		var all []grid.Value
		for i := range 48 {
			at := begin.Add(time.Duration(i) * 15 * time.Minute)
			all = append(all, said("DE", "a", grid.Measured, at, at.Add(15*time.Minute), float64(100+i*i%7*100)))
		}
		outage := append(append([]grid.Value{}, all[:4]...), all[20:]...)
		during := grid.NewTimeline(outage, 0, nil, always)
		feed := learning(during)
		hindsight, r := newRunOn(t, fakeGrid{"DE": known(all...)}, nopSettings(), live), newRunOn(t, fakeGrid{"DE": feed}, set, live)
		joules := map[string]float64{}
		send := func(r *run) float64 {
			var points []point
			for _, of := range []string{"whole", "part 1", "part 2"} {
				points = append(points, point{of, begin, time.Now(), joules[of]})
			}
			total := map[string]float64{}
			for _, p := range pointsNamed(t, r.send(energy("hw.energy", cumulative, points...)), "hw.emissions") {
				total[p.device] = p.value
			}
			require.InDelta(t, total["whole"], total["part 1"]+total["part 2"], 1e-9, "after %v: %v", time.Since(begin), total)
			return total["whole"]
		}
		var want, got float64
		for i := range 12 * 60 * 2 {
			time.Sleep(30 * time.Second)
			load := 1e4 * (1 + math.Sin(float64(i)/50))
			joules["whole"] += load
			joules["part 1"] += load * float64(i%3) / 2
			joules["part 2"] += load * (1 - float64(i%3)/2)
			want, got = send(hindsight), send(r)
			switch after := time.Since(begin); {
			case after <= time.Hour, after > 11*time.Hour:
				require.InEpsilon(t, want, got, 1e-9, "after %v", after)
			case after == 11*time.Hour:
				require.Less(t, got, want-1)
				feed.Publish(grid.NewTimeline(all, 0, nil, always))
			}
		}
		assert.Empty(t, lost(t, telemetry))
	})
}

// It waits no longer than the source can know it, and makes room then.
func TestItDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, telemetry := observed(t)
		r := newRunOn(t, fakeGrid{"DE": learning(unknown())}, set, with(live, map[string]any{"max_streams": 2}))
		begin := time.Now()
		time.Sleep(time.Minute)
		r.send(energy("hw.energy", cumulative, point{"ended", begin, time.Now(), 1000}))
		r.send(energy("hw.energy", delta, point{"GPU-1", begin, time.Now(), 20}, point{"GPU-2", begin, time.Now(), 7}))
		assert.Equal(t, map[string]float64{"stream_limit": 7}, lost(t, telemetry))
		time.Sleep(47 * time.Hour)
		assert.Equal(t, map[string]float64{"stream_limit": 7}, lost(t, telemetry))
		time.Sleep(time.Hour + 20*time.Second)
		assert.Equal(t, map[string]float64{"stream_limit": 7, "no_factor": 1020}, lost(t, telemetry))
		time.Sleep(2 * time.Minute)
		r.send(energy("hw.energy", cumulative, point{"a", time.Now(), time.Now(), 0}, point{"b", time.Now(), time.Now(), 0}))
		point, err := telemetry.GetMetric("otelcol_carbonintensity.points.unconverted")
		assert.Error(t, err, "there is room: %v", point)
	})
}

// A stream that ended while its energy waits is told when that is known, as it would have been then.
func TestAStreamEndsWhileItWaits(t *testing.T) {
	year := grid.Fixed(200, "DE", grid.Lifecycle)
	for name, tc := range map[string]struct {
		before func() *grid.Timeline
		after  time.Duration // it is known
		quiet  time.Duration // until it is told
	}{
		"nothing is known of its time":             {unknown, 5 * time.Second, 65 * time.Second},
		"nothing is known of it for hours":         {unknown, 5 * time.Hour, 10 * time.Second},
		"its time has not been asked for yet":      {func() *grid.Timeline { return grid.NewTimeline(nil, 2, &year, time.Now().Add(100*time.Hour)) }, 5 * time.Second, 65 * time.Second},
		"its time is asked for and nobody answers": {func() *grid.Timeline { return grid.NewTimeline(nil, 2, &year, time.Now().Add(100*time.Hour)) }, 0, 70 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, telemetry := observed(t)
				feed, sink := learning(tc.before()), &refusing{}
				begin := time.Now()
				p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, set, live, sink)
				time.Sleep(25 * time.Second)
				pod := energy("workload.energy", cumulative, point{"pod", begin, time.Now(), 3.6e6})
				require.NoError(t, p.ConsumeMetrics(t.Context(), pod))
				assert.Empty(t, metricsNamed(sink.AllMetrics()[0], "workload.emissions"))
				time.Sleep(tc.after)
				if tc.after > 0 {
					feed.Publish(grid.NewTimeline(nil, 2, &year, always))
				}
				sink.Reset()
				sink.away.Store(true)
				time.Sleep(tc.quiet)
				assert.Empty(t, sink.AllMetrics())
				sink.away.Store(false)
				time.Sleep(10 * time.Second)
				require.Len(t, sink.AllMetrics(), 1, "once, though it was refused")
				md := sink.AllMetrics()[0]
				points := pointsNamed(t, md, "workload.emissions")
				require.Len(t, points, 2)
				assert.Equal(t, point{"pod", begin.UTC(), begin.UTC(), 0}, points[0])
				assert.Equal(t, begin.UTC(), points[1].start)
				assert.InEpsilon(t, 200.0, points[1].value, 1e-9)
				assert.Empty(t, metricsNamed(md, "workload.energy"), "the energy was told")

				// It is the stream that goes on if it comes back after all.
				sink.Reset()
				require.NoError(t, p.ConsumeMetrics(t.Context(), energy("workload.energy", cumulative, point{"pod", begin, time.Now(), 3.6e6})))
				assert.Equal(t, identities(sink.AllMetrics()[0], "workload.emissions"), identities(md, "workload.emissions"))
				assert.Equal(t, points[1].value, pointsNamed(t, sink.AllMetrics()[0], "workload.emissions")[0].value) //nolint:testifylint // exact: nothing was added
				assert.Empty(t, lost(t, telemetry))
				require.NoError(t, p.Shutdown(t.Context()))
			})
		})
	}
}

// identities are all that tells the streams of a metric from others.
func identities(md pmetric.Metrics, name string) map[string]bool {
	all := map[string]bool{}
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Name() != name {
					continue
				}
				for _, dp := range m.Sum().DataPoints().All() {
					one := pcommon.NewMap()
					rm.Resource().Attributes().CopyTo(one.PutEmptyMap("resource"))
					sm.Scope().Attributes().CopyTo(one.PutEmptyMap("scope"))
					dp.Attributes().CopyTo(one.PutEmptyMap("point"))
					one.PutStr("metric", sm.Scope().Name()+sm.Scope().Version()+m.Description()+m.Unit()+m.Sum().AggregationTemporality().String())
					value := pcommon.NewValueMap()
					one.CopyTo(value.Map())
					all[value.AsString()] = true
				}
			}
		}
	}
	return all
}

// A stop tells what is known, and counts what is not. With a storage it waits on.
func TestAStopWhileEnergyWaits(t *testing.T) {
	year := grid.Fixed(200, "DE", grid.Lifecycle)
	for name, tc := range map[string]struct {
		stored, full, known bool
		told, lost          float64 // g, J
	}{
		"nothing is known":                     {lost: 3.6e6},
		"it would do if nobody answered":       {known: true, told: 200},
		"with a storage":                       {stored: true, told: 400},
		"with a storage that is full":          {stored: true, full: true, lost: 3.6e6},
		"with one, and it would do":            {stored: true, known: true, told: 400},
		"with a full storage, and it would do": {stored: true, full: true, known: true, told: 200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, telemetry := observed(t)
				begin, memory, settings := time.Now(), &storetest.Memory{}, live
				if tc.stored {
					settings = kept
				}
				timeline := unknown()
				if tc.known {
					timeline = grid.NewTimeline(nil, 2, &year, begin.Add(100*time.Hour))
				}
				sink := &refusing{}
				g := fakeGrid{"DE": learning(timeline)}
				p := instance(t, keeping{storetest.Host(memory), g}, set, settings, sink)
				time.Sleep(20 * time.Second)
				require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("live", begin, time.Now(), 1.8e6)))
				require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("pod", begin, time.Now(), 1.8e6)))
				memory.Fill(tc.full)
				if err := p.Shutdown(t.Context()); tc.full {
					require.ErrorContains(t, err, "no space left")
				} else {
					require.NoError(t, err)
				}
				if tc.stored && !tc.full {
					time.Sleep(3 * time.Hour)
					g = fakeGrid{"DE": learning(unknown())}
					p = instance(t, keeping{storetest.Host(memory), g}, set, settings, sink)
					require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("live", begin, time.Now(), 1.8e6)))
					_, total := told(sink.AllMetrics())
					assert.Zero(t, total)
					time.Sleep(30 * time.Second)
					g["DE"].Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, begin, begin.Add(4*time.Hour), 400)}, 2, nil, always))
					require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("live", begin, time.Now(), 1.8e6)))
					_, total = told(sink.AllMetrics())
					assert.InEpsilon(t, 200.0, total, 1e-9, "the one that goes on")
					time.Sleep(time.Minute)
					require.NoError(t, p.Shutdown(t.Context()))
					assert.NotContains(t, memory.Content(), "/held/0")
				}
				_, total := told(sink.AllMetrics())
				assert.InDelta(t, tc.told, total, 1e-9)
				assert.InDelta(t, tc.lost, lost(t, telemetry)["no_factor"], 1e-9)
			})
		})
	}
}

// Where somebody else may have told of a stream since, what waits is counted, and not told.
func TestAStreamMovesWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, telemetry := observed(t)
		feed := learning(unknown())
		r := newRunOn(t, fakeGrid{"DE": feed}, set, with(live, map[string]any{"max_gap": "15s"}))
		begin := time.Now()
		time.Sleep(10 * time.Second)
		r.send(joulesAt("GPU-1", begin, time.Now(), 1000))
		time.Sleep(20 * time.Second)
		feed.Publish(known(said("DE", "a", grid.Measured, begin, begin.Add(time.Hour), 100)).Timeline())
		got := pointsNamed(t, r.send(joulesAt("GPU-1", begin, time.Now(), 3000)), "hw.emissions")
		require.Len(t, got, 1)
		assert.Zero(t, got[0].value)
		assert.Equal(t, map[string]float64{"gap": 3000}, lost(t, telemetry))
	})
}

// However much waits, and for however long, it takes little room, and no energy is lost.
func TestWhatIsHeldIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h held
		at, joules := pcommon.Timestamp(time.Now().UnixNano()), 0.0
		first, last := at, at
		for range rapid.IntRange(1, 2000).Draw(t, "readings") {
			if rapid.IntRange(0, 9).Draw(t, "known") == 0 {
				at += pcommon.Timestamp(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "for"))
			}
			until := at + pcommon.Timestamp(rapid.Int64Range(0, int64(10*time.Hour)).Draw(t, "length"))
			s := span{at, until, rapid.Float64Range(0, 1e6).Draw(t, "joules")}
			h.add(s)
			at, last, joules = until, until, joules+s.joules
			require.LessOrEqual(t, len(h.pieces), maxPieces)
		}
		require.InEpsilon(t, 1+joules, 1+h.joules(), 1e-9)
		for _, piece := range h.pieces {
			require.True(t, first <= piece.from && piece.from <= piece.until && piece.until <= last && piece.joules >= 0)
		}
	})
}

// All provenances of a stream live as long as some of its energy waits.
func TestProvenancesStayWhileEnergyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var values []grid.Value
		for i := range 5 {
			at := begin.Add(time.Duration(i) * time.Minute)
			values = append(values, said("DE", strconv.Itoa(i), grid.Measured, at, at.Add(time.Minute), 360))
		}
		feed := learning(grid.NewTimeline(values, 0, nil, always))
		sink := &refusing{}
		p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, nopSettings(), live, sink)
		for range 6 {
			time.Sleep(time.Minute)
			require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, time.Now(), 1e6*time.Since(begin).Seconds())))
		}
		time.Sleep(2 * time.Hour)
		last := values[4]
		last.Start, last.End = last.End, last.End.Add(10*time.Hour)
		feed.Publish(grid.NewTimeline(append(values, last), 0, nil, always))
		require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, time.Now(), 360e6)))
		synctest.Wait() // it may be told by itself at the same time
		all := sink.AllMetrics()
		now := 0.0
		for _, v := range grams(all[len(all)-1], "hw.emissions") {
			now += v
		}
		assert.InEpsilon(t, 36_000.0, now, 1e-9)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

// Of a stream that comes back while its energy is taken to be told, what waits since then waits on.
func TestEndedWhileItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		feed := learning(unknown())
		cfg := createDefaultConfig()
		require.NoError(t, confmap.NewFromStringMap(live).Unmarshal(cfg))
		p, err := newProcessor(cfg.(*Config), nopSettings(), consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, p.places.open(fakeGridHost{fakeGrid{"DE": feed}})) // without what tells by itself
		send := func(kWh float64) {
			_, err := p.processMetrics(t.Context(), joulesAt("a", begin, time.Now(), kWh*3.6e6))
			require.NoError(t, err)
		}
		time.Sleep(10 * time.Minute)
		send(1)
		time.Sleep(5 * time.Minute)
		feed.Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, begin, begin.Add(10*time.Minute), 360)}, 0, nil, always))
		due := p.places.location.ended(time.Now(), false)
		require.Len(t, due, 1)
		send(2)
		p.convertHeld(t.Context(), &due[0], time.Now(), false)
		for _, a := range p.places.location.accounts.All() {
			assert.True(t, a.waits)
		}
		require.NoError(t, p.shutdown(t.Context()))
	})
}
