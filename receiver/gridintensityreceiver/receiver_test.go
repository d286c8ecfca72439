// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// A night of 200, a day of 500 with a lull of 100, of which the last hours are foretold. It is now noon, minute 0.
func wholeDay() *fakeGrid {
	return &fakeGrid{feeds: map[string]*grid.Feed{
		"DE": feed(
			said(grid.Measured, -48*60, -24*60, 200), said(grid.Estimated, -24*60, -60, 500), said(grid.Measured, -60, 30, 300),
			said(grid.Forecast, 30, 300, 500), said(grid.Forecast, 300, 420, 100), said(grid.Forecast, 420, 3000, 450)),
		"DEmarginal": grid.NewFeed(lifecycle, timeline(nil, said(grid.Estimated, -5, 5, 700))),
	}}
}

func marginal(c *Config) { c.Metrics.Metrics.GridCarbonIntensityMarginal.Enabled = true }

func TestEveryMetric(t *testing.T) {
	provenance := func(quality string, more ...string) map[string]any {
		attributes := map[string]any{
			"grid.zone": "DE", "carbon.source": "a", "carbon.data.quality": quality,
			"carbon.boundary": "lifecycle", "carbon.basis": "consumption", "carbon.gas": "co2e",
		}
		for i := 0; i < len(more); i += 2 {
			attributes[more[i]] = more[i+1]
		}
		return attributes
	}
	type point struct {
		value      float64
		attributes map[string]any
	}
	want := map[string]struct {
		unit   string
		points []point
	}{
		"grid.carbon_intensity":          {"g/(kW.h)", []point{{300, provenance("measured")}}},
		"grid.carbon_intensity.marginal": {"g/(kW.h)", []point{{700, provenance("estimated")}}},
		"grid.carbon_intensity.forecast": {"g/(kW.h)", []point{
			{500, provenance("forecast", "forecast.horizon", "1h")},
			{100, provenance("forecast", "forecast.horizon", "6h")},
			{450, provenance("forecast", "forecast.horizon", "24h")},
		}},
		"grid.carbon_intensity.age": {"s", []point{{0, map[string]any{"grid.zone": "DE", "carbon.source": "a"}}}},
		// 24 of the 48 hours had less, and the last one as much.
		"grid.carbon_intensity.percentile": {"1", []point{{24.5 / 48, map[string]any{"grid.zone": "DE", "carbon.source": "a", "window": "168h"}}}},
		"grid.greenest.start": {"s", []point{
			{float64(at(300).Unix()), map[string]any{"grid.zone": "DE", "duration": "1h"}},
			{float64(at(300).Unix()), map[string]any{"grid.zone": "DE", "duration": "4h"}},
		}},
		"grid.greenest.mean": {"g/(kW.h)", []point{
			{100, map[string]any{"grid.zone": "DE", "duration": "1h"}},
			{275, map[string]any{"grid.zone": "DE", "duration": "4h"}},
		}},
	}
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, wholeDay(), marginal)
		got := r.last(t)
		assert.Len(t, got, len(want))
		for name, want := range want {
			m := got[name]
			require.Equal(t, pmetric.MetricTypeGauge, m.Type(), name)
			assert.Equal(t, want.unit, m.Unit(), name)
			var points []point
			for _, dp := range m.Gauge().DataPoints().All() {
				points = append(points, point{dp.DoubleValue(), dp.Attributes().AsRaw()})
				assert.Equal(t, noon, dp.Timestamp().AsTime(), "%s: its time is now", name)
			}
			assert.Equal(t, want.points, points, name)
		}
		r.assertSkipped(t, nil)
		assert.Zero(t, r.logs.Len())
	})
}

func TestZoneOfYearlyAverages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, newFakeGrid(), nil)
		require.Len(t, r.last(t), 1)
		now := r.only(t, "grid.carbon_intensity")
		assert.InDelta(t, 400, now.DoubleValue(), 0)
		assert.Equal(t, map[string]any{
			"grid.zone": "DE", "carbon.source": "static", "carbon.data.quality": "static", "carbon.boundary": "lifecycle", "carbon.gas": "co2e",
		}, now.Attributes().AsRaw(), "the basis is not known")
		r.wait(2)
		require.Len(t, r.last(t), 1)
		r.assertSkipped(t, map[[2]string]int64{
			{"DE", "no_forecast"}: 3 * 3, {"DE", "no_window"}: 3 * 2, {"DE", "no_history"}: 3, {"DE", "static"}: 3,
		})
		assert.Equal(t, 4, r.logs.Len(), "once for each metric that is not there")
	})
}

func TestZeroIsAValue(t *testing.T) {
	g := &fakeGrid{feeds: map[string]*grid.Feed{"DE": feed(said(grid.Measured, -2*24*60, 0, 0), said(grid.Forecast, 0, 3000, 0))}}
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, g, nil)
		assert.Zero(t, r.only(t, "grid.carbon_intensity").DoubleValue())
		assert.Equal(t, map[string]float64{"1h": 0, "6h": 0, "24h": 0}, r.by(t, "grid.carbon_intensity.forecast", "forecast.horizon"))
		assert.Equal(t, map[string]float64{"1h": 0, "4h": 0}, r.by(t, "grid.greenest.mean", "duration"))
		assert.Equal(t, map[string]float64{"168h": 0.5}, r.by(t, "grid.carbon_intensity.percentile", "window"))
	})
}

// A gap in the forecast is no point: not 0, not the last value, not the year's average.
func TestGapInTheForecast(t *testing.T) {
	g := &fakeGrid{feeds: map[string]*grid.Feed{"DE": grid.NewFeed(lifecycle, timeline(&year,
		said(grid.Estimated, -60, 0, 300), said(grid.Forecast, 0, 70, 310), said(grid.Forecast, 1430, 1450, 290)))}}
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, g, nil)
		assert.Equal(t, map[string]float64{"1h": 310, "24h": 290}, r.by(t, "grid.carbon_intensity.forecast", "forecast.horizon"))
		assert.Equal(t, map[string]float64{"1h": 310}, r.by(t, "grid.greenest.mean", "duration"), "no 4 hours without a gap")
		r.assertSkipped(t, map[[2]string]int64{{"DE", "no_forecast"}: 1, {"DE", "no_window"}: 1, {"DE", "no_history"}: 1})
	})
}

func TestGreenestWindowIsWithinTheLongestHorizon(t *testing.T) {
	g := &fakeGrid{feeds: map[string]*grid.Feed{"DE": feed(said(grid.Forecast, -60, 360, 300), said(grid.Forecast, 360, 3000, 1))}}
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, g, func(c *Config) { c.Horizons = []time.Duration{6*time.Hour + 30*time.Minute, time.Hour} })
		assert.Equal(t, map[string]float64{"1h": float64(at(330).Unix()), "4h": float64(at(150).Unix())}, r.by(t, "grid.greenest.start", "duration"))
		r.wait(1)
		assert.Equal(t, map[string]float64{"1h": float64(at(331).Unix()), "4h": float64(at(151).Unix())}, r.by(t, "grid.greenest.start", "duration"))
	})
}

func TestNothingIsKnown(t *testing.T) {
	unknown := feed()
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, &fakeGrid{feeds: map[string]*grid.Feed{"DE": unknown}}, nil)
		r.wait(3)
		assert.Zero(t, r.sink.DataPointCount())
		lost := r.logs.FilterMessageSnippet("left out").FilterField(zapMetric("grid.carbon_intensity"))
		assert.Equal(t, 1, lost.Len(), "once")
		r.assertSkipped(t, map[[2]string]int64{
			{"DE", "unknown"}: 4 * 2, {"DE", "no_forecast"}: 4 * 3, {"DE", "no_window"}: 4 * 2, {"DE", "no_history"}: 4,
		})

		unknown.Publish(timeline(nil, said(grid.Measured, 0, 60, 300)))
		r.wait(2)
		assert.InDelta(t, 300, r.only(t, "grid.carbon_intensity").DoubleValue(), 0)
		assert.Equal(t, 1, r.logs.FilterMessageSnippet("made again").Len(), "once")
	})
}

// Before the source has asked anybody, it is no news that nothing is known.
func TestTheSourceHasNotAskedYet(t *testing.T) {
	late := grid.NewFeed(lifecycle, grid.NewTimeline(nil, 2, nil, time.Unix(0, math.MaxInt64)))
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, &fakeGrid{feeds: map[string]*grid.Feed{"DE": late}}, nil)
		r.wait(1)
		assert.Zero(t, r.sink.DataPointCount())
		assert.Zero(t, r.logs.Len())
		late.Publish(timeline(nil))
		r.wait(1)
		assert.NotZero(t, r.logs.Len())
	})
}

// An outage costs quality, and another source is another stream.
func TestQualityIsToldAndNeverBetterThanItIs(t *testing.T) {
	f := feed(said(grid.Measured, -60, 2, 300))
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, &fakeGrid{feeds: map[string]*grid.Feed{"DE": f}}, nil)
		tells := func(want ...string) {
			t.Helper()
			a := r.only(t, "grid.carbon_intensity").Attributes().AsRaw()
			assert.Equal(t, want, []string{a["carbon.source"].(string), a["carbon.data.quality"].(string), a["carbon.gas"].(string)})
		}
		tells("a", "measured", "co2e")
		r.wait(2)
		tells("a", "stale", "co2e")
		other := said(grid.Forecast, 0, 60, 100)
		other.Source, other.Gas = "b", grid.CO2
		f.Publish(timeline(nil, other))
		r.wait(1)
		tells("b", "forecast", "co2")
	})
}

func TestMetricsThatAreOff(t *testing.T) {
	off := func(c *Config) {
		m := &c.Metrics.Metrics
		m.GridCarbonIntensity.Enabled, m.GridCarbonIntensityAge.Enabled, m.GridCarbonIntensityForecast.Enabled = false, false, false
		m.GridCarbonIntensityPercentile.Enabled, m.GridGreenestStart.Enabled, m.GridGreenestMean.Enabled = false, false, false
	}
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, newFakeGrid(), off)
		assert.Zero(t, r.sink.DataPointCount())
		r.assertSkipped(t, nil)
	})
}

func TestMarginalIsNotOffered(t *testing.T) {
	g := wholeDay()
	delete(g.feeds, "DEmarginal")
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, g, marginal)
		r.wait(2)
		got := r.last(t)
		assert.NotContains(t, got, "grid.carbon_intensity.marginal")
		assert.Len(t, got, 6, "all else is there")
		r.assertSkipped(t, map[[2]string]int64{{"DE", "not_offered"}: 3})
		assert.Equal(t, 1, r.logs.FilterMessageSnippet("there is no grid.carbon_intensity.marginal").Len())
		assert.Equal(t, 1, r.logs.Len(), "once")
	})
}

func TestMarginalIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, wholeDay(), nil)
		assert.NotContains(t, r.last(t), "grid.carbon_intensity.marginal")
	})
}

// Two cloud regions can be one zone of the grid. It is published once: points with the same attributes are one stream.
func TestTwoNamesOfOneZone(t *testing.T) {
	g := newFakeGrid()
	g.feeds["eu-central-1"] = g.feeds["DE"]
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, g, func(c *Config) { c.Zones = []string{"DE", "eu-central-1"} })
		r.wait(1)
		assert.InDelta(t, 400, r.only(t, "grid.carbon_intensity").DoubleValue(), 0)
		assert.Equal(t, 1, r.logs.FilterField(zapMetric("grid.carbon_intensity")).Len())
		assert.Zero(t, r.logs.FilterMessageSnippet("again").Len())
	})
}

func TestZonesApart(t *testing.T) {
	g := wholeDay()
	france := said(grid.Measured, -3000, 60, 20)
	france.Zone = "FR"
	g.feeds["FR"] = feed(france)
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, g, func(c *Config) { c.Zones = []string{"FR", "DE"} })
		assert.Equal(t, map[string]float64{"DE": 300, "FR": 20}, r.by(t, "grid.carbon_intensity", "grid.zone"))
		assert.Equal(t, map[string]float64{"DE": 0, "FR": 0}, r.by(t, "grid.carbon_intensity.age", "grid.zone"))
		r.assertSkipped(t, map[[2]string]int64{{"FR", "no_forecast"}: 3, {"FR", "no_window"}: 1})
	})
}

func TestStartRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a source that is not there": {
			func(c *Config) { c.Source = component.MustNewIDWithName("gridintensity", "site") },
			`source: there is no extension "gridintensity/site"; list it under extensions and service::extensions`,
		},
		"another extension": {
			func(c *Config) { c.Source = component.MustNewID("pprof") },
			`source: "pprof" knows nothing of the grid; gridintensity is an extension that does`,
		},
		"a zone that the source does not have": {
			func(c *Config) { c.Zones = []string{"DE", "XX"} },
			`zones::1: no provider covers it`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tt.change)
			require.ErrorContains(t, r.Start(t.Context(), newFakeGrid().host()), tt.want)
			require.NoError(t, r.Shutdown(t.Context()))
		})
	}
}

func TestShutdown(t *testing.T) {
	never := newRig(t, nil)
	require.NoError(t, never.Shutdown(t.Context()), "without start")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		require.NoError(t, r.Start(t.Context(), newFakeGrid().host()))
		synctest.Wait()
		require.NoError(t, r.Shutdown(t.Context()))
		before := r.sink.DataPointCount()
		r.wait(5)
		require.Equal(t, before, r.sink.DataPointCount())
		require.NoError(t, r.Shutdown(t.Context()), "again")
	})
}
