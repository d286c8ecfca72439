// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPriceFeed(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	price := func(from, to int, perKWh float64) Price {
		return Price{Start: at(from), End: at(to), Area: "DE-LU", Currency: "EUR", PerKWh: perKWh}
	}
	var f PriceFeed
	require.False(t, f.Asked())
	_, ok := f.At(start)
	require.False(t, ok)

	f.Publish(nil)
	require.True(t, f.Asked())
	_, ok = f.At(start)
	require.False(t, ok)

	prices := []Price{price(30, 45, -0.01), price(0, 15, 0), price(15, 30, 0.12), price(0, 30, 9)}
	f.Publish(prices)
	prices[0].PerKWh = 9
	for minutes, want := range map[int]float64{0: 0, 14: 0, 15: 0.12, 29: 0.12, 30: -0.01, 44: -0.01} {
		p, ok := f.At(at(minutes))
		require.True(t, ok, minutes)
		assert.InDelta(t, want, p.PerKWh, 0, minutes)
		assert.Equal(t, "DE-LU EUR", p.Area+" "+p.Currency)
	}
	for _, minutes := range []int{-1, 45, 1000} {
		_, ok := f.At(at(minutes))
		assert.False(t, ok, "minute %d: no price stands in for another", minutes)
	}
}

func TestAPriceHoldsAtItsTimeOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		second := rapid.Int64Range(0, 1000)
		var prices []Price
		for range rapid.IntRange(0, 10).Draw(t, "prices") {
			from := second.Draw(t, "from")
			prices = append(prices, Price{Start: time.Unix(from, 0), End: time.Unix(from+second.Draw(t, "length"), 0), PerKWh: rapid.Float64().Draw(t, "price")})
		}
		var f PriceFeed
		f.Publish(prices)
		now := time.Unix(second.Draw(t, "now"), 0)
		p, ok := f.At(now)
		if ok {
			require.Contains(t, prices, p)
			require.False(t, now.Before(p.Start) || !now.Before(p.End))
			return
		}
		for _, p := range prices {
			require.True(t, now.Before(p.Start) || !now.Before(p.End))
		}
	})
}

func TestPricesAreReadWhileTheyArePublished(t *testing.T) {
	var f PriceFeed
	var wg sync.WaitGroup
	now := time.Now()
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				f.Publish([]Price{{Start: now, End: now.Add(time.Hour), PerKWh: float64(i)}})
				_, ok := f.At(now)
				assert.True(t, ok)
			}
		})
	}
	wg.Wait()
}
