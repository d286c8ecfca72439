// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
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
	names   []string // of the windows
	limit   int64
	refused metric.Float64Counter // J
	logger  *zap.Logger

	count atomic.Int64 // of devices
	full  atomic.Bool  // it was said that there are too many

	mu     sync.Mutex
	groups map[groupKey]*ratings
}

// groupKey is whose devices are taken together: those of a resource under one metric.
type groupKey struct {
	resource stream.ID
	subject  string
}

// ratings are of a group. A conversion has them to itself, so that it locks once, and not for each point.
type ratings struct {
	*certainty

	mu      sync.Mutex
	devices map[deviceKey]*device
	changed []*device // since the conversion began
}

type deviceKey struct{ id, zone string }

type device struct {
	deviceKey

	windows []*uncertainty.Window
	// part and grams are what is not in the windows yet: the readings of a metric are mostly of one time.
	part    part
	grams   float64
	seen    time.Time
	changed bool
	told    time.Time // zero if there is a window of which nothing was known
}

// part is what the windows tell emissions apart by.
type part struct {
	second  int64 // Unix
	quality grid.Quality
	method  string
}

// retell is the time between two uncertainties of a device: each reading changes that of an hour or more little, and it
// takes longer than all else that is done for one.
const retell = time.Minute

// newCertainty is nil if uncertainties are not asked for.
func newCertainty(cfg *Config, telemetry *metadata.TelemetryBuilder, logger *zap.Logger) *certainty {
	if !cfg.Uncertainty.HasValue() {
		return nil
	}
	c := &certainty{
		config: cfg.Uncertainty.Get(), limit: int64(cfg.MaxStreams), refused: telemetry.CarbonintensityEnergyUnrated, logger: logger,
		groups: map[groupKey]*ratings{},
	}
	for _, length := range c.config.Windows {
		c.names = append(c.names, strings.TrimSuffix(length.String(), "0m0s"))
	}
	return c
}

// begin locks the devices of a metric until report.
func (c *certainty) begin(resource stream.ID, subject string) *ratings {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := groupKey{resource, subject}
	r := c.groups[key]
	if r == nil {
		r = &ratings{certainty: c, devices: map[deviceKey]*device{}}
		c.groups[key] = r
	}
	r.mu.Lock() // before a sweep can take it for empty
	return r
}

// add takes a share of the emissions of a device.
func (r *ratings) add(id, method string, pue float64, s share, now time.Time) {
	if r == nil {
		return
	}
	key := deviceKey{id, s.intensity.Zone}
	d, ok := r.devices[key]
	if !ok {
		if d = r.open(key, pue, s.joules); d == nil {
			return
		}
	}
	if !d.changed {
		d.changed, d.seen = true, now
		r.changed = append(r.changed, d)
	}
	if of := (part{int64(s.start) / int64(time.Second), s.intensity.Quality, method}); of != d.part {
		d.flush()
		d.part = of
	}
	d.grams += s.grams
}

func (d *device) flush() {
	if d.grams != 0 {
		for _, w := range d.windows {
			w.Add(time.Unix(d.part.second, 0), d.grams, d.part.quality, d.part.method, d.id)
		}
	}
	d.grams = 0
}

// open is nil, and counts the energy, if there is no room.
func (r *ratings) open(key deviceKey, pue, joules float64) *device {
	if r.count.Add(1) > r.limit {
		r.count.Add(-1)
		r.refused.Add(context.Background(), joules)
		if r.full.CompareAndSwap(false, true) {
			r.logger.Warn("A device's emissions have no uncertainty: there are more devices than max_streams: raise it (logged once, counted in carbonintensity.energy.unrated)",
				zap.String("hw.id", key.id), zap.Int64("max_streams", r.limit))
		}
		return nil
	}
	d := &device{deviceKey: key}
	for _, length := range r.config.Windows {
		d.windows = append(d.windows, uncertainty.NewWindow(&r.config.Inputs, r.ofPUE(pue), length))
	}
	r.devices[key] = d
	return d
}

// ofPUE is how well the site's PUE is known. One of 1 adds nothing.
func (c *certainty) ofPUE(pue float64) float64 {
	if pue == 1 {
		return 0
	}
	return c.config.PUE.Reported
}

// report appends the metric of the subject's devices that have changed, each once a minute.
func (r *ratings) report(subject string, out pmetric.MetricSlice, now time.Time) {
	if r == nil {
		return
	}
	defer r.mu.Unlock()
	var points pmetric.NumberDataPointSlice
	begun := false
	for _, d := range r.changed {
		d.changed = false
		d.flush()
		if now.Sub(d.told) < retell {
			continue
		}
		d.told = now
		for i, w := range d.windows {
			u, ok := w.At(now)
			if !ok {
				d.told = time.Time{}
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
			point.Attributes().EnsureCapacity(3)
			point.Attributes().PutStr("hw.id", d.id)
			point.Attributes().PutStr("grid.zone", d.zone)
			point.Attributes().PutStr("window", r.names[i])
		}
	}
	r.changed = r.changed[:0]
}

func (c *certainty) sweep(before time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, r := range c.groups {
		if r.sweep(before) == 0 {
			delete(c.groups, key)
		}
	}
}

// sweep returns how many devices are left.
func (r *ratings) sweep(before time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, d := range r.devices {
		if d.seen.Before(before) {
			delete(r.devices, key)
			r.count.Add(-1)
		}
	}
	return len(r.devices)
}
