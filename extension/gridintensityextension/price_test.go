// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

// market is a scripted provider that has the prices of DE-LU and DK1 of the days that it is asked for: each hour as
// many sixteenths as it is of the day, less one.
type market struct {
	*scripted

	spoil    func(*grid.Price)
	told     int // times that it was asked
	from, to time.Time
}

func marketOf(t *testing.T, name string) *market {
	t.Helper()
	m := &market{scripted: script(t, name)}
	kind := provider.Types[name]
	kind.New = func(provider.Settings) (provider.Provider, error) { return m, nil }
	provider.Types[name] = kind
	return m
}

func (m *market) PriceAreas() []string { return []string{"DE-LU", "DK1"} }

func (m *market) Prices(ctx context.Context, area string, from, to time.Time) ([]grid.Price, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(m.takes):
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told++
	m.from, m.to = from, to
	var prices []grid.Price
	for start := from; start.Before(to); start = start.Add(time.Hour) {
		p := grid.Price{Start: start, End: start.Add(time.Hour), Area: area, Currency: m.name, PerKWh: float64(start.Hour()-1) / 16}
		if m.spoil != nil {
			m.spoil(&p)
		}
		prices = append(prices, p)
	}
	return prices, m.err
}

// priced is how often it was asked for prices, and of when.
func (m *market) priced() (times int, from, to time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told, m.from, m.to
}

func (m *market) questions() int {
	times, _, _ := m.priced()
	return times
}

func (h *harness) prices(area string) *grid.PriceFeed {
	h.t.Helper()
	feed, err := h.Prices(area)
	require.NoError(h.t, err)
	return feed
}

// costs is the price of now in sixteenths, and whose it is.
type costs struct {
	source     string
	sixteenths float64
}

func priceNow(f *grid.PriceFeed) costs {
	p, ok := f.At(time.Now())
	if !ok {
		return costs{}
	}
	return costs{p.Currency, p.PerKWh * 16}
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPricesOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		a := marketOf(t, "a")
		a.takes = time.Second
		h := run(t, storetest.Host(nil), nil)
		wait(time.Hour)
		require.Zero(t, a.questions(), "nobody wants to know")
		feed := h.prices("de-lu")
		require.Same(t, feed, h.prices("DE-LU"))
		synctest.Wait()
		require.False(t, feed.Asked())
		wait(a.takes)
		p, ok := feed.At(time.Now())
		require.True(t, ok)
		midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		assert.Equal(t, grid.Price{Start: midnight.Add(time.Hour), End: midnight.Add(2 * time.Hour), Area: "DE-LU", Currency: "a"}, p)
		_, from, to := a.priced()
		assert.Equal(t, midnight, from, "today")
		assert.Equal(t, midnight.Add(48*time.Hour), to, "and tomorrow")

		for hour := 2; hour < 50; hour++ {
			wait(time.Until(midnight.Add(time.Duration(hour)*time.Hour + time.Minute)))
			assert.Equal(t, costs{"a", float64(hour%24 - 1)}, priceNow(feed), "below 0 at midnight")
		}
		assert.InDelta(t, 49, a.questions(), 5, "once an hour")
		assert.Empty(t, h.rejected())
		assert.Zero(t, h.logs.Len())
		assert.Zero(t, a.asked(), "for intensities")
	})
}

func TestTheNextProviderHasPricesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script(t, "without")
		a, b := marketOf(t, "a"), marketOf(t, "b")
		h := run(t, storetest.Host(nil), nil)
		feed := h.prices("DK1")
		synctest.Wait()
		require.Equal(t, "a", priceNow(feed).source)
		require.Zero(t, b.questions(), "while the first answers")
		a.fail(&provider.Error{Reason: provider.Missing})
		wait(90 * time.Minute)
		assert.Equal(t, "b", priceNow(feed).source)
		assert.Equal(t, map[provider.Reason]int64{provider.Missing: 1}, h.rejected())
		a.fail(nil)
		wait(90 * time.Minute)
		assert.Equal(t, "a", priceNow(feed).source)
	})
}

// What was said of tomorrow stands; what was not said is not made up.
func TestPricesOutliveAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := marketOf(t, "a")
		h := run(t, storetest.Host(nil), nil)
		h.feed("DK1")
		feed := h.prices("DK1")
		wait(time.Minute)
		a.fail(&provider.Error{Reason: provider.Unavailable})
		wait(2*day - 2*time.Minute)
		assert.Equal(t, costs{"a", 22}, priceNow(feed))
		wait(time.Minute)
		assert.Equal(t, costs{}, priceNow(feed), "nothing is known of the third day")
		assert.Less(t, a.questions(), 2*24*7, "with patience")
		assert.Greater(t, a.questions(), 2*24)
		a.fail(nil)
		wait(15 * time.Minute)
		assert.Equal(t, costs{"a", -1}, priceNow(feed))
		about := h.logs.FilterField(zap.String("price.area", "DK1"))
		assert.Equal(t, 1, about.FilterMessageSnippet("no answer that can be used").Len(), "once")
		assert.Equal(t, 1, about.FilterMessageSnippet("answers again").Len())
	})
}

func TestPricesShareTheBreakerAndTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := marketOf(t, "a")
		a.err = &provider.Error{Reason: provider.Throttled, RetryAfter: 30 * time.Minute}
		h := run(t, storetest.Host(nil), nil)
		feed := h.prices("DE-LU")
		synctest.Wait()
		require.True(t, feed.Asked())
		require.Equal(t, costs{}, priceNow(feed))
		assert.Equal(t, map[string]int64{"a": 0}, h.healthy())
		h.feed("DE")
		wait(29 * time.Minute)
		assert.Equal(t, 1, a.questions())
		assert.Zero(t, a.asked(), "the other questions wait as well")

		a.fail(&provider.Error{Reason: provider.Unavailable})
		for h.healthy()["a"] == 1 || time.Now().Before(h.sources[0].restUntil()) {
			wait(10 * time.Second)
			require.Less(t, a.questions()+a.asked(), 10, "five in a row are enough")
		}
	})
}

func TestPricesThatCannotBe(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*grid.Price)
		known bool
	}{
		"high":          {func(p *grid.Price) { p.PerKWh = 5 }, true},
		"low":           {func(p *grid.Price) { p.PerKWh = -5 }, true},
		"zero":          {func(p *grid.Price) { p.PerKWh = 0 }, true},
		"per MWh":       {func(p *grid.Price) { p.PerKWh = 80 }, false},
		"per MWh, paid": {func(p *grid.Price) { p.PerKWh = -80 }, false},
		"not a number":  {func(p *grid.Price) { p.PerKWh = math.NaN() }, false},
		"endless":       {func(p *grid.Price) { p.PerKWh = math.Inf(1) }, false},
		"no time":       {func(p *grid.Price) { p.End = p.Start }, false},
		"all time":      {func(p *grid.Price) { p.End = p.Start.AddDate(1, 0, 0) }, false},
		"long ago":      {func(p *grid.Price) { p.Start, p.End = time.Unix(0, 0), time.Unix(3600, 0) }, false},
		"far away":      {func(p *grid.Price) { p.Start, p.End = p.Start.AddDate(0, 1, 0), p.End.AddDate(0, 1, 0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := marketOf(t, "a")
				a.spoil = tt.spoil
				h := run(t, storetest.Host(nil), nil)
				feed := h.prices("DE-LU")
				synctest.Wait()
				assert.Equal(t, tt.known, priceNow(feed) != costs{})
				want := map[provider.Reason]int64{}
				if !tt.known {
					want[provider.Absurd] = 48 + 1 // each, and the answer
				}
				assert.Equal(t, want, h.rejected())
			})
		})
	}
}

func TestPricesOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		marketOf(t, "a")
		h := run(t, storetest.Host(nil), func(c *Config) { c.MaxZones = 1 })
		_, err := h.Prices("DE")
		require.EqualError(t, err, `price area "DE": no provider has prices of it; there are a (DE-LU, DK1)`)
		h.prices("DK1")
		_, err = h.Prices("DE-LU")
		require.EqualError(t, err, `price area "DE-LU": there are max_zones: 1 already`)
	})
	synctest.Test(t, func(t *testing.T) {
		script(t, "without")
		h := run(t, storetest.Host(nil), nil)
		_, err := h.Prices("DE-LU")
		require.EqualError(t, err, `price area "DE-LU": no provider has prices; add one of type energycharts or energinet under providers`)
	})
}

func TestShutdownEndsTheAskingForPrices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := marketOf(t, "a")
		a.takes = 24 * time.Hour
		h := run(t, storetest.Host(nil), nil)
		feed := h.prices("DE-LU")
		wait(time.Minute)
		begin := time.Now()
		require.NoError(t, h.Shutdown(t.Context()))
		assert.Zero(t, time.Since(begin))
		assert.Zero(t, h.logs.Len())
		wait(48 * time.Hour)
		assert.Equal(t, costs{}, priceNow(feed))
	})
}
