// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadata"
)

// area is one that electricity has a price in.
type area struct {
	place

	feed *grid.PriceFeed
}

// openAreas lets the source ask for prices, if somebody is to see them.
func (s *gridScraper) openAreas(source grid.Source) error {
	if !s.cfg.Metrics.Metrics.GridPrice.Enabled || len(s.cfg.PriceAreas) == 0 {
		return nil
	}
	prices, ok := source.(grid.PriceSource)
	if !ok {
		return fmt.Errorf("price_areas: %q knows no prices; leave them out, or name a gridintensity extension under source", s.cfg.Source)
	}
	for i, name := range s.cfg.PriceAreas {
		feed, err := prices.Prices(name)
		if err != nil {
			return fmt.Errorf("price_areas::%d: %w", i, err)
		}
		s.areas = append(s.areas, &area{newPlace(name), feed})
	}
	return nil
}

func (s *gridScraper) price(ctx context.Context, a *area, now time.Time) {
	const name = "grid.price"
	p, ok := a.feed.At(now)
	if !ok {
		s.skip(ctx, &a.place, a.feed.Asked(), metadata.AttributeReasonNoPrice, name)
		return
	}
	s.builder.RecordGridPriceDataPoint(pcommon.NewTimestampFromTime(now), p.PerKWh, p.Currency, p.Area)
	s.made(&a.place, name)
}
