// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/provider"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

const (
	// reprice is how often prices are asked for: those of a day are there from the afternoon before.
	reprice = time.Hour
	day     = 24 * time.Hour
	// highestPrice of a kWh, in any direction. The European auction ends at 4 or 5 EUR (SDAC, harmonised maximum
	// clearing price); more is in another unit.
	highestPrice = 10
)

// area keeps the prices of one bidding zone, in a goroutine of its own.
type area struct {
	feed  grid.PriceFeed
	links []priceLink
	retry backoff.ExponentialBackOff
}

// priceLink is a provider's place in the chain of an area.
type priceLink struct {
	*source
	provider.Pricer

	id string // of the area
}

// Prices begins to ask for an area that was not asked for before.
func (e *gridIntensity) Prices(name string) (*grid.PriceFeed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := strings.ToUpper(name)
	if a, ok := e.areas[key]; ok {
		return &a.feed, nil
	}
	if len(e.areas) >= e.config.MaxZones {
		return nil, fmt.Errorf("price area %q: there are max_zones: %d already", name, e.config.MaxZones)
	}
	a, err := e.newArea(name)
	if err != nil {
		return nil, err
	}
	e.areas[key] = a
	e.running.Go(func() { a.run(e.ctx) })
	return &a.feed, nil
}

// newArea links the providers that have prices of the area.
func (e *gridIntensity) newArea(name string) (*area, error) {
	a := &area{retry: backoff.ExponentialBackOff{
		InitialInterval: 5 * time.Second, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 10 * time.Minute,
	}}
	var covered []string
	for _, s := range e.sources {
		pricer, ok := s.provider.(provider.Pricer)
		if !ok {
			continue
		}
		ids := pricer.PriceAreas()
		covered = append(covered, s.config.Name+" ("+strings.Join(ids, ", ")+")")
		if i := slices.IndexFunc(ids, func(id string) bool { return strings.EqualFold(id, name) }); i >= 0 {
			a.links = append(a.links, priceLink{s, pricer, ids[i]})
		}
	}
	switch {
	case len(covered) == 0:
		return nil, fmt.Errorf("price area %q: no provider has prices; add one of type energycharts or energinet under providers", name)
	case len(a.links) == 0:
		return nil, fmt.Errorf("price area %q: no provider has prices of it; there are %s", name, strings.Join(covered, ", "))
	}
	return a, nil
}

func (a *area) run(ctx context.Context) {
	for {
		wait := a.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// refresh asks the first provider that answers, and no other, and returns for how long to wait. What was known is kept
// as long as nobody does.
func (a *area) refresh(ctx context.Context) time.Duration {
	for _, l := range a.links {
		if prices, err := l.prices(ctx); err == nil {
			a.feed.Publish(prices)
			a.retry.Reset()
			return reprice*9/10 + rand.N(reprice/5) //nolint:gosec // needs no secrecy
		}
	}
	if !a.feed.Asked() {
		a.feed.Publish(nil)
	}
	return a.retry.NextBackOff()
}

// prices are those of today and tomorrow. The market's days begin in the evening, so the days of UTC have the one
// that it is now.
func (l *priceLink) prices(ctx context.Context) (prices []grid.Price, err error) {
	today := time.Now().UTC().Truncate(day)
	err = l.send(ctx, zap.String("price.area", l.id), "prices", func() (err error) {
		prices, err = l.Prices(ctx, l.id, today, today.Add(2*day))
		return err
	}, func() (err error) {
		prices, err = kept(ctx, l.source, prices, implausiblePrice)
		return err
	})
	return prices, err
}

func implausiblePrice(p grid.Price, now time.Time) provider.Reason {
	if math.IsNaN(p.PerKWh) || math.Abs(p.PerKWh) > highestPrice || !possible(p.Start, p.End, now.Add(farthest)) {
		return provider.Absurd
	}
	return ""
}
