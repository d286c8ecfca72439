// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/model"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// ladder has the best source of each device: a counter, else the integral of a power, else an estimate.
type ladder struct {
	cfg     *Config
	logger  *zap.Logger
	machine sensor.Machine
	bmc     *sensor.Source // nil if there is none

	devices []*device // in the order of their discovery
	meter   *device   // of the whole machine, once one was read
	rows    []selfreport.Row
	began   time.Time

	cpu    *model.CPU
	memory *model.Memory // nil if the CPU's energy has that of the memory in it
	// measured says that a counter of a CPU package was read: it is not estimated any more.
	measured bool
}

func newLadder(cfg *Config, logger *zap.Logger, machine sensor.Machine) *ladder {
	l := &ladder{cfg: cfg, logger: logger, machine: machine, began: time.Now()}
	l.cpu, l.memory = model.New(cfg.Model, cfg.Host)
	return l
}

// hw.id of what is estimated.
const (
	estimatedCPU    = "cpu"
	estimatedMemory = "memory"
)

// discover adds what has appeared. What vanished stays: it may return, and its failed readings are counted.
func (l *ladder) discover() {
	sources, rows := sensor.Detect(l.machine)
	l.rows = rows
	if l.bmc != nil {
		l.add(*l.bmc)
		if l.meter != nil && l.meter.ID == l.bmc.ID { // until it has answered, others are as good
			sources = append(sources, *l.bmc)
		}
	}
	chosen, _ := sensor.Preferred(sources)
	for _, s := range chosen {
		l.add(s)
	}
	if l.missing() != nil {
		l.add(sensor.Source{
			Sensor: l.cpu, ID: estimatedCPU, Name: l.cpu.Name() + " (estimated)",
			Scope: sensor.Package, Method: sensor.Model, Driver: sensor.Estimated, Memory: l.memory == nil,
		})
	}
	if l.memory != nil && l.memory.Idle() > 0 && !l.finds(sensor.DRAM) {
		l.add(sensor.Source{Sensor: l.memory, ID: estimatedMemory, Name: "Memory (estimated)", Scope: sensor.DRAM, Method: sensor.Model, Driver: sensor.Estimated})
	}
}

// missing says why no counter of a CPU package can be read; nil if one can.
func (l *ladder) missing() *selfreport.Row {
	if l.finds(sensor.Package) {
		return nil
	}
	why := selfreport.Row{What: "sensors", State: selfreport.Absent, Detail: "there are none"}
	for i, r := range l.rows {
		if i == 0 || r.State == selfreport.Refused && why.State != selfreport.Refused {
			why = r
		}
	}
	return &why
}

// finds reports whether there is a device of a scope that has a sensor.
func (l *ladder) finds(scope sensor.Scope) bool {
	return slices.ContainsFunc(l.devices, func(d *device) bool { return d.covers(scope) })
}

// has reports whether one was read.
func (l *ladder) has(scope sensor.Scope) bool {
	return slices.ContainsFunc(l.devices, func(d *device) bool { return d.covers(scope) && !d.start.IsZero() })
}

func (l *ladder) add(s sensor.Source) {
	i := slices.IndexFunc(l.devices, func(d *device) bool { return d.ID == s.ID })
	switch {
	case i < 0 && l.wanted(s.Scope):
		l.devices = append(l.devices, &device{Source: s})
	case i >= 0 && l.devices[i].unreadable && l.devices[i].Driver != s.Driver:
		l.devices[i].replace(s)
	}
}

func (l *ladder) wanted(scope sensor.Scope) bool {
	if scope == sensor.Core || scope == sensor.Uncore {
		return l.cfg.Metrics.Metrics.HwEnergyInner.Enabled
	}
	return true
}

// retire ends estimates of what is measured now, after their last point, and the shares of devices that have been away for long.
func (l *ladder) retire() {
	for _, estimated := range []struct {
		id    string
		scope sensor.Scope
	}{{estimatedCPU, sensor.Package}, {estimatedMemory, sensor.DRAM}} {
		i := slices.IndexFunc(l.devices, func(d *device) bool { return d.ID == estimated.id && d.Method == sensor.Model })
		if !l.has(estimated.scope) {
			continue
		}
		l.measured = l.measured || estimated.scope == sensor.Package
		if i < 0 {
			continue
		}
		if !l.devices[i].start.IsZero() {
			l.logger.Info("energy is measured from here on, and no longer estimated", zap.String("energy.scope", string(estimated.scope)))
		}
		if estimate := l.devices[i].ledger; estimate != nil {
			estimate.Dismiss()
		}
		l.devices = slices.Delete(l.devices, i, i+1)
	}
	for _, d := range l.devices {
		if d.ledger != nil {
			dismissIfAway(d.ledger, time.Now())
		}
	}
}

// place is where the energy of a device is told.
type place int

const (
	// withheld: nowhere, as something else covers it.
	withheld place = iota
	// counted: under hw.energy.
	counted
	// inner: under hw.energy.inner, as part of what is counted.
	inner
	// machineMeter: under hw.host.energy.
	machineMeter
)

// indecision is how long a Grace CPU waits for nvmlenergy to find out whether its GPU's counter covers the module.
const indecision = 30 * time.Second

// best is the meter of the whole machine that is preferred of those that were read; nil if none was.
func (l *ladder) best() *device {
	byID := map[string]*device{}
	var read []sensor.Source
	for _, d := range l.devices {
		if d.Scope == sensor.Host && !d.start.IsZero() {
			byID[d.ID], read = d, append(read, d.Source)
		}
	}
	if len(read) == 0 {
		return nil
	}
	chosen, _ := sensor.Preferred(read)
	return byID[chosen[0].ID]
}

// takeOver drops the meter of the whole machine that there is a better one than, after its last point, which is at the time of
// the other's first: each has a series of its own, and none counts what another did.
func (l *ladder) takeOver() {
	best := l.best()
	if before := l.meter; before != nil && before != best {
		l.logger.Info("another meter measures the whole machine from here on", zap.String("hw.id", best.ID), zap.String("before", before.ID))
		if r := before.residual; r != nil && r.ledger != nil {
			r.ledger.Dismiss()
		}
		before.close()
		l.devices = slices.DeleteFunc(l.devices, func(d *device) bool { return d == before })
	}
	l.meter = best
}

// places decides it for all devices. What is counted does not overlap, also with what other receivers count.
func (l *ladder) places(others []machine.Meter, now time.Time) map[*device]place {
	modules, gpus, decided := false, false, true
	for _, o := range others {
		devices, known := o.Devices()
		decided, gpus = decided && known, gpus || len(devices) > 0
		modules = modules || slices.ContainsFunc(devices, func(d machine.Device) bool { return d.Module })
	}
	best := l.best()
	places := make(map[*device]place, len(l.devices))
	for _, d := range l.devices {
		grace := d.Memory // a CPU with its memory, which may be in a module
		switch {
		case d.Scope == sensor.Host && d != best && d != l.meter:
			places[d] = withheld // two meters of one machine are not added up
		case d.Scope == sensor.Host:
			places[d] = machineMeter
		case d.Scope == sensor.Module && (gpus || !decided): // whose GPU is counted
			places[d] = withheld
		case d.Scope == sensor.Core, d.Scope == sensor.Uncore, grace && modules:
			places[d] = inner
		case grace && !decided && now.Sub(l.began) < indecision:
			places[d] = withheld
		default:
			places[d] = counted
		}
	}
	return places
}

// packages are the counters of CPU packages.
func (l *ladder) packages() (packages []*device) {
	for _, d := range l.devices {
		if d.Scope == sensor.Package && d.Method != sensor.Model {
			packages = append(packages, d)
		}
	}
	return packages
}

// calibrate compares the model with the counters, where both are.
func (l *ladder) calibrate(now time.Time) {
	packages := l.packages()
	if !l.measured || len(packages) == 0 {
		return
	}
	if _, err := l.cpu.Read(now); err != nil {
		return
	}
	sum := uint64(0)
	for _, d := range packages {
		if !d.current {
			l.cpu.Break()
			return
		}
		sum += d.before + d.Sensor.Microjoules()
	}
	l.cpu.Calibrate(sum)
}

// idlePower is what a CPU package draws when nothing runs, in W.
func (l *ladder) idlePower(d *device) float64 {
	watts, _ := l.cpu.Idle()
	if d.Method == sensor.Model {
		return watts
	}
	return watts / float64(max(len(l.packages()), 1))
}

// interval is the time until a sensor has to be read that cannot wait for a scrape.
func (l *ladder) interval() time.Duration {
	const (
		longest  = time.Minute            // while none is known
		shortest = 100 * time.Millisecond // against a range that is nonsense
	)
	interval := longest
	for _, d := range l.devices {
		if every := d.Sensor.Interval(); every > 0 {
			interval = min(interval, every)
		}
	}
	return max(interval, shortest)
}

func (l *ladder) close() {
	for _, d := range l.devices {
		d.close()
	}
}
