// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"sync"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// readings of a GPU, each sensor at the middle of the call that read it.
type readings struct {
	counter          analysis.Series // J
	instant, average analysis.Series // W
	usage            analysis.Series // W, by nvmlDeviceGetPowerUsage
	// lag of the driver's own time stamp behind the time of the call, in s.
	lag []float64
	// missed is how many polls the schedule left out because the driver was slow.
	missed int
}

// poll reads at a rate until the function returns, and gives what was read.
func (c *check) poll(hertz float64, during func() error) (*readings, error) {
	r, stop := &readings{}, make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		start := monotonic()
		for i := 1.0; ; i++ {
			c.read(r)
			if late := (monotonic()-start)*hertz - i; late > 1 {
				r.missed += int(late)
				i += float64(int(late))
			}
			select {
			case <-stop:
				return
			default:
				sleepUntil(start + i/hertz)
			}
		}
	})
	err := during()
	close(stop)
	wait.Wait()
	return r, err
}

// idle polls for a time in which nothing else happens.
func (c *check) idle(hertz, seconds float64) *readings {
	r, _ := c.poll(hertz, func() error { sleepUntil(monotonic() + seconds); return nil })
	return r
}

func (c *check) read(r *readings) {
	fields := []driver.Field{{ID: driver.FieldCounter}, {ID: driver.FieldInstant}, {ID: driver.FieldAverage}}
	before, wall := monotonic(), wallMicros()
	err := c.device.Fields(fields)
	at := (before + monotonic()) / 2
	if err == nil && fields[0].Err == nil {
		r.counter = append(r.counter, analysis.Point{T: at, V: float64(fields[0].Value) / 1e3})
		r.lag = append(r.lag, float64(wall-fields[0].At)/1e6)
	} else if mJ, failed := c.device.Counter(); failed == nil {
		r.counter = append(r.counter, analysis.Point{T: (at + monotonic()) / 2, V: float64(mJ) / 1e3})
	}
	if err == nil && fields[1].Err == nil && fields[1].Value > 0 {
		r.instant = append(r.instant, analysis.Point{T: at, V: float64(fields[1].Value) / 1e3})
	}
	if err == nil && fields[2].Err == nil && fields[2].Value > 0 {
		r.average = append(r.average, analysis.Point{T: at, V: float64(fields[2].Value) / 1e3})
	}
	before = monotonic()
	if mW, failed := c.device.PowerUsage(); failed == nil {
		r.usage = append(r.usage, analysis.Point{T: (before + monotonic()) / 2, V: float64(mW) / 1e3})
	}
}

// sensors are the readings by name, in a fixed order.
func (r *readings) sensors() []sensor {
	return []sensor{{"counter", r.counter}, {"instant", r.instant}, {"average", r.average}, {"usage", r.usage}}
}

type sensor struct {
	name   string
	series analysis.Series
}

// writeChanges keeps of a fast poll what is new: the changes.
func (r *readings) writeChanges(t *table, phase string) {
	for _, s := range r.sensors() {
		for _, p := range s.series.Changes() {
			t.add(phase, s.name, p.T, p.V)
		}
	}
}
