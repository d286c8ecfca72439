// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// Event counts since it was opened.
type Event interface {
	Count() (uint64, error)
	Close() error
}

// eventSource is where the kernel lists what perf can count (Documentation/ABI/testing/sysfs-bus-event_source-devices*).
const eventSource = "sys/bus/event_source/devices"

// energyEvents are those of arch/x86/events/rapl.c: counters of the same registers as powercap's, extended to 64 bits
// by the kernel. The PMU power counts on one CPU of each package (Intel: of each die), power_core on one of each core.
var energyEvents = []struct {
	pmu, event string
	scope      Scope
}{
	{"power", "energy-pkg", Package},
	{"power", "energy-ram", DRAM},
	{"power", "energy-cores", Core},
	{"power_core", "energy-core", Core},
	{"power", "energy-gpu", Uncore},
	{"power", "energy-psys", Host},
}

func findPerf(m Machine) (f finding) {
	f.absent = "no PMU " + m.Host.Path(eventSource, "power")
	if m.CPU.X86 && !m.CPU.Virtual {
		f.remedy = "sudo modprobe rapl"
	}
	allowed := false
	for _, e := range energyEvents {
		p, err := newPMUEvent(m, e.pmu, e.event)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !allowed {
			err = p.try()
		}
		var found []Source
		if err == nil {
			allowed = true
			found, err = p.sources(e.scope)
		}
		if err != nil {
			f.refuse(err)
			f.remedy = ""
			if !errors.Is(err, fs.ErrPermission) {
				return f
			}
			f.remedy = "grant CAP_PERFMON (systemd: AmbientCapabilities=CAP_PERFMON; a container also needs a seccomp profile that " +
				"allows perf_event_open), or sysctl kernel.perf_event_paranoid=0"
			return f
		}
		f.sources = append(f.sources, found...)
	}
	return f
}

// pmuEvent is an event that perf can count.
type pmuEvent struct {
	machine     Machine
	pmu         uint32
	config      uint64
	microjoules float64 // in a count
	on          []int   // CPUs
}

func newPMUEvent(m Machine, pmu, event string) (p pmuEvent, err error) {
	dir := m.Host.Path(eventSource, pmu)
	file := filepath.Join(dir, "events", event)
	code, err := m.text(file)
	if err != nil {
		return p, err
	}
	hex, ok := strings.CutPrefix(code, "event=0x")
	if p.config, err = strconv.ParseUint(hex, 16, 64); !ok || err != nil {
		return p, fmt.Errorf("%s: %q is not of the form event=0x02", file, code)
	}
	if unit, err := m.text(file + ".unit"); err != nil {
		return p, err
	} else if unit != "Joules" {
		return p, fmt.Errorf("%s.unit: %q is not Joules", file, unit)
	}
	scale, err := m.text(file + ".scale")
	if err != nil {
		return p, err
	}
	joules, err := strconv.ParseFloat(scale, 64)
	if err != nil || !(joules > 0 && joules <= 1) {
		return p, fmt.Errorf("%s.scale: %q is not a number of joules above 0 and up to 1", file, scale)
	}
	number, err := m.number(filepath.Join(dir, "type"))
	if err != nil {
		return p, err
	}
	if number > math.MaxUint32 {
		return p, fmt.Errorf("%s: %d is no type of a PMU", filepath.Join(dir, "type"), number)
	}
	p.machine, p.pmu, p.microjoules = m, uint32(number), joules*microjoules
	p.on, err = m.cpus(filepath.Join(dir, "cpumask"))
	return p, err
}

// try whether it may be counted.
func (p pmuEvent) try() error {
	event, err := p.machine.OpenEvent(p.pmu, p.config, p.on[0])
	if err == nil {
		return event.Close()
	}
	file := p.machine.Host.Path("proc/sys/kernel/perf_event_paranoid")
	if paranoid, unknown := p.machine.text(file); unknown == nil {
		return fmt.Errorf("perf_event_open: %w (%s is %s)", err, file, paranoid)
	}
	return fmt.Errorf("perf_event_open: %w", err)
}

// sources are one for each package, but one of the machine for psys: of several packages one alone counts it.
func (p pmuEvent) sources(scope Scope) (sources []Source, err error) {
	counters := map[string][]Sensor{}
	var packages []string
	for _, cpu := range p.on {
		id, err := p.packageID(cpu)
		switch {
		case err != nil:
			return nil, err
		case scope == Host:
			id = psys
		case scope == Package && counters[id] != nil:
			// The dies of an AMD package show the same counter, see newZone.
			continue
		}
		if counters[id] == nil {
			packages = append(packages, id)
		}
		counters[id] = append(counters[id], p.counter(cpu, scope))
	}
	for _, id := range packages {
		s := Source{Sensor: together(counters[id]), ID: id, Scope: scope, Method: Counter, Driver: Perf}
		if scope != Package && scope != Host {
			s.ID, s.Parent = id+"/"+string(scope), id
		}
		s.Name = raplName(p.machine, scope, s.Parent)
		sources = append(sources, s)
	}
	return sources, nil
}

// packageID is the name that powercap has for the package that a CPU is in.
func (p pmuEvent) packageID(cpu int) (string, error) {
	pkg, die, err := p.machine.packageOf(cpu)
	if err != nil || p.machine.CPU.AMD {
		return packageID(pkg), err
	}
	for _, other := range p.on {
		otherPkg, otherDie, err := p.machine.packageOf(other)
		if err != nil {
			return "", err
		}
		if otherPkg == pkg && otherDie != die {
			return fmt.Sprintf("%s-die-%d", packageID(pkg), die), nil
		}
	}
	return packageID(pkg), nil
}

func (p pmuEvent) counter(cpu int, scope Scope) Sensor {
	return &eventCounter{
		open:        func() (Event, error) { return p.machine.OpenEvent(p.pmu, p.config, cpu) },
		microjoules: p.microjoules,
		naps:        p.machine.naps(),
		counter:     joule.Counter{MaxRate: scope.maxPower() * microjoules},
	}
}

// eventCounter accumulates an event of perf, which it opens at its first reading.
type eventCounter struct {
	open        func() (Event, error)
	microjoules float64 // in a count
	naps        naps
	counter     joule.Counter

	event   Event
	last    uint64  // count
	counted uint64  // µJ
	rest    float64 // of a µJ
	begun   bool
	// reopened says that what was used before the event was opened again is not known.
	reopened bool
}

func (c *eventCounter) Read(now time.Time) (joule.Outcome, error) {
	if c.event == nil {
		event, err := c.open()
		if err != nil {
			return joule.Rejected, fmt.Errorf("perf_event_open: %w", err)
		}
		c.event, c.last, c.reopened = event, 0, c.begun
	}
	count, err := c.event.Count()
	if err != nil {
		return joule.Rejected, errors.Join(err, c.Close())
	}
	// The count has 64 bits, of a quarter of a nanojoule: it wraps within two months of a kilowatt.
	energy := float64(count-c.last)*c.microjoules + c.rest
	c.last = count
	c.rest = energy - math.Floor(energy)
	c.counted += uint64(math.Floor(energy))
	if c.naps.woke() {
		c.counter.Break()
	}
	outcome := c.counter.Observe(c.counted, now)
	if !outcome.Accepted() {
		return outcome, nil
	}
	c.begun = true
	if c.reopened {
		c.reopened = false
		return joule.Gap, nil
	}
	return outcome, nil
}

func (c *eventCounter) Microjoules() uint64 { return c.counter.Total() }

// Interval is 0: the kernel reads in time.
func (c *eventCounter) Interval() time.Duration { return 0 }

// Close ends the counting. Another reading begins anew.
func (c *eventCounter) Close() error {
	if c.event == nil {
		return nil
	}
	event := c.event
	c.event = nil
	return event.Close()
}
