// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"
)

// Price is that of the day-ahead market from Start on, for as long as the market's interval is.
type Price struct {
	Start time.Time
	// EURPerMWh is null if nil.
	EURPerMWh *float64
}

// PublishPrices adds prices to an area, by the API's own id: EnergyCharts and Energinet only. A price replaces the one
// with the same Start. It is there at once, since it is of an auction.
func (s *Server) PublishPrices(api API, area string, prices ...Price) {
	s.tb.Helper()
	state := s.state(api)
	require.Contains(s.tb, []API{EnergyCharts, Energinet}, api, "%s has no prices here", api)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range prices {
		state.prices[area] = append(slices.DeleteFunc(state.prices[area], func(old Price) bool { return old.Start.Equal(p.Start) }), p)
	}
}

// prices of an area that begin in [from, to), in the order of time unless that is a fault.
func (q *query) prices(area string, from, to time.Time) []Price {
	var prices []Price
	for _, p := range q.state.prices[area] {
		if p.Start.Before(from) || !p.Start.Before(to) {
			continue
		}
		p.Start = p.Start.UTC().Add(q.effects.skew)
		if q.effects.nulls {
			p.EURPerMWh = nil
		}
		prices = append(prices, p)
	}
	slices.SortFunc(prices, func(a, b Price) int { return a.Start.Compare(b.Start) })
	return distort(q.effects, prices)
}
