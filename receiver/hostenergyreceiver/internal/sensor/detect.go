// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"slices"
	"strings"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
)

// Detect lists the sources that can be read now, and for the self-report a row for each driver that has some (used, or
// spare where Preferred takes none of them), one for each that is refused, and one for each that is absent. It tries
// what may be refused and keeps nothing open: it may be called at each scrape, and of a source that was there before the
// new sensor can be dropped.
func Detect(m Machine) ([]Source, []selfreport.Row) {
	found := make([]finding, len(drivers))
	var sources []Source
	for i, d := range drivers {
		found[i] = d.find(m)
		sources = append(sources, found[i].sources...)
	}
	chosen, _ := Preferred(sources)
	var rows []selfreport.Row
	for i, f := range found {
		if slices.ContainsFunc(chosen, func(c Source) bool { return c.Scope == drivers[i].measures }) && f.refused == nil {
			f.remedy = "" // there is nothing to gain
		}
		rows = append(rows, f.rows(drivers[i].what, chosen)...)
	}
	return sources, rows
}

// drivers are all there are, in the order of the self-report.
var drivers = []struct {
	what string
	// measures is what they are for.
	measures Scope
	find     func(Machine) finding
}{
	{"RAPL (powercap)", Package, findPowercap},
	{"RAPL (perf)", Package, findPerf},
	{"AMD (hwmon amd_energy)", Package, findAMDEnergy},
	{"NVIDIA Grace (hwmon)", Package, findGrace},
	{"power meter (ACPI)", Host, findMeter},
	{"battery", Host, findBattery},
}

// finding is what a driver has on a machine.
type finding struct {
	sources []Source
	// note is what else to say of the sources.
	note string
	// refused is about the first thing that is there and cannot be read.
	refused error
	// absent says why there is nothing.
	absent string
	// remedy is how to get what is refused or absent.
	remedy string
}

// refuse keeps the first error.
func (f *finding) refuse(err error) {
	if f.refused == nil {
		f.refused = err
	}
}

func (f *finding) rows(what string, chosen []Source) (rows []selfreport.Row) {
	if len(f.sources) > 0 {
		row := selfreport.Row{What: what, State: selfreport.Spare, Detail: ids(f.sources) + f.note}
		for _, s := range f.sources {
			if slices.ContainsFunc(chosen, func(c Source) bool { return c.ID == s.ID && c.Driver == s.Driver }) {
				row.State = selfreport.Used
			}
		}
		rows = append(rows, row)
	}
	switch {
	case f.refused != nil:
		rows = append(rows, selfreport.Row{What: what, State: selfreport.Refused, Detail: f.refused.Error(), Remedy: f.remedy})
	case len(f.sources) == 0:
		rows = append(rows, selfreport.Row{What: what, State: selfreport.Absent, Detail: f.absent, Remedy: f.remedy})
	}
	return rows
}

func ids(sources []Source) string {
	text := make([]string, len(sources))
	for i, s := range sources {
		text[i] = s.ID
	}
	return strings.Join(text, ", ")
}

// maxPower is more than a sensor's domain can draw for long, in W. Half as much again is allowed for peaks. It bounds
// what a reading may add, and how long a counter may go unread.
func (s Scope) maxPower() float64 {
	switch s {
	case Host:
		return 20_000 // NVIDIA DGX B200, with eight GPUs: 14.3 kW at most (its data sheet)
	case Module:
		return 5000 // NVIDIA GB300, with two GPUs: 2.9 kW
	default:
		return 1000 // AMD EPYC 9965 and Intel Xeon 6980P, a package without its memory: 500 W
	}
}
