// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// static stands for the embedded yearly averages at the end of a chain. They belong to no interval: the extension
// takes grid.Static for the fallback of its timelines, and asks this provider for nothing.
var static = Type{
	Provenance: grid.Provenance{Boundary: grid.Lifecycle, Basis: grid.Production, Gas: grid.CO2e},
	Boundaries: []grid.Boundary{grid.Lifecycle, grid.Direct},
	Zone: func(zone string) (string, bool) {
		_, lifecycle := grid.Static(zone, grid.Lifecycle)
		_, direct := grid.Static(zone, grid.Direct)
		return zone, lifecycle == nil || direct == nil
	},
	Zones: "a country, such as DE, WORLD, an eGRID subregion, such as CAMX, or a cloud region",
	New:   func(Settings) (Provider, error) { return staticProvider{}, nil },
}

type staticProvider struct{}

func (staticProvider) Latest(context.Context, string) ([]grid.Value, error) {
	return nil, ErrNotOffered
}

func (staticProvider) History(context.Context, string, time.Time, time.Time) ([]grid.Value, error) {
	return nil, ErrNotOffered
}

func (staticProvider) Forecast(context.Context, string) ([]grid.Value, error) {
	return nil, ErrNotOffered
}
