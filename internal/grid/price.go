// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"slices"
	"sync/atomic"
	"time"
)

// PriceSource is a Source that knows what electricity costs as well.
type PriceSource interface {
	// Prices are those of a price area, in any case; the same area has the same feed. The error names what the
	// source's configuration lacks for it. It makes no request.
	Prices(area string) (*PriceFeed, error)
}

// Price is what electricity costs on the wholesale market from Start to just before End, without taxes and fees.
type Price struct {
	Start, End time.Time
	// Area is the bidding zone: the metric attribute price.area.
	Area string
	// Currency by its code in ISO 4217.
	Currency string
	// PerKWh may be below 0: who takes electricity then is paid for it.
	PerKWh float64
}

// PriceFeed has the prices of an area as they become known. Reading it takes no lock and makes no request. The zero
// value knows nothing.
type PriceFeed struct {
	prices atomic.Pointer[[]Price]
}

// Publish replaces what is known. Of prices for one time the first counts.
func (f *PriceFeed) Publish(prices []Price) {
	prices = slices.Clone(prices)
	f.prices.Store(&prices)
}

// Asked reports whether anything was published, be it that nothing is known.
func (f *PriceFeed) Asked() bool { return f.prices.Load() != nil }

// At is the price at a time; false if it is not known. No price stands in for that of another time.
func (f *PriceFeed) At(t time.Time) (Price, bool) {
	known := f.prices.Load()
	if known == nil {
		return Price{}, false
	}
	i := slices.IndexFunc(*known, func(p Price) bool { return !t.Before(p.Start) && t.Before(p.End) })
	if i < 0 {
		return Price{}, false
	}
	return (*known)[i], true
}
