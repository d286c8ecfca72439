// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

var settled = with(live, map[string]any{"settle_delay": "3h"})

// told are the last values of the streams of hw.emissions, by device and start, and their sum.
func told(all []pmetric.Metrics) (by map[point]float64, total float64) {
	by = map[point]float64{}
	for _, md := range all {
		for _, m := range metricsNamed(md, "hw.emissions") {
			for _, dp := range m.Sum().DataPoints().All() {
				device, _ := dp.Attributes().Get("hw.id")
				by[point{device: device.Str(), start: dp.StartTimestamp().AsTime()}] = dp.DoubleValue()
			}
		}
	}
	for _, grams := range by {
		total += grams
	}
	return by, total
}

func instance(t *testing.T, host component.Host, set processor.Settings, settings map[string]any, sink consumer.Metrics) processor.Metrics {
	t.Helper()
	cfg := createDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(settings).Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	p, err := NewFactory().CreateMetrics(t.Context(), set, cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), host))
	return p
}

// refusing is a backend that may be away.
type refusing struct {
	consumertest.MetricsSink

	away atomic.Bool
}

func (r *refusing) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if r.away.Load() {
		return errors.New("away")
	}
	return r.MetricsSink.ConsumeMetrics(ctx, md)
}

func joulesAt(device string, start, at time.Time, joules float64) pmetric.Metrics {
	return energy("hw.energy", cumulative, point{device, start, at, joules})
}

// Energy passes at once. Its emissions are told when they are settled: also of a stream that has ended.
func TestEmissionsWaitUntilTheyAreSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		feed := known(said("DE", "a", grid.Forecast, begin, begin.Add(time.Hour), 360))
		sink := &refusing{}
		p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, nopSettings(), settled, sink)
		time.Sleep(10 * time.Second)
		for range 6 {
			at := time.Now()
			require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("ended", begin, at, 1000*at.Sub(begin).Seconds())))
			time.Sleep(10 * time.Second)
		}
		by, _ := told(sink.AllMetrics())
		assert.Empty(t, by)
		require.Len(t, sink.AllMetrics(), 6, "the energy has passed")
		assert.Equal(t, begin, feed.Wanted().Local(), "what is said of this time is asked for again")

		feed.Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, begin, begin.Add(time.Hour), 720)}, 2, nil, always))
		time.Sleep(3*time.Hour - 55*time.Second)
		by, total := told(sink.AllMetrics())
		require.Len(t, by, 1)
		assert.InEpsilon(t, 10_000/joulesPerKWh*720, total, 1e-12, "the first reading is due")
		time.Sleep(time.Minute)
		by, total = told(sink.AllMetrics())
		require.Len(t, by, 1)
		assert.InEpsilon(t, 60_000/joulesPerKWh*720, total, 1e-12)
		last := sink.AllMetrics()[len(sink.AllMetrics())-1]
		assert.Equal(t, begin.Add(time.Minute).UTC(), pointsNamed(t, last, "hw.emissions")[0].time, "it has the time of its energy")
		assert.Empty(t, metricsNamed(last, "hw.energy"), "the energy is told once")
		assert.Equal(t, map[[3]string]float64{{"DE", "a", "measured"}: total}, grams(last, "hw.emissions"))
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

type fakeGridHost struct{ fakeGrid }

// Without a storage, a stop tells what waits, as well as it is known.
func TestAStopTellsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		telemetry := componenttest.NewTelemetry()
		set := nopSettings()
		set.TelemetrySettings = telemetry.NewTelemetrySettings()
		begin, sink := time.Now(), &refusing{}
		p := instance(t, fakeGridHost{fakeGrid{"DE": known(said("DE", "a", grid.Forecast, begin, begin.Add(time.Hour), 360))}}, set, settled, sink)
		time.Sleep(time.Minute)
		require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, time.Now(), 60_000)))
		sink.away.Store(true)
		require.ErrorContains(t, p.Shutdown(t.Context()), "not told: away")

		sink = &refusing{}
		p = instance(t, fakeGridHost{fakeGrid{"DE": known(said("DE", "a", grid.Forecast, begin, begin.Add(time.Hour), 360))}}, set, settled, sink)
		start := time.Now()
		time.Sleep(time.Minute)
		require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", start, time.Now(), 60_000)))
		require.NoError(t, p.Shutdown(t.Context()))
		_, total := told(sink.AllMetrics())
		assert.InEpsilon(t, 60_000/joulesPerKWh*360, total, 1e-12)
		early, err := telemetry.GetMetric("otelcol_carbonintensity.settling.early")
		require.NoError(t, err)
		require.NotNil(t, early)
		require.NoError(t, telemetry.Shutdown(t.Context()))
	})
}

// What waits in a storage is told by the next process, whether this one stops or is killed; nothing twice.
func TestWhatWaitsSurvives(t *testing.T) {
	for name, killed := range map[string]bool{"stopped": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, memory := time.Now(), &storetest.Memory{}
				settings := with(settled, map[string]any{"storage": "file_storage", "settle_delay": "1h"})
				grid := fakeGrid{"DE": known(said("DE", "a", grid.Measured, begin, begin.Add(9*time.Hour), 720))}
				sink := &refusing{}
				feed := func(p processor.Metrics, minutes int) {
					for range minutes {
						time.Sleep(time.Minute)
						at := time.Now()
						require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, at, 1000*at.Sub(begin).Seconds())))
					}
				}
				first := instance(t, keeping{storetest.Host(memory), grid}, nopSettings(), settings, sink)
				feed(first, 90)
				if killed {
					synctest.Wait() // nothing is half told
					memory = memory.Copy()
				}
				defer func() {
					if killed {
						require.NoError(t, first.Shutdown(t.Context()))
					}
				}()
				if !killed {
					require.NoError(t, first.Shutdown(t.Context()))
				}
				before := sink.AllMetrics()
				next := &refusing{}
				second := instance(t, keeping{storetest.Host(memory), grid}, nopSettings(), settings, next)
				feed(second, 30)
				used := 1000 * time.Since(begin).Seconds()
				time.Sleep(time.Hour + 10*time.Second)
				by, total := told(append(before, next.AllMetrics()...))
				starts := 1
				if killed {
					starts = 2
				}
				require.Len(t, by, starts)
				assert.InEpsilon(t, used/joulesPerKWh*720, total, 1e-9)
				require.NoError(t, second.Shutdown(t.Context()))
				waits, err := whatWaits(t.Context(), memory)
				require.NoError(t, err)
				assert.Equal(t, waiting{120, 120, 0}, waits)
				assert.LessOrEqual(t, len(memory.Content()), 4, "what is told is not kept")
			})
		})
	}
}

// A pod that began and ended while its emissions wait is told by the next process, though that began later. What was told
// of a stream before is not told again.
func TestAPodThatWaitsIsToldAfterARestart(t *testing.T) {
	for name, tc := range map[string]struct{ others, killed, spoilt bool }{
		"stopped":                         {},
		"stopped, after others were told": {others: true},
		"killed":                          {killed: true},
		"killed, after others were told":  {others: true, killed: true},
		"its totals cannot be used":       {others: true, spoilt: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, memory := time.Now(), &storetest.Memory{}
				settings := with(settled, map[string]any{"storage": "file_storage", "settle_delay": "1h"})
				var values []grid.Value
				for i := range 80 {
					at := begin.Add(time.Duration(i) * time.Minute)
					values = append(values, said("DE", "a", grid.Measured, at, at.Add(time.Minute), float64(900-10*i)))
				}
				g := fakeGrid{"DE": known(values...)}
				sink, next := &refusing{}, &refusing{}
				p := instance(t, keeping{storetest.Host(memory), g}, nopSettings(), settings, sink)
				time.Sleep(time.Minute)
				want := 0.0
				for i := 1; i < 10; i++ {
					time.Sleep(time.Minute)
					want += 60_000 / joulesPerKWh * values[i].GramsPerKWh
					require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("older", begin.Add(time.Minute), time.Now(), 60_000*float64(i))))
				}
				if tc.others {
					time.Sleep(56 * time.Minute)
				}
				pod := time.Now()
				time.Sleep(30 * time.Second)
				require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("pod", pod, time.Now(), joulesPerKWh))) // its last joules too
				want += values[int(pod.Sub(begin).Minutes())].GramsPerKWh
				left, before := memory.Copy(), sink.AllMetrics()
				require.NoError(t, p.Shutdown(t.Context()))
				if !tc.killed {
					left = memory
				}
				if tc.spoilt {
					require.NoError(t, left.Set(t.Context(), indexKey, []byte("?")))
				}
				p = instance(t, keeping{storetest.Host(left), g}, nopSettings(), settings, next)
				time.Sleep(2 * time.Hour)
				by, total := told(append(before, next.AllMetrics()...))
				assert.InEpsilon(t, want, total, 1e-9, "%v", by)
				assert.Equal(t, tc.others, len(before) > 10, "others were told")
				require.NoError(t, p.Shutdown(t.Context()))
			})
		})
	}
}

// A backend that is away gets what settled meanwhile; energy that it refused is sent again, and not counted twice.
func TestSettledWhileTheBackendIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, sink := time.Now(), &refusing{}
		p := instance(t, fakeGridHost{fakeGrid{"DE": known(said("DE", "a", grid.Measured, begin, begin.Add(9*time.Hour), 720))}}, nopSettings(), settled, sink)
		delta := func() pmetric.Metrics { return energy("hw.energy", delta, point{"a", begin, time.Now(), 60_000}) }
		time.Sleep(time.Minute)
		require.NoError(t, p.ConsumeMetrics(t.Context(), delta()))
		sink.away.Store(true)
		require.Error(t, p.ConsumeMetrics(t.Context(), delta()))
		time.Sleep(4 * time.Hour)
		sink.away.Store(false)
		time.Sleep(time.Minute)
		_, total := told(sink.AllMetrics())
		assert.InEpsilon(t, 60_000/joulesPerKWh*720, total, 1e-12)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

func TestWhatWaitsIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, sink := time.Now(), &refusing{}
		settings := with(settled, map[string]any{"settle_max_bytes": 1000})
		p := instance(t, fakeGridHost{fakeGrid{"DE": known(said("DE", "a", grid.Measured, begin, begin.Add(9*time.Hour), 720))}}, nopSettings(), settings, sink)
		for range 60 {
			time.Sleep(time.Minute)
			at := time.Now()
			require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, at, 1000*at.Sub(begin).Seconds())))
		}
		_, total := told(sink.AllMetrics())
		assert.Greater(t, total, 3_000_000/joulesPerKWh*720, "told early")
		require.NoError(t, p.Shutdown(t.Context()))
		_, total = told(sink.AllMetrics())
		assert.InEpsilon(t, 3_600_000/joulesPerKWh*720, total, 1e-9)
	})
}

func TestWhatWaitsIsNotForgottenInSilence(t *testing.T) {
	content := map[string][]byte{waitingKey: []byte(`{"begin":3,"end":7,"bytes":99}`)}
	for of, tc := range map[string]struct {
		settings map[string]any
		content  map[string][]byte
		says     string
	}{
		"taken out":  {live, content, "set it again"},
		"unreadable": {settled, map[string][]byte{waitingKey: []byte("?")}, "cannot be read"},
	} {
		t.Run(of, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			set := nopSettings()
			set.Logger = zap.New(core)
			host := keeping{storetest.Host(storetest.With(tc.content)), fakeGrid{"DE": known()}}
			p := instance(t, host, set, with(tc.settings, map[string]any{"storage": "file_storage"}), &refusing{})
			assert.Equal(t, 1, logs.FilterMessageSnippet(tc.says).Len(), "%v", logs.All())
			require.NoError(t, p.Shutdown(t.Context()))
		})
	}
}

func TestSettlingIsRefused(t *testing.T) {
	for want, settings := range map[string]map[string]any{
		"settle_delay: 1s: must be from 1m to 720h0m0s": with(live, map[string]any{"settle_delay": "1s"}),
		"settle_delay: 3h0m0s: yearly averages":         {"zone": "DE", "settle_delay": "3h"},
		"take revisions out":                            with(settled, map[string]any{"revisions": map[string]any{}}),
		"settle_max_bytes: 0: must be at least 1":       with(settled, map[string]any{"settle_max_bytes": 0}),
		"max_gap: -1s: must be above 0s":                {"zone": "DE", "max_gap": "-1s"},
	} {
		require.ErrorContains(t, validated(settings), want)
	}
}
