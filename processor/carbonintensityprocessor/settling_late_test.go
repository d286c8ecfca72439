// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

func total(all []pmetric.Metrics) float64 { _, sum := told(all); return sum }

// Readings may wait for longer than a stream may be silent, before and after a stop.
func TestSettledOverALongStop(t *testing.T) {
	for name, settings := range map[string]map[string]any{"at once": kept, "settled": with(kept, map[string]any{"settle_delay": "3h"})} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, m := time.Now(), &storetest.Memory{}
				g := fakeGrid{"DE": known(said("DE", "a", grid.Measured, begin.Add(-time.Hour), begin.Add(100*time.Hour), 360))}
				host := keeping{storetest.Host(m), g}
				sink := &refusing{}
				send := func(p consumer.Metrics) {
					require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, time.Now(), 1000*time.Since(begin).Seconds())))
				}
				p := instance(t, host, nopSettings(), settings, sink)
				for range 6 * 6 { // 6 h
					time.Sleep(10 * time.Minute)
					send(p)
				}
				require.NoError(t, p.Shutdown(t.Context()))
				time.Sleep(2 * time.Hour)
				p = instance(t, host, nopSettings(), settings, sink)
				for range 6 * 6 {
					send(p)
					time.Sleep(10 * time.Minute)
				}
				read := time.Now().Add(-10 * time.Minute)
				time.Sleep(3*time.Hour + time.Minute)
				require.NoError(t, p.Shutdown(t.Context()))
				assert.InEpsilon(t, 1000*read.Sub(begin).Seconds()/joulesPerKWh*360, total(sink.AllMetrics()), 1e-6)
			})
		})
	}
}

func TestSettledAfterALongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		g := fakeGrid{"DE": known(said("DE", "a", grid.Measured, begin.Add(-time.Hour), begin.Add(100*time.Hour), 360))}
		sink := &refusing{}
		p := instance(t, fakeGridHost{g}, nopSettings(), settled, sink)
		var read time.Time
		send := func(minutes int) {
			for range minutes {
				time.Sleep(time.Minute)
				read = time.Now()
				// the energy passes (to another pipeline); the emissions' backend is away
				away := sink.away.Load()
				sink.away.Store(false)
				require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, read, 1000*time.Since(begin).Seconds())))
				sink.away.Store(away)
			}
		}
		send(4 * 60)
		sink.away.Store(true)
		send(2 * 60)
		sink.away.Store(false)
		send(60)
		time.Sleep(4 * time.Hour)
		require.NoError(t, p.Shutdown(t.Context()))
		_, sum := told(sink.AllMetrics())
		assert.InEpsilon(t, 1000*read.Sub(begin).Seconds()/joulesPerKWh*360, sum, 1e-6)
	})
}

// Time does not go back for a stream of which some energy waited.
func TestSettledTimeDoesNotGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		feed := learning(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, begin, begin.Add(time.Hour), 360)}, 0, nil, always))
		sink := &refusing{}
		p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, nopSettings(), settled, sink)
		var last time.Time
		check := func() {
			for _, md := range sink.AllMetrics() {
				for _, q := range pointsNamed(t, md, "hw.emissions") {
					if q.time.Before(last) {
						t.Errorf("time goes back from %v to %v", last.Sub(begin), q.time.Sub(begin))
					}
					last = q.time
				}
			}
			sink.Reset()
		}
		for i := range 200 { // each 2 minutes
			time.Sleep(2 * time.Minute)
			require.NoError(t, p.ConsumeMetrics(t.Context(), joulesAt("a", begin, time.Now(), 1000*time.Since(begin).Seconds())))
			if i == 126 { // the source knows hours late, and the stream is not told of for more than a minute
				time.Sleep(30 * time.Second)
				feed.Publish(grid.NewTimeline([]grid.Value{said("DE", "a", grid.Measured, begin, begin.Add(100*time.Hour), 360)}, 0, nil, always))
			}
		}
		check()
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

// choosy takes energy, and refuses emissions while it has a reason.
type choosy struct {
	consumertest.MetricsSink

	refusal error
}

func (c *choosy) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if c.refusal != nil && len(metricsNamed(md, "hw.energy")) == 0 {
		return c.refusal
	}
	return c.MetricsSink.ConsumeMetrics(ctx, md)
}

// When it is full and the oldest emissions are refused for good, what is new is taken.
func TestFullOfWhatIsRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		feed := known(said("DE", "a", grid.Measured, begin, begin.Add(100*time.Hour), 360))
		sink := &choosy{}
		cfg := with(settled, map[string]any{"settle_max_bytes": 400})
		p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, nopSettings(), cfg, sink)
		for i := range 6 {
			from := time.Now()
			time.Sleep(10 * time.Second)
			if sink.refusal = nil; i == 2 {
				sink.refusal = consumererror.NewPermanent(errors.New("too old"))
			}
			require.NoError(t, p.ConsumeMetrics(t.Context(), energy("hw.energy", delta, point{"a", from, time.Now(), 1000})))
		}
		sink.refusal = nil
		require.NoError(t, p.Shutdown(t.Context()))
		assert.InEpsilon(t, 5*0.1, total(sink.AllMetrics()), 1e-9, "all but the one that was refused for good")
	})
}

// Energy that has passed is not refused when its copy cannot be kept: a sender would send it again.
func TestDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, m := time.Now(), &storetest.Memory{}
		g := fakeGrid{"DE": known(said("DE", "a", grid.Measured, begin, begin.Add(100*time.Hour), 360))}
		sink := &refusing{}
		p := instance(t, keeping{storetest.Host(m), g}, nopSettings(), with(kept, map[string]any{"settle_delay": "3h"}), sink)
		time.Sleep(10 * time.Second)
		m.Fill(true)
		for range 3 { // a sender that tries again
			if err := p.ConsumeMetrics(t.Context(), energy("hw.energy", delta, point{"a", begin, begin.Add(10 * time.Second), 1000})); err == nil {
				break
			}
		}
		m.Fill(false)
		passed := 0.0
		for _, md := range sink.AllMetrics() {
			for _, q := range pointsNamed(t, md, "hw.energy") {
				passed += q.value
			}
		}
		assert.InEpsilon(t, 1000.0, passed, 1e-9)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

// What is refused, as nothing more can wait, has not passed: it is sent again.
func TestFullWhileTheBackendIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		feed := known(said("DE", "a", grid.Measured, begin, begin.Add(100*time.Hour), 360))
		sink := &choosy{refusal: errors.New("away")}
		p := instance(t, fakeGridHost{fakeGrid{"DE": feed}}, nopSettings(), with(settled, map[string]any{"settle_max_bytes": 400}), sink)
		taken, refused := 0, 0
		for range 6 {
			from := time.Now()
			time.Sleep(10 * time.Second)
			if p.ConsumeMetrics(t.Context(), energy("hw.energy", delta, point{"a", from, time.Now(), 1000})) == nil {
				taken++
			} else {
				refused++
			}
		}
		assert.NotZero(t, refused)
		assert.Len(t, sink.AllMetrics(), taken)
		sink.refusal = nil
		require.NoError(t, p.Shutdown(t.Context()))
	})
}
