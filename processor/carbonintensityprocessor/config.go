// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/embodied"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/foreign"
)

// Config says where the electricity comes from, and how much of it the site adds.
type Config struct {
	// Zone is where the electricity is from: see grid.Static for what can be named. With Intensity
	// it may be any text, and labels the emissions.
	Zone string `mapstructure:"zone"`
	// ZoneFrom finds the zone in the attributes of a resource. The first rule that matches counts,
	// Zone if none does.
	ZoneFrom []ZoneRule `mapstructure:"zone_from"`
	// Source is a gridintensity extension. Without one, the yearly averages of the embedded tables hold.
	Source *component.ID `mapstructure:"source"`
	// Intensity is a fixed value in g/kWh that takes the place of the zone's yearly average.
	Intensity *float64 `mapstructure:"intensity"`
	// Boundary is what the yearly average covers: lifecycle (default) or direct.
	Boundary grid.Boundary `mapstructure:"boundary"`
	// PUE is the power usage effectiveness of the site (ISO/IEC 30134-2): its total energy divided
	// by that of its IT equipment.
	PUE float64 `mapstructure:"pue"`
	// Loss is the part of the electricity that is lost between power plants and the site, from 0 to below 1. It is
	// added unless the source's numbers have it in them.
	Loss float64 `mapstructure:"loss"`
	// Sites say what is different at a zone.
	Sites map[string]SiteConfig `mapstructure:"sites"`
	// Marginal adds X.emissions.marginal, from the source's marginal signal.
	Marginal bool `mapstructure:"marginal"`
	// AllowMixing lists what may differ between zones: boundary, gas.
	AllowMixing []string `mapstructure:"allow_mixing"`
	// Embodied adds hw.emissions.embodied: what was emitted to make the devices.
	Embodied configoptional.Optional[embodied.Config] `mapstructure:"embodied"`
	// Uncertainty adds X.emissions.uncertainty.
	Uncertainty configoptional.Optional[UncertaintyConfig] `mapstructure:"uncertainty"`
	// Revisions adds X.emissions.revision.
	Revisions configoptional.Optional[RevisionsConfig] `mapstructure:"revisions"`
	// SettleDelay is how long emissions wait for the settled intensity of their time; 0 tells them at once.
	SettleDelay time.Duration `mapstructure:"settle_delay"`
	// SettleMaxBytes is how much energy waits at most. Beyond, the oldest is told early.
	SettleMaxBytes int64 `mapstructure:"settle_max_bytes"`
	// Foreign says which metrics of other programs are energy.
	Foreign foreign.Config `mapstructure:"foreign"`
	// Storage is an extension that keeps the totals over a restart.
	Storage *component.ID `mapstructure:"storage"`
	// MaxStreams is how many cumulative energy streams are converted at most.
	MaxStreams int `mapstructure:"max_streams"`
	// MaxGap is the longest time between two readings of a cumulative stream of which it is told what was emitted; 0 is any.
	MaxGap time.Duration `mapstructure:"max_gap"`
	// MaxStale is how long a cumulative stream may be silent before it is forgotten.
	MaxStale time.Duration `mapstructure:"max_stale"`
}

// ZoneRule takes a zone from a resource attribute.
type ZoneRule struct {
	Attribute string `mapstructure:"attribute"`
	// Match is a regular expression that the whole value must match; empty matches any.
	Match string `mapstructure:"match"`
	// Zone may refer to groups of the expression, as $1; empty is the value itself.
	Zone string `mapstructure:"zone"`

	match *regexp.Regexp
}

// SiteConfig is what is different at a zone.
type SiteConfig struct {
	// PUE of the site; 0 is the processor's.
	PUE float64 `mapstructure:"pue"`
	// Loss on the way to the site; the processor's if it is not set.
	Loss *float64 `mapstructure:"loss"`
	// MarketBased is what a contract for electricity says, in g/kWh (GHG Protocol Scope 2). It adds
	// X.emissions.market_based.
	MarketBased *float64 `mapstructure:"market_based"`
}

// maxPUE is a site that spends nine tenths of its energy on something else.
const maxPUE = 10

// Validate names each key that cannot be, its value, and what could.
func (c *Config) Validate() error {
	errs := []error{c.validateZones()}
	if err := checkPUE(c.PUE); err != nil {
		errs = append(errs, err)
	}
	if err := checkLoss(c.Loss); err != nil {
		errs = append(errs, err)
	}
	for _, zone := range slices.Sorted(maps.Keys(c.Sites)) {
		s := c.Sites[zone]
		if s.Loss != nil {
			if err := checkLoss(*s.Loss); err != nil {
				errs = append(errs, fmt.Errorf("sites::%s::%w", zone, err))
			}
		}
		if err := checkPUE(s.PUE); s.PUE != 0 && err != nil {
			errs = append(errs, fmt.Errorf("sites::%s::%w", zone, err))
		}
		if m := s.MarketBased; m != nil && !(*m >= 0 && *m <= grid.MaxGramsPerKWh) {
			errs = append(errs, fmt.Errorf("sites::%s::market_based: %v: must be from 0 to %v g/kWh", zone, *m, grid.MaxGramsPerKWh))
		}
	}
	for i, what := range c.AllowMixing {
		if what != "boundary" && what != "gas" {
			errs = append(errs, fmt.Errorf("allow_mixing::%d: %q: must be boundary or gas", i, what))
		}
	}
	if c.MaxStreams <= 0 {
		errs = append(errs, fmt.Errorf("max_streams: %d: must be at least 1", c.MaxStreams))
	}
	if c.MaxGap < 0 {
		errs = append(errs, fmt.Errorf("max_gap: %v: must be above 0s, or 0s for none", c.MaxGap))
	}
	switch {
	case c.SettleDelay == 0:
	case c.SettleDelay < time.Minute || c.SettleDelay > longestSettling:
		errs = append(errs, fmt.Errorf("settle_delay: %v: must be from 1m to %v, or 0s to tell emissions at once", c.SettleDelay, longestSettling))
	case c.Source == nil:
		errs = append(errs, fmt.Errorf("settle_delay: %v: yearly averages do not settle: set source to a gridintensity extension", c.SettleDelay))
	case c.Revisions.HasValue():
		errs = append(errs, fmt.Errorf("settle_delay: %v: what is told once it is settled is not revised: take revisions out", c.SettleDelay))
	}
	if c.SettleMaxBytes <= 0 {
		errs = append(errs, fmt.Errorf("settle_max_bytes: %d: must be at least 1", c.SettleMaxBytes))
	}
	if c.MaxStale <= 0 {
		errs = append(errs, fmt.Errorf("max_stale: %v: must be above 0s", c.MaxStale))
	}
	return errors.Join(errs...)
}

// longestSettling is by when every provider has restated what it will.
const longestSettling = 30 * 24 * time.Hour

// checkHistory refuses to wait for what a source has forgotten by then.
func (c *Config) checkHistory(history time.Duration) error {
	const says = "%s: %v: must be at most the history of %q, which is %v: what was before is forgotten there; set this to less, or history to more"
	switch {
	case history == 0:
	case c.SettleDelay > history:
		return fmt.Errorf(says, "settle_delay", c.SettleDelay, c.Source, history)
	case c.Revisions.HasValue() && c.Revisions.Get().Keep > history:
		return fmt.Errorf(says, "revisions::keep", c.Revisions.Get().Keep, c.Source, history)
	}
	return nil
}

func checkPUE(pue float64) error {
	if !(pue >= 1 && pue <= maxPUE) {
		return fmt.Errorf("pue: %v: must be from 1 (nothing but IT equipment) to %v", pue, maxPUE)
	}
	return nil
}

// maxLoss is far above any grid's: 14 % in Puerto Rico (eGRID 2024).
const maxLoss = 0.5

func checkLoss(loss float64) error {
	if !(loss >= 0 && loss <= maxLoss) {
		return fmt.Errorf("loss: %v: must be from 0 to %v, as in 0.044 for 4.4 %%", loss, maxLoss)
	}
	return nil
}

func (c *Config) validateZones() error {
	var errs []error
	switch {
	case c.Source != nil && c.Intensity != nil:
		errs = append(errs, errors.New("intensity: a fixed value and source exclude each other: take one out"))
	case c.Source != nil && c.Zone == "":
		errs = append(errs, errNoZone)
	case c.Source == nil && c.Marginal:
		errs = append(errs, errors.New("marginal: there are no yearly averages of it: set source to a gridintensity extension that has a marginal provider"))
	case c.Source == nil:
		for _, zone := range c.zones() {
			if _, err := c.intensity(zone); err != nil {
				errs = append(errs, err)
			}
		}
	}
	for i := range c.ZoneFrom {
		rule := &c.ZoneFrom[i]
		if rule.Attribute == "" {
			errs = append(errs, fmt.Errorf("zone_from::%d::attribute: not set: name a resource attribute, such as cloud.region", i))
		}
		if _, err := regexp.Compile(rule.Match); err != nil {
			errs = append(errs, fmt.Errorf("zone_from::%d::match: %q: must be a regular expression: %w", i, rule.Match, err))
		}
	}
	return errors.Join(errs...)
}

var errNoZone = errors.New("zone: not set: name where the electricity is from, such as DE, us-east-1 or WORLD, or set intensity to a value in g/kWh")

// zones are all that the configuration names.
func (c *Config) zones() []string {
	zones := []string{c.Zone}
	for _, zone := range slices.Sorted(maps.Keys(c.Sites)) {
		if zone != c.Zone {
			zones = append(zones, zone)
		}
	}
	return zones
}

// intensity is that of the whole year, or fixed.
func (c *Config) intensity(zone string) (grid.Intensity, error) {
	switch {
	case c.Boundary != grid.Lifecycle && c.Boundary != grid.Direct:
		return grid.Intensity{}, fmt.Errorf("boundary: %q: must be %s or %s", c.Boundary, grid.Lifecycle, grid.Direct)
	case c.Intensity != nil && !(*c.Intensity >= 0 && *c.Intensity <= grid.MaxGramsPerKWh):
		return grid.Intensity{}, fmt.Errorf("intensity: %v: must be from 0 to %v g/kWh", *c.Intensity, grid.MaxGramsPerKWh)
	case c.Intensity != nil:
		return grid.Fixed(*c.Intensity, zone, c.Boundary), nil
	case zone == "":
		return grid.Intensity{}, errNoZone
	}
	factor, err := grid.Static(zone, c.Boundary)
	if err != nil {
		return grid.Intensity{}, fmt.Errorf("zone: %w", err)
	}
	return factor, nil
}

// zone reports whether the rule matches a resource.
func (r *ZoneRule) zone(resource pcommon.Resource) (string, bool) {
	value, ok := resource.Attributes().Get(r.Attribute)
	if !ok || value.Type() != pcommon.ValueTypeStr || value.Str() == "" {
		return "", false
	}
	text := value.Str()
	if r.match == nil {
		return text, true
	}
	groups := r.match.FindStringSubmatchIndex(text)
	switch {
	case groups == nil:
		return "", false
	case r.Zone == "":
		return text, true
	default:
		return string(r.match.ExpandString(nil, r.Zone, text, groups)), true
	}
}

// compile makes the rules ready for use.
func (c *Config) compile() error {
	for i := range c.ZoneFrom {
		rule := &c.ZoneFrom[i]
		if rule.Match == "" && rule.Zone == "" {
			continue
		}
		match, err := regexp.Compile(`^(?:` + cmp.Or(rule.Match, ".*") + `)$`)
		if err != nil {
			return err
		}
		rule.match = match
	}
	return nil
}
