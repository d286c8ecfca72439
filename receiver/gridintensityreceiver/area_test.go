// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// market is a fake grid that has prices.
type market struct {
	fakeGrid

	prices map[string]*grid.PriceFeed
	asked  []string
}

func newMarket(areas ...string) *market {
	m := &market{fakeGrid: *newFakeGrid(), prices: map[string]*grid.PriceFeed{}}
	for _, area := range areas {
		m.prices[area] = &grid.PriceFeed{}
	}
	return m
}

func (m *market) Prices(area string) (*grid.PriceFeed, error) {
	m.asked = append(m.asked, area)
	if f, ok := m.prices[area]; ok {
		return f, nil
	}
	return nil, errors.New("no provider has prices of it")
}

func (m *market) host() component.Host { return host{component.MustNewID("gridintensity"): m} }

func price(from, to int, area string, perKWh float64) grid.Price {
	return grid.Price{Start: at(from), End: at(to), Area: area, Currency: "EUR", PerKWh: perKWh}
}

// priced is a receiver of prices at work, after its first collection.
func priced(t *testing.T, m *market, areas ...string) *rig {
	t.Helper()
	r := newRig(t, func(c *Config) {
		c.PriceAreas = areas
		c.Horizons, c.Windows, c.Durations = nil, nil, nil
	})
	require.NoError(t, r.Start(t.Context(), m.host()))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	synctest.Wait()
	return r
}

func TestPriceOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket("DE-LU", "dk1")
		m.prices["DE-LU"].Publish([]grid.Price{price(-15, 2, "DE-LU", 0.081), price(2, 4, "DE-LU", -0.5), price(4, 6, "DE-LU", 0)})
		m.prices["dk1"].Publish([]grid.Price{price(0, 60, "DK1", 0.02)})
		r := priced(t, m, "DE-LU", "dk1")
		metric := r.last(t)["grid.price"]
		assert.Equal(t, "{currency}/(kW.h)", metric.Unit())
		first := metric.Gauge().DataPoints().At(0)
		assert.Equal(t, map[string]any{"currency": "EUR", "price.area": "DE-LU"}, first.Attributes().AsRaw())
		assert.Equal(t, noon, first.Timestamp().AsTime(), "its time is now")
		for _, want := range []float64{0.081, 0.081, -0.5, -0.5, 0, 0} {
			assert.Equal(t, map[string]float64{"DE-LU": want, "DK1": 0.02}, r.by(t, "grid.price", "price.area"))
			r.wait(1)
		}
	})
}

// No price is no point: not 0, not the last one.
func TestNoPrice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket("DK1")
		r := priced(t, m, "DK1")
		told := func() int { return r.logs.FilterField(zapMetric("grid.price")).Len() }
		skipped := func(n int64) {
			r.assertSkipped(t, map[[2]string]int64{{"DK1", "no_price"}: n, {"DE", "no_history"}: r.collections()})
		}
		assert.NotContains(t, r.last(t), "grid.price")
		skipped(1)
		assert.Zero(t, told(), "nobody was asked yet")
		m.prices["DK1"].Publish(nil)
		r.wait(2)
		skipped(3)
		assert.Equal(t, 1, told(), "once")
		assert.Equal(t, zap.WarnLevel, r.logs.FilterField(zapMetric("grid.price")).All()[0].Level)
		m.prices["DK1"].Publish([]grid.Price{price(0, 5, "DK1", 0.1)})
		r.wait(2)
		assert.InDelta(t, 0.1, r.only(t, "grid.price").DoubleValue(), 0)
		assert.Equal(t, 2, told(), "there again")
		r.wait(2)
		assert.NotContains(t, r.last(t), "grid.price", "its time is over")
		skipped(5)
		assert.Equal(t, 3, told())
	})
}

func TestPricesAreAskedForIfTheyAreSeen(t *testing.T) {
	m := newMarket("DK1")
	for _, change := range []func(*Config){
		nil,
		func(c *Config) { c.PriceAreas, c.Metrics.Metrics.GridPrice.Enabled = []string{"DK1"}, false },
	} {
		r := newRig(t, change)
		require.NoError(t, r.Start(t.Context(), m.host()))
		require.NoError(t, r.Shutdown(t.Context()))
	}
	assert.Empty(t, m.asked)
}

func TestPricesOfNobody(t *testing.T) {
	of := func(c *Config) { c.PriceAreas = []string{"DK1", "XX"} }
	require.EqualError(t, newRig(t, of).Start(t.Context(), newMarket("DK1").host()), "price_areas::1: no provider has prices of it")
	require.ErrorContains(t, newRig(t, of).Start(t.Context(), newFakeGrid().host()), `price_areas: "gridintensity" knows no prices`)
}

func (r *rig) collections() int64 { return int64(len(r.sink.AllMetrics())) }
