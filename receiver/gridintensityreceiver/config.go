// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadata"
)

// Config of the receiver. Source and Zones are mandatory.
type Config struct {
	Controller scraperhelper.ControllerConfig `mapstructure:",squash"`
	Metrics    metadata.MetricsBuilderConfig  `mapstructure:",squash"`

	// Source is an extension that knows the grid.
	Source component.ID `mapstructure:"source"`
	// Zones as the source takes them.
	Zones []string `mapstructure:"zones"`
	// PriceAreas are bidding zones, whose prices the source has.
	PriceAreas []string `mapstructure:"price_areas"`
	// Horizons of the forecast. Greenest windows end before the longest of them.
	Horizons []time.Duration `mapstructure:"horizons"`
	// Windows that the percentile looks back.
	Windows []time.Duration `mapstructure:"windows"`
	// Durations of greenest windows.
	Durations []time.Duration `mapstructure:"durations"`
}

func createDefaultConfig() component.Config {
	controller := scraperhelper.NewDefaultControllerConfig()
	controller.CollectionInterval = time.Minute
	return &Config{
		Controller: controller,
		Metrics:    metadata.NewDefaultMetricsBuilderConfig(),
		Horizons:   []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour},
		Windows:    []time.Duration{week},
		Durations:  []time.Duration{time.Hour, 4 * time.Hour},
	}
}

const (
	week = 7 * 24 * time.Hour
	// month is the longest history that a gridintensity extension keeps.
	month = 30 * 24 * time.Hour
)

// Validate names each key that cannot be, its value, and what could.
func (c *Config) Validate() error {
	var errs []error
	if c.Source == (component.ID{}) {
		errs = append(errs, errors.New("source: not set: name a gridintensity extension, which is listed under service::extensions"))
	}
	if len(c.Zones) == 0 {
		errs = append(errs, errors.New("zones: empty: name at least one, such as DE"))
	}
	errs = append(errs,
		named("zones", c.Zones, "zone, such as DE"),
		named("price_areas", c.PriceAreas, "bidding zone, such as DE-LU"),
		within("horizons", c.Horizons, time.Minute, week, ""),
		within("windows", c.Windows, time.Hour, month, ""),
		within("durations", c.Durations, time.Minute, c.ahead(), ", the longest of horizons"))
	return errors.Join(errs...)
}

// named refuses names that are blank, or there twice.
func named(key string, names []string, what string) error {
	var errs []error
	for i, name := range names {
		switch same := func(other string) bool { return strings.EqualFold(other, name) }; {
		case strings.TrimSpace(name) == "":
			errs = append(errs, fmt.Errorf("%s::%d: %q: name a %s", key, i, name, what))
		case slices.ContainsFunc(names[:i], same):
			errs = append(errs, fmt.Errorf("%s::%d: %q is there twice: name each once", key, i, name))
		}
	}
	return errors.Join(errs...)
}

// within refuses durations that are there twice, or beyond limits.
func within(key string, all []time.Duration, least, most time.Duration, why string) error {
	var errs []error
	for i, d := range all {
		switch {
		case d < least || d > most:
			errs = append(errs, fmt.Errorf("%s::%d: %s: must be from %s to %s%s", key, i, text(d), text(least), text(most), why))
		case slices.Contains(all[:i], d):
			errs = append(errs, fmt.Errorf("%s::%d: %s is there twice: name each once", key, i, text(d)))
		}
	}
	return errors.Join(errs...)
}

// ahead is how far greenest windows are looked for.
func (c *Config) ahead() time.Duration { return slices.Max(append([]time.Duration{0}, c.Horizons...)) }

// text is a duration as people write it: 4h instead of 4h0m0s.
func text(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
