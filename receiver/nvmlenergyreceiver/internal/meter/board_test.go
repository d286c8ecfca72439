// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"math"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// board is a GPU under a square load, whose sensors are known functions of time.
type board struct {
	nvml.Device // panics at calls that a meter has no business with

	low, high uint32 // mW
	period    time.Duration
	duty      float64
	phase     time.Duration
	update    time.Duration // of all sensors
	limit     uint32        // mW

	noCounter, noSamples, noAverage, noInstant bool
	// The counter stands still in this time, and then jumps to the truth if catchUp, else goes on from there.
	stuck, unstuck time.Duration
	catchUp        bool
	// The counter starts again at 0.
	reset time.Duration
	// The counter shows nonsense in this time.
	glitch, glitchEnd time.Duration
	failing           func(t time.Duration) error
	spacing           time.Duration // of the samples
	module            uint32        // extra power of the module in mW
	counterModule     bool

	now time.Duration // since began
}

var began = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func (b *board) time() time.Time { return began.Add(b.now) }

// energyTo is the integral of the power over [0, t], in mJ.
func (b *board) energyTo(t time.Duration) float64 {
	integral := func(t time.Duration) float64 {
		periods := math.Floor(t.Seconds() / b.period.Seconds())
		rest := t.Seconds() - periods*b.period.Seconds()
		on := b.duty * b.period.Seconds()
		return float64(b.low)*t.Seconds() + float64(b.high-b.low)*(periods*on+min(rest, on))
	}
	return integral(t+b.phase) - integral(b.phase)
}

func (b *board) published() time.Duration { return b.now.Truncate(b.update) }

// shown is the counter, as of a time.
func (b *board) shown(t time.Duration) uint64 {
	const initial = 126_272_101_025
	t = t.Truncate(b.update)
	switch {
	case b.reset > 0 && t >= b.reset:
		return uint64(b.energyTo(t) - b.energyTo(b.reset))
	case b.stuck > 0 && t >= b.stuck && t < b.unstuck:
		t = b.stuck
	case b.stuck > 0 && t >= b.unstuck && !b.catchUp:
		return initial + uint64(b.energyTo(b.stuck)+b.energyTo(t)-b.energyTo(b.unstuck))
	}
	energy := initial + uint64(b.energyTo(t))
	if b.counterModule {
		energy += uint64(float64(b.module) * t.Seconds())
	}
	return energy
}

func (b *board) fail() error {
	if b.failing == nil {
		return nil
	}
	return b.failing(b.now)
}

func (b *board) Energy() (uint64, error) {
	switch {
	case b.noCounter:
		return 0, nvml.NotSupported
	case b.now >= b.glitch && b.now < b.glitchEnd:
		return 1 << 60, nil
	}
	return b.shown(b.now), b.fail()
}

func (b *board) AveragePower(s nvml.Scope) (uint32, error) {
	if b.noAverage || s != nvml.GPU && b.module == 0 || s == nvml.GPU && b.module > 0 && b.noInstant {
		return 0, nvml.NotSupported
	}
	if s == nvml.Module {
		return b.mean(time.Second) + b.module, nil
	}
	return b.mean(time.Second), nil
}

func (b *board) mean(window time.Duration) uint32 {
	t := b.published()
	return uint32((b.energyTo(t) - b.energyTo(t-window)) / window.Seconds())
}

// InstantPower is that of a sensor which sees a quarter of the time, as on an A100.
func (b *board) InstantPower(s nvml.Scope) (uint32, error) {
	switch {
	case s == nvml.Module && b.module > 0:
		return b.mean(b.update/4) + b.module, nil
	case s == nvml.Module || b.noInstant:
		return 0, nvml.NotSupported
	}
	return b.mean(b.update / 4), nil
}

func (b *board) PowerSamples(buffer []nvml.PowerSample, since nvml.Micros) ([]nvml.PowerSample, error) {
	if b.noSamples {
		return nil, nvml.NotSupported
	}
	last := b.now.Truncate(b.spacing)
	for t := last - 119*b.spacing; t <= last; t += b.spacing {
		at := nvml.Micros(began.Add(t).UnixMicro())
		if at > since {
			power := (b.energyTo(t) - b.energyTo(t-b.spacing)) / b.spacing.Seconds()
			buffer = append(buffer, nvml.PowerSample{At: at, Milliwatts: uint32(power)})
		}
	}
	return buffer, nil
}

func (b *board) MaxPowerLimit() (uint32, error)      { return b.limit, nil }
func (b *board) EnforcedPowerLimit() (uint32, error) { return b.limit, nil }

// h100 is a healthy board, 100 to 700 W.
func h100() *board {
	return &board{
		low: 100_000, high: 700_000, period: 730 * time.Millisecond, duty: 0.4, limit: 700_000,
		update: 100 * time.Millisecond, spacing: 20 * time.Millisecond,
	}
}

// meterOf is a meter that has been attached to the board.
func meterOf(b *board) *Meter {
	m := &Meter{}
	m.Attach(ReadLimits(b), Calibration{})
	return m
}

// poll reads the board at a time.
func (b *board) poll(m *Meter, at time.Duration) Outcome {
	b.now = at
	return m.Book(m.Read(b, b.time))
}

// run polls at intervals that the meter chooses.
func (b *board) run(m *Meter, from, to, wished time.Duration, each func(Outcome)) {
	for t := from; t <= to; t += max(m.Interval(b.time(), wished), time.Millisecond) {
		o := b.poll(m, t)
		if each != nil {
			each(o)
		}
	}
}
