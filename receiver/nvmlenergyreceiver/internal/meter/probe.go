// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

const (
	// slowPeriod is how often the ring of samples and the mean of the last second are read.
	slowPeriod = time.Second
	// instantPeriod is how often the momentary power is read when energy depends on it: its sensor
	// updates at about 10 Hz, so more would buy nothing.
	instantPeriod = 100 * time.Millisecond
)

// probe knows which calls the GPU answers. It belongs to the caller of the driver.
type probe struct {
	lacksCounter bool
	fallback     Source // the best power there is
	retry        time.Time
	polled       time.Time
	since        nvml.Micros
	buffer       []nvml.PowerSample
}

// Read polls the GPU: the counter, and the power if it is due. At is taken when the counter has answered.
// An error that says the GPU is lost is in CounterErr or PowerErr.
func (m *Meter) Read(device nvml.Device, now func() time.Time) Reading {
	p := &m.probe
	r := Reading{CounterErr: nvml.NotSupported}
	if !p.lacksCounter {
		r.Raw, r.CounterErr = device.Energy()
		p.lacksCounter = Unsupported(r.CounterErr)
	}
	r.At = now()
	p.readPower(device, &r, m.source, m.scope.module)
	if !m.scope.decided {
		m.scope.read(device, &r)
	}
	return r
}

func (p *probe) readPower(device nvml.Device, r *Reading, source Source, module bool) {
	period := slowPeriod
	if source == Instant {
		period = instantPeriod / 2
	}
	// A tenth of the period is what timers may be early.
	if !p.polled.IsZero() && r.At.Sub(p.polled) < period*9/10 {
		return
	}
	p.polled = r.At
	candidates := []Source{p.fallback}
	if p.fallback == None {
		if r.At.Before(p.retry) {
			return
		}
		candidates = []Source{Samples, Average, Instant}
	}
	for _, candidate := range candidates {
		r.from = candidate
		switch candidate {
		case Samples:
			r.samples, r.PowerErr = device.PowerSamples(p.buffer[:0], p.since)
			if n := len(r.samples); n > 0 {
				if p.since == 0 {
					r.samples = r.samples[n-1:] // the others are from before this meter
					n = 1
				}
				p.buffer, p.since = r.samples, r.samples[n-1].At
			} else if r.PowerErr == nil && p.fallback == None {
				r.PowerErr = nvml.NotSupported // a ring without samples is none
			}
		case Average:
			r.power, r.PowerErr = device.AveragePower(scopeOf(module))
		case Instant:
			r.power, r.PowerErr = device.InstantPower(scopeOf(module))
		}
		if !Unsupported(r.PowerErr) {
			if r.PowerErr == nil {
				p.fallback = candidate
			}
			return
		}
	}
	// Nothing answers, any more or yet.
	p.fallback, r.from = None, None
	p.retry = r.At.Add(time.Minute)
}

// Unsupported reports whether an error says that a call will never be answered.
func Unsupported(err error) bool {
	return errors.Is(err, nvml.NotSupported) || errors.Is(err, nvml.FunctionNotFound) || errors.Is(err, nvml.NoPermission)
}

func medianSpacing(samples []nvml.PowerSample) time.Duration {
	if len(samples) < 3 {
		return 0
	}
	spacings := make([]nvml.Micros, 0, len(samples)-1)
	for i, s := range samples[1:] {
		spacings = append(spacings, s.At-samples[i].At)
	}
	slices.Sort(spacings)
	return time.Duration(spacings[len(spacings)/2]) * time.Microsecond
}

// jitter spreads a period by a fifth to either side.
func jitter(period time.Duration) time.Duration {
	return period*4/5 + rand.N(period*2/5) //nolint:gosec // needs no secrecy
}
