// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package consoleexporter

import (
	"errors"
	"fmt"
	"time"
)

// Config of the console exporter.
type Config struct {
	// RefreshInterval is the time between two repaints of the live view, or between two groups of
	// plain lines.
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
	// MaxStreams is the number of metric streams that are tracked. Further ones are not shown and
	// not in the totals; the output says how many points that leaves out.
	MaxStreams int `mapstructure:"max_streams"`
}

const (
	defaultRefreshInterval = time.Second
	defaultMaxStreams      = 10_000
)

// Validate refuses values that the exporter cannot work with.
func (c *Config) Validate() error {
	var errs []error
	if c.RefreshInterval <= 0 {
		errs = append(errs, fmt.Errorf("refresh_interval is %v, must be more than 0", c.RefreshInterval))
	}
	if c.MaxStreams <= 0 {
		errs = append(errs, fmt.Errorf("max_streams is %d, must be at least 1", c.MaxStreams))
	}
	return errors.Join(errs...)
}
