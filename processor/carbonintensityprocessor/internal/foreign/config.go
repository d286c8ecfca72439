// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config says which metrics of other programs are energy. The zero value of a list is none.
type Config struct {
	// Presets are programs whose metrics are known: dcgm, kepler, scaphandre, ceems. Of two that report the same
	// device the one named first converts.
	Presets []string `mapstructure:"presets"`
	// Rules are metrics of any other program. They go before the presets, in their order.
	Rules []Rule `mapstructure:"rules"`
	// MaxGap is the longest time between two readings of a power that is integrated over, and how long a source
	// may be silent before another one takes its device over.
	MaxGap time.Duration `mapstructure:"max_gap"`
	// MaxStreams is how many energy streams, and how many devices, are followed at most.
	MaxStreams int `mapstructure:"max_streams"`
}

// Rule says what one foreign metric is.
type Rule struct {
	// Metric is its name, as it arrives.
	Metric string `mapstructure:"metric"`
	// Kind is counter for energy, whatever type it arrives as, or gauge for power.
	Kind Kind `mapstructure:"kind"`
	// Unit is the UCUM code of its values: an energy for a counter, a power for a gauge.
	Unit string `mapstructure:"unit"`
	// Target is the metric it becomes.
	Target Target `mapstructure:"target"`
	// Attributes are those of the result. {label} in a value stands for that attribute of the foreign point; an
	// attribute whose labels are not all there is left out.
	Attributes map[string]string `mapstructure:"attributes"`
	// Where are attributes that a foreign point must have for the rule to apply; an empty value asks that it is
	// missing. The first rule that applies to a point takes it.
	Where map[string]string `mapstructure:"where"`
}

// Kind is whether a metric is energy or power.
type Kind string

const (
	// Counter is energy since some time.
	Counter Kind = "counter"
	// Gauge is power at a time.
	Gauge Kind = "gauge"
)

// Target is a metric of energy, in J.
type Target string

const (
	// Device is the energy of a component: parts that do not overlap.
	Device Target = "hw.energy"
	// Host is the energy of a whole host.
	Host Target = "hw.host.energy"
	// Workload is the energy that a workload is held to have caused.
	Workload Target = "workload.energy"
)

// DefaultConfig translates nothing. A gap of 5 minutes is how long Prometheus takes a sample for current
// (its lookback delta).
func DefaultConfig() Config {
	return Config{MaxGap: 5 * time.Minute, MaxStreams: 100_000}
}

// Validate names each key that cannot be, its value, and what could.
func (c *Config) Validate() error {
	_, err := c.compile()
	if c.MaxGap <= 0 {
		err = errors.Join(err, fmt.Errorf("max_gap: %v: must be above 0s", c.MaxGap))
	}
	if c.MaxStreams <= 0 {
		err = errors.Join(err, fmt.Errorf("max_streams: %d: must be at least 1", c.MaxStreams))
	}
	return err
}

// compile puts the rules in the order of preference.
func (c *Config) compile() ([]*rule, error) {
	var (
		rules []*rule
		errs  []error
	)
	for i := range c.Rules {
		r, err := c.Rules[i].compile()
		if err != nil {
			errs = append(errs, fmt.Errorf("rules[%d]: %w", i, err))
			continue
		}
		rules = append(rules, r)
	}
	for i, name := range c.Presets {
		of, ok := presets[name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("presets[%d]: %q: must be one of %s", i, name, strings.Join(Presets(), ", ")))
		case slices.Contains(c.Presets[:i], name):
			errs = append(errs, fmt.Errorf("presets[%d]: %q: is named twice", i, name))
		}
		for _, p := range of {
			r, err := p.compile()
			if err != nil {
				errs = append(errs, fmt.Errorf("presets[%d]: %q: %w", i, name, err))
				continue
			}
			r.mean = p.mean
			rules = append(rules, r)
		}
	}
	for rank, r := range rules {
		r.rank = rank
	}
	return rules, errors.Join(errs...)
}
