// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Pricer is a Provider that knows what electricity costs on the day-ahead market as well.
type Pricer interface {
	// PriceAreas are the service's ids of the bidding zones that it has prices of.
	PriceAreas() []string
	// Prices returns those of an area, by the service's id, from a time to just before another, as far as they are
	// known: those of tomorrow are from the afternoon on.
	Prices(ctx context.Context, area string, from, to time.Time) ([]grid.Price, error)
}

// perMWh is a price as markets name it.
func perMWh(area, currency string, start time.Time, length time.Duration, price float64) grid.Price {
	const kWh = 1000
	return grid.Price{Start: start.UTC(), End: start.Add(length).UTC(), Area: area, Currency: currency, PerKWh: price / kWh}
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// currencyPerMWh takes the currency out of a unit such as "EUR / MWh".
func currencyPerMWh(unit string) (string, error) {
	currency, energy, _ := strings.Cut(unit, "/")
	currency = strings.TrimSpace(currency)
	if !currencyCode.MatchString(currency) || strings.TrimSpace(energy) != "MWh" {
		return "", reject(Malformed, "the unit is %s, not like EUR / MWh", excerpt([]byte(unit)))
	}
	return currency, nil
}
