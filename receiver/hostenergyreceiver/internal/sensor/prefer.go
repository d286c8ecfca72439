// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"cmp"
	"slices"
	"strings"
)

// Preferred picks of all sources those to read: of each ID the one by the best driver, of those that count the energy of
// the machine's parts (Package, DRAM, Module) none that is within another, and one of the whole machine (Host). A
// package is preferred to the module that it is part of, whose GPU has its own counter. Both lists keep the order.
func Preferred(sources []Source) (chosen, spare []Source) {
	better := slices.Clone(sources)
	slices.SortStableFunc(better, func(a, b Source) int { return cmp.Compare(a.rank(), b.rank()) })
	var best []Source
	for _, s := range better {
		if !slices.ContainsFunc(best, s.overlaps) {
			best = append(best, s)
		}
	}
	for _, s := range sources {
		if slices.ContainsFunc(best, func(b Source) bool { return b.ID == s.ID && b.Driver == s.Driver }) {
			chosen = append(chosen, s)
		} else {
			spare = append(spare, s)
		}
	}
	return chosen, spare
}

// rank is lower for what is preferred.
func (s Source) rank() int {
	order := partDrivers
	if s.Scope == Host {
		order = hostDrivers
	}
	rank := slices.Index(order, s.Driver)
	if rank < 0 {
		rank = len(order)
	}
	if s.Scope == Module {
		rank += len(order) + 1
	}
	return rank
}

var (
	partDrivers = []Driver{Powercap, Perf, HWMon}
	// The wall's own meters, then what the platform says of itself, then what only tells while on battery.
	hostDrivers = []Driver{Redfish, IPMI, ACPI, Powercap, Perf, Battery}
)

// overlaps reports whether two must not both be read: they are the same, or both counted and one within the other.
func (s Source) overlaps(other Source) bool {
	switch {
	case s.ID == other.ID, s.Scope == Host && other.Scope == Host:
		return true
	case !s.counted() || !other.counted():
		return false
	}
	return s.within(other) || other.within(s)
}

func (s Source) counted() bool { return s.Scope == Package || s.Scope == DRAM || s.Scope == Module }

// within reports whether what s measures is part of what other does. The memory of a package (Intel) is beside it.
func (s Source) within(other Source) bool {
	return s.Parent == other.ID && other.Scope == Module || s.Scope == other.Scope && strings.HasPrefix(s.ID, other.ID+"-die-")
}
