// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// What Prometheus makes of a day in which one provider takes over from another, and of a pod of 30 seconds. If points are
// pushed, each stream comes with its beginning, and nothing is missing. One that scrapes does not see beginnings: of each
// provenance of a stream it may miss what was emitted before its first scrape, and no more.
func TestIncrease(t *testing.T) {
	const (
		collect = 10 * time.Second
		scrape  = 30 * time.Second
		watts   = 1000
	)
	for name, tc := range map[string]struct {
		lives, switches time.Duration
		missing         time.Duration // when scraped
	}{
		"a provenance switch": {time.Hour, 30 * time.Minute, scrape + collect},
		"a pod of 30 seconds": {30 * time.Second, time.Hour, scrape},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				r := newRunOn(t, fakeGridHost{fakeGrid{"DE": known(
					said("DE", "a", grid.Measured, begin, begin.Add(tc.switches), 360),
					said("DE", "b", grid.Measured, begin.Add(tc.switches), begin.Add(3*time.Hour), 360),
				)}}, nopSettings(), live)
				pushed, scraped := teststorage.New(t), teststorage.New(t)
				started := begin.Add(10 * time.Second)
				for at := begin; !at.After(begin.Add(tc.lives + 10*time.Second)); at = at.Add(collect) {
					time.Sleep(time.Until(at))
					used := max(at.Sub(started).Seconds(), 0)
					if used == 0 {
						continue
					}
					out := r.send(energy("workload.energy", cumulative, point{"GPU-1", started, at, watts * used}))
					keep(t, pushed, out, time.Time{})
					if at.Sub(begin)%scrape == 0 {
						keep(t, scraped, out, at)
					}
				}
				want := watts * tc.lives.Seconds() / joulesPerKWh * 360
				end := begin.Add(tc.lives + 11*time.Second)
				// Prometheus extends a series by up to half a step at each end.
				assert.InDelta(t, want, increase(t, pushed, end), watts*collect.Seconds()/joulesPerKWh*360)
				got := increase(t, scraped, end)
				assert.GreaterOrEqual(t, got, want-watts*tc.missing.Seconds()/joulesPerKWh*360)
				assert.LessOrEqual(t, got, want*1.01)
			})
		})
	}
}

// keep appends all points, or only the last of each stream as seen at a time.
func keep(t *testing.T, to *teststorage.TestStorage, md pmetric.Metrics, at time.Time) {
	t.Helper()
	appender := to.Appender(t.Context())
	for _, m := range metricsNamed(md, "workload.emissions") {
		for _, dp := range m.Sum().DataPoints().All() {
			when := dp.Timestamp().AsTime()
			if !at.IsZero() && when.Before(at) {
				continue
			}
			source, _ := dp.Attributes().Get("carbon.source")
			_, err := appender.Append(0, labels.FromStrings(model.MetricNameLabel, "grams", "source", source.Str()), when.UnixMilli(), dp.DoubleValue())
			require.NoError(t, err)
		}
	}
	require.NoError(t, appender.Commit())
}

func increase(t *testing.T, from *teststorage.TestStorage, at time.Time) float64 {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	query, err := engine.NewInstantQuery(t.Context(), from, nil, "sum(increase(grams[2h])) or vector(0)", at)
	require.NoError(t, err)
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	require.NoError(t, err)
	require.Len(t, vector, 1)
	return vector[0].F
}
