// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

func TestAge(t *testing.T) {
	f := feed(said(grid.Estimated, -60, 5, 300), said(grid.Forecast, 5, 3000, 200))
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, &fakeGrid{feeds: map[string]*grid.Feed{"DE": f}}, nil)
		age := func() float64 { return r.only(t, "grid.carbon_intensity.age").DoubleValue() }
		assert.Zero(t, age(), "the interval lasts")
		r.wait(5)
		assert.Zero(t, age(), "it ends now")
		r.wait(1)
		assert.InDelta(t, 60, age(), 0, "a forecast is no news")
		f.Publish(timeline(&year))
		r.wait(10)
		assert.InDelta(t, 660, age(), 0, "the source has forgotten it")
		assert.Equal(t, "static", r.only(t, "grid.carbon_intensity").Attributes().AsRaw()["carbon.data.quality"])

		other := said(grid.Measured, 10, 15, 100)
		other.Source = "b"
		f.Publish(timeline(&year, other))
		r.wait(1)
		assert.InDelta(t, 120, age(), 0, "minute 17")
		assert.Equal(t, map[string]any{"grid.zone": "DE", "carbon.source": "b"}, r.only(t, "grid.carbon_intensity.age").Attributes().AsRaw())

		f.Publish(timeline(&year, said(grid.Measured, 0, 12, 300)))
		r.wait(1)
		assert.InDelta(t, 180, age(), 0, "what is left is older")
	})
}

func TestPercentile(t *testing.T) {
	for name, tt := range map[string]struct {
		values []grid.Value
		window time.Duration
		want   map[string]float64
		known  float64
	}{
		"the highest of a day":     {[]grid.Value{said(grid.Measured, -1440, -60, 100), said(grid.Measured, -60, 60, 200)}, 24 * time.Hour, map[string]float64{"24h": 23.5 / 24}, 1},
		"the lowest of a day":      {[]grid.Value{said(grid.Measured, -1440, -60, 300), said(grid.Measured, -60, 60, 200)}, 24 * time.Hour, map[string]float64{"24h": 0.5 / 24}, 1},
		"nothing before it":        {[]grid.Value{said(grid.Measured, -9000, -1440, 100), said(grid.Measured, -1440, 60, 200)}, 24 * time.Hour, map[string]float64{"24h": 0.5}, 1},
		"carried from another one": {[]grid.Value{said(grid.Measured, -1440, -60, 100), said(grid.Measured, -60, -30, 200)}, 24 * time.Hour, map[string]float64{"24h": 23.25 / 23.5}, 23.5 / 24},
		"of what is known":         {[]grid.Value{said(grid.Measured, -1440, 0, 100), said(grid.Forecast, 0, 60, 200)}, 168 * time.Hour, map[string]float64{"168h": 1}, 24.0 / 168},
		"half a window":            {[]grid.Value{said(grid.Measured, -30, 0, 100), said(grid.Forecast, 0, 60, 200)}, time.Hour, map[string]float64{"1h": 1}, 0.5},
		"too little for a window":  {[]grid.Value{said(grid.Measured, -29, 0, 100), said(grid.Forecast, 0, 60, 200)}, time.Hour, map[string]float64{}, 29.0 / 60},
		"less than a day":          {[]grid.Value{said(grid.Measured, -1439, 0, 100), said(grid.Forecast, 0, 60, 200)}, 168 * time.Hour, map[string]float64{}, 1439.0 / (168 * 60)},
	} {
		t.Run(name, func(t *testing.T) {
			g := &fakeGrid{feeds: map[string]*grid.Feed{"DE": feed(tt.values...)}}
			synctest.Test(t, func(t *testing.T) {
				r := begin(t, g, func(c *Config) { c.Windows = []time.Duration{tt.window} })
				assert.InDeltaMapValues(t, tt.want, r.by(t, "grid.carbon_intensity.percentile", "window"), 1e-12)
				r.assertHistoryKnown(t, text(tt.window), tt.known)
			})
		})
	}
}

func TestHistoryIsAskedFor(t *testing.T) {
	wanted := func(change func(*Config)) (from time.Time) {
		f := feed(said(grid.Measured, -60, 60, 300))
		synctest.Test(t, func(t *testing.T) {
			begin(t, &fakeGrid{feeds: map[string]*grid.Feed{"DE": f}}, change)
			from = f.Wanted()
		})
		return from
	}
	assert.Equal(t, noon.Add(-168*time.Hour), wanted(nil).UTC())
	assert.Equal(t, noon.Add(-24*time.Hour), wanted(func(c *Config) { c.Windows = []time.Duration{time.Hour, 24 * time.Hour} }).UTC())
	assert.True(t, wanted(func(c *Config) { c.Windows = nil }).IsZero())
	assert.True(t, wanted(func(c *Config) { c.Metrics.Metrics.GridCarbonIntensityPercentile.Enabled = false }).IsZero())
}
