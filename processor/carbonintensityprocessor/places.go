// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// place is what the emissions of a zone are counted by: location-based, and what else was asked for. The
// first one's edition labels the scope.
type place []*site

// book keeps the accounts of one kind of emissions: kinds are never added up.
type book struct {
	suffix   string // of the metric's name
	accounts *stream.Map[account]
	more     *stream.Map[moreSiblings]
}

func newBook(suffix string, maxStreams int) *book {
	return &book{suffix, stream.NewMap[account](maxStreams), stream.NewMap[moreSiblings](maxStreams)}
}

// places finds out where the resource of some energy is.
type places struct {
	config  *Config
	source  grid.Source // nil: the embedded yearly averages
	classes *classes
	logger  *zap.Logger

	location, marginal, market *book

	home   place // of resources that say nothing
	mu     sync.RWMutex
	byZone map[string]place // nil for what cannot be had
}

// open finds the source and the zones that the configuration names.
func (p *places) open(host component.Host) error {
	if id := p.config.Source; id != nil {
		var ok bool
		if p.source, ok = host.GetExtensions()[*id].(grid.Source); !ok {
			return fmt.Errorf("source: %q is no gridintensity extension that is listed under service::extensions", id)
		}
	}
	var kind *grid.Provenance
	for _, zone := range p.config.zones() {
		found, err := p.newPlace(zone)
		if err != nil {
			return err
		}
		of := found[0].feed.Of
		if kind == nil {
			kind = &of
		}
		if err := p.mixes(*kind, of, zone); err != nil {
			return err
		}
		p.byZone[strings.ToUpper(zone)] = found
	}
	p.home = p.byZone[strings.ToUpper(p.config.Zone)]
	return nil
}

// mixes refuses zones whose grams must not be added up.
func (p *places) mixes(a, b grid.Provenance, zone string) error {
	switch {
	case a.Boundary != b.Boundary && !slices.Contains(p.config.AllowMixing, "boundary"):
		return fmt.Errorf("zone %q counts %s emissions and others %s: choose one, or set allow_mixing: [boundary]", zone, b.Boundary, a.Boundary)
	case a.Gas != b.Gas && !slices.Contains(p.config.AllowMixing, "gas"):
		return fmt.Errorf("zone %q counts %s and others %s: choose one, or set allow_mixing: [gas]", zone, b.Gas, a.Gas)
	}
	return nil
}

func (p *places) books() []*book { return []*book{p.location, p.marginal, p.market} }

// of is nil if the resource is nowhere that is known.
func (p *places) of(resource pcommon.Resource) place {
	for i := range p.config.ZoneFrom {
		if zone, ok := p.config.ZoneFrom[i].zone(resource); ok {
			return p.at(zone)
		}
	}
	return p.home
}

// at opens zones as they are met. One that cannot be had counts as the default zone.
func (p *places) at(zone string) place {
	key := strings.ToUpper(zone)
	p.mu.RLock()
	found, ok := p.byZone[key]
	p.mu.RUnlock()
	if ok {
		return found
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok := p.byZone[key]; ok {
		return found
	}
	if len(p.byZone) >= maxZones {
		return p.home
	}
	found, err := p.newPlace(zone)
	if err == nil && p.home != nil {
		err = p.mixes(p.home[0].feed.Of, found[0].feed.Of, zone)
	}
	if err != nil {
		p.logger.Warn("the zone of a resource cannot be used: it counts as the default zone", zap.String("zone", zone), zap.String("default", p.config.Zone), zap.Error(err))
		found = p.home
	}
	p.byZone[key] = found
	return found
}

// maxZones is how many zones may be named by resources. Their text comes from outside.
const maxZones = 1000

func (p *places) newPlace(zone string) (place, error) {
	pue, loss, contract := p.config.PUE, p.config.Loss, (*float64)(nil)
	for name, s := range p.config.Sites {
		if strings.EqualFold(name, zone) {
			contract = s.MarketBased
			if s.PUE != 0 {
				pue = s.PUE
			}
			if s.Loss != nil {
				loss = *s.Loss
			}
		}
	}
	feed, err := p.feed(zone, grid.Average)
	if err != nil {
		return nil, err
	}
	if p.config.Revisions.HasValue() || p.config.SettleDelay > 0 {
		feed.Want(time.Now()) // what is said of the time from now on is asked for again
	}
	found := place{newSite(feed, pue, loss, p.classes, p.location)}
	if p.config.Marginal {
		feed, err := p.feed(zone, grid.Marginal)
		if err != nil {
			return nil, fmt.Errorf("marginal: %w", err)
		}
		found = append(found, newSite(feed, pue, loss, p.classes, p.marginal))
	}
	if contract != nil {
		fixed := grid.Fixed(*contract, zone, found[0].feed.Of.Boundary)
		fixed.Source = "contract"
		found = append(found, newSite(grid.NewFeed(fixed.Provenance, grid.Always(fixed)), pue, loss, p.classes, p.market))
	}
	return found, nil
}

func (p *places) feed(zone string, signal grid.Signal) (*grid.Feed, error) {
	if p.source != nil {
		return p.source.Feed(zone, signal)
	}
	intensity, err := p.config.intensity(zone)
	if err != nil {
		return nil, err
	}
	return grid.NewFeed(intensity.Provenance, grid.Always(intensity)), nil
}
