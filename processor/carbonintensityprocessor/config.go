// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"errors"
	"fmt"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Config says where the electricity comes from, and how much of it the site adds.
type Config struct {
	// Zone is where the electricity is from: see grid.Static for what can be named. With Intensity
	// it may be any text, and labels the emissions.
	Zone string `mapstructure:"zone"`
	// Intensity is a fixed value in g/kWh that takes the place of the zone's yearly average.
	Intensity *float64 `mapstructure:"intensity"`
	// Boundary is what the factor covers: lifecycle (default) or direct.
	Boundary grid.Boundary `mapstructure:"boundary"`
	// PUE is the power usage effectiveness of the site (ISO/IEC 30134-2): its total energy divided
	// by that of its IT equipment.
	PUE float64 `mapstructure:"pue"`
	// MaxStreams is how many cumulative energy streams are converted at most.
	MaxStreams int `mapstructure:"max_streams"`
	// MaxStale is how long a cumulative stream may be silent before it is forgotten.
	MaxStale time.Duration `mapstructure:"max_stale"`
}

// Bounds on what can be true: the dirtiest grids and fuels stay below 2000 g/kWh, and a PUE of 10
// is a site that spends nine tenths of its energy on something else.
const (
	maxIntensity = 2000
	maxPUE       = 10
)

// Validate names each key that cannot be, its value, and what could.
func (c *Config) Validate() error {
	var errs []error
	if _, err := c.intensity(); err != nil {
		errs = append(errs, err)
	}
	if !(c.PUE >= 1 && c.PUE <= maxPUE) {
		errs = append(errs, fmt.Errorf("pue: %v: must be from 1 (nothing but IT equipment) to %v", c.PUE, maxPUE))
	}
	if c.MaxStreams <= 0 {
		errs = append(errs, fmt.Errorf("max_streams: %d: must be at least 1", c.MaxStreams))
	}
	if c.MaxStale <= 0 {
		errs = append(errs, fmt.Errorf("max_stale: %v: must be above 0s", c.MaxStale))
	}
	return errors.Join(errs...)
}

func (c *Config) intensity() (grid.Intensity, error) {
	switch {
	case c.Boundary != grid.Lifecycle && c.Boundary != grid.Direct:
		return grid.Intensity{}, fmt.Errorf("boundary: %q: must be %s or %s", c.Boundary, grid.Lifecycle, grid.Direct)
	case c.Intensity != nil && !(*c.Intensity >= 0 && *c.Intensity <= maxIntensity):
		return grid.Intensity{}, fmt.Errorf("intensity: %v: must be from 0 to %v g/kWh", *c.Intensity, maxIntensity)
	case c.Intensity != nil:
		return grid.Fixed(*c.Intensity, c.Zone, c.Boundary), nil
	case c.Zone == "":
		return grid.Intensity{}, errors.New("zone: not set: name where the electricity is from, such as DE, us-east-1 or WORLD, or set intensity to a value in g/kWh")
	}
	factor, err := grid.Static(c.Zone, c.Boundary)
	if err != nil {
		return grid.Intensity{}, fmt.Errorf("zone: %w", err)
	}
	return factor, nil
}
