// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// place is where the resource of some energy is.
type place struct {
	// sites are what its emissions are counted by: location-based, and what else was asked for. The first one's edition
	// labels the scope.
	sites []*site
	// instead is why it stands in for another place; nil if it does not.
	instead metric.AddOption
}

// Why points count as the default zone's.
var (
	unusable = because("zone")
	noRoom   = because("zone_limit")
)

func because(reason string) metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", reason)))
}

// book keeps the accounts of one kind of emissions: kinds are never added up.
type book struct {
	suffix   string // of the metric's name
	unknown  reason // why there are none of some energy, if nothing is known of its time
	accounts *stream.Map[account]
	more     *stream.Map[moreSiblings]
	held     *stream.Map[held]
}

func newBook(suffix string, unknown reason, maxStreams int) *book {
	return &book{
		suffix, unknown, stream.NewMap[account](maxStreams), stream.NewMap[moreSiblings](maxStreams), stream.NewMap[held](maxStreams),
	}
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
	byZone map[string]place
	full   bool // it was said that no more zones are opened
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
		found, err := p.newPlace(zone, true)
		if err != nil {
			return err
		}
		of := found.sites[0].feed.Of
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
		if !p.full {
			p.full = true
			p.logger.Warn("resources name more zones than are opened: the others count as the default zone (logged once, counted in carbonintensity.points.misplaced)",
				zap.String("zone", zone), zap.String("default", p.config.Zone), zap.Int("limit", maxZones))
		}
		return place{p.home.sites, noRoom}
	}
	found, err := p.newPlace(zone, false)
	if err == nil {
		err = p.mixes(p.home.sites[0].feed.Of, found.sites[0].feed.Of, zone)
	}
	if err != nil {
		p.logger.Warn("the zone of a resource cannot be used: it counts as the default zone", zap.String("zone", zone), zap.String("default", p.config.Zone), zap.Error(err))
		found = place{p.home.sites, unusable}
	}
	p.byZone[key] = found
	return found
}

// maxZones is how many zones may be named by resources. Their text comes from outside.
const maxZones = 1000

// newPlace opens a zone. All that is asked for must be there of one that the configuration names. A resource's need not
// have the marginal signal, so that its average counts all the same.
func (p *places) newPlace(zone string, named bool) (place, error) {
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
		return place{}, err
	}
	if p.config.Revisions.HasValue() || p.config.SettleDelay > 0 {
		feed.Want(time.Now()) // what is said of the time from now on is asked for again
	}
	sites := []*site{newSite(feed, pue, loss, p.classes, p.location)}
	if p.config.Marginal {
		feed, err := p.feed(zone, grid.Marginal)
		switch {
		case err != nil && named:
			return place{}, fmt.Errorf("marginal: %w", err)
		case err != nil:
			p.logger.Warn("the zone of a resource has no marginal intensity: it has no marginal emissions", zap.String("zone", zone), zap.Error(err))
			feed = nothingKnown
		}
		sites = append(sites, newSite(feed, pue, loss, p.classes, p.marginal))
	}
	if contract != nil {
		fixed := grid.Fixed(*contract, zone, sites[0].feed.Of.Boundary)
		fixed.Source = "contract"
		sites = append(sites, newSite(grid.NewFeed(fixed.Provenance, grid.Always(fixed)), pue, loss, p.classes, p.market))
	}
	return place{sites: sites}, nil
}

// nothingKnown has all energy counted as unconverted.
var nothingKnown = grid.NewFeed(grid.Provenance{}, grid.NewTimeline(nil, 0, nil, time.Unix(0, math.MinInt64)))

func (p *places) feed(zone string, signal grid.Signal) (*grid.Feed, error) {
	if p.source != nil {
		feed, err := p.source.Feed(zone, signal)
		if err == nil {
			err = p.config.checkHistory(feed.History)
		}
		return feed, err
	}
	intensity, err := p.config.intensity(zone)
	if err != nil {
		return nil, err
	}
	return grid.NewFeed(intensity.Provenance, grid.Always(intensity)), nil
}
