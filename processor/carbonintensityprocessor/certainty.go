// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/uncertainty"
)

// UncertaintyConfig has X.emissions.uncertainty emitted.
type UncertaintyConfig struct {
	uncertainty.Inputs `mapstructure:",squash"`

	// Windows are the times over which emissions are taken together.
	Windows []time.Duration `mapstructure:"windows"`
}

// Validate names each key that cannot be, its value, and what could.
func (c *UncertaintyConfig) Validate() error {
	if len(c.Windows) == 0 {
		return errors.New("windows: empty: name at least one, such as 24h")
	}
	for i, w := range c.Windows {
		if w < time.Hour || w > 31*24*time.Hour || w%time.Hour != 0 {
			return fmt.Errorf("windows::%d: %v: must be whole hours, from 1h to 744h", i, w)
		}
	}
	return c.Inputs.Validate()
}

// certainty follows how well the emissions of each device are known.
type certainty struct {
	config  *UncertaintyConfig
	limit   int
	refused metric.Float64Counter // J
	logger  *zap.Logger

	mu      sync.Mutex
	devices map[deviceKey]*device
	full    bool // it was said that there are too many
}

// deviceKey is whose emissions are taken together: those of a device under one metric and zone.
type deviceKey struct {
	resource stream.ID
	subject  string
	id, zone string
}

type device struct {
	windows []*uncertainty.Window
	seen    time.Time
}

// newCertainty is nil if uncertainties are not asked for.
func newCertainty(cfg *Config, telemetry *metadata.TelemetryBuilder, logger *zap.Logger) *certainty {
	if !cfg.Uncertainty.HasValue() {
		return nil
	}
	return &certainty{
		config: cfg.Uncertainty.Get(), limit: cfg.MaxStreams, refused: telemetry.CarbonintensityEnergyUnrated, logger: logger,
		devices: map[deviceKey]*device{},
	}
}

// add takes a share of the emissions of a device.
func (c *certainty) add(key deviceKey, pue float64, s share, method string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.devices[key]
	if !ok {
		if len(c.devices) >= c.limit {
			c.refuse(key, s.joules)
			return
		}
		d = &device{}
		for _, length := range c.config.Windows {
			d.windows = append(d.windows, uncertainty.NewWindow(&c.config.Inputs, c.ofPUE(pue), length))
		}
		c.devices[key] = d
	}
	d.seen = now
	for _, w := range d.windows {
		w.Add(s.start.AsTime(), s.grams, s.intensity.Quality, method, key.id)
	}
}

func (c *certainty) refuse(key deviceKey, joules float64) {
	c.refused.Add(context.Background(), joules)
	if !c.full {
		c.full = true
		c.logger.Warn("A device's emissions have no uncertainty: there are more devices than max_streams: raise it (logged once, counted in carbonintensity.energy.unrated)",
			zap.String("hw.id", key.id), zap.Int("max_streams", c.limit))
	}
}

// ofPUE is how well the site's PUE is known. One of 1 adds nothing.
func (c *certainty) ofPUE(pue float64) float64 {
	if pue == 1 {
		return 0
	}
	return c.config.PUE.Reported
}

// report appends the metric of a subject's devices.
func (c *certainty) report(subject string, devices map[deviceKey]bool, out pmetric.MetricSlice, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var points pmetric.NumberDataPointSlice
	begun := false
	for key := range devices {
		d := c.devices[key]
		if d == nil {
			continue
		}
		for i, w := range d.windows {
			u, ok := w.At(now)
			if !ok {
				continue
			}
			if !begun {
				begun = true
				m := out.AppendEmpty()
				m.SetName(subject + ".emissions.uncertainty")
				m.SetDescription("Relative uncertainty of the emissions of the window, of 95 % coverage.")
				m.SetUnit("1")
				points = m.SetEmptyGauge().DataPoints()
			}
			point := points.AppendEmpty()
			point.SetTimestamp(pcommon.NewTimestampFromTime(now))
			point.SetDoubleValue(u.U95())
			point.Attributes().PutStr("hw.id", key.id)
			point.Attributes().PutStr("grid.zone", key.zone)
			point.Attributes().PutStr("window", strings.TrimSuffix(c.config.Windows[i].String(), "0m0s"))
		}
	}
}

func (c *certainty) sweep(before time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, d := range c.devices {
		if d.seen.Before(before) {
			delete(c.devices, key)
		}
	}
}
