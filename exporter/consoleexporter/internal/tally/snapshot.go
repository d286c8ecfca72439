// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Snapshot is what has been counted up to a moment. It shares nothing with the tally.
type Snapshot struct {
	At, Started time.Time
	// Batch is the number of batches so far.
	Batch int

	// Hosts with the most energy come first.
	Hosts []HostTotal
	// Workloads and Others are in no total, largest first.
	Workloads, Others []Row
	// Total is the sum of the hosts.
	Total Amount
	// Grid is the intensity per zone, where it is reported on its own, by zone.
	Grid []Intensity
	// History holds samples of the total power in watts, NaN where it was not known.
	History []float64

	// Skipped counts points that were left out, by reason.
	Skipped map[Reason]int64
	// Foreign counts metrics that are none of energy, power, emissions and intensity.
	Foreign int64
	// Limit is the number of streams that can be tracked.
	Limit int
}

// HostTotal is the total of a host: its own reading where there is one, else the sum of its devices.
type HostTotal struct {
	ID, Name string
	// Readings of the host as a whole, one per method. Empty if the total is a sum.
	Readings []Row
	// Devices and their Inner parts, largest first.
	Devices, Inner []Row
	Total          Amount
}

// Intensity of a grid zone in grams per kWh.
type Intensity struct {
	Provenance
	GramsPerKWh float64
}

// Empty reports whether there is nothing to show yet.
func (s Snapshot) Empty() bool {
	return len(s.Hosts)+len(s.Workloads)+len(s.Others)+len(s.Grid) == 0
}

// Snapshot returns the state at now.
func (t *Tally) Snapshot(now time.Time) Snapshot {
	s := Snapshot{
		At: now, Started: t.started, Batch: t.batch,
		Total:   nothing(),
		History: slices.Clone(t.history),
		Skipped: maps.Clone(t.skipped),
		Foreign: t.foreign,
		Limit:   t.limit,
	}
	hosts := make(map[string]*HostTotal)
	for _, r := range t.rows {
		out := r.snapshot(now)
		switch r.Family {
		case Workload:
			s.Workloads = append(s.Workloads, out)
			continue
		case Other:
			s.Others = append(s.Others, out)
			continue
		}
		h, ok := hosts[r.Host]
		if !ok {
			h = &HostTotal{ID: r.Host}
			hosts[r.Host] = h
		}
		h.Name = cmp.Or(h.Name, r.HostName)
		switch r.Family {
		case Host:
			h.Readings = append(h.Readings, out)
		case Inner:
			h.Inner = append(h.Inner, out)
		default:
			h.Devices = append(h.Devices, out)
		}
	}
	for _, h := range hosts {
		h.sum()
		s.Hosts = append(s.Hosts, *h)
	}
	slices.SortFunc(s.Hosts, func(a, b HostTotal) int {
		return cmp.Or(a.Total.compare(b.Total), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	// In this order, so that a total does not change with the order of a map.
	for _, h := range s.Hosts {
		s.Total.add(h.Total)
	}
	largestFirst(s.Workloads)
	largestFirst(s.Others)
	s.Grid = slices.SortedFunc(maps.Values(t.grid), func(a, b Intensity) int { return cmp.Compare(a.Zone, b.Zone) })
	return s
}

func (r *row) snapshot(now time.Time) Row {
	out := r.Row
	out.Batch = r.batch
	out.Booked = maps.Clone(r.Booked)
	out.Alternatives = maps.Clone(r.Alternatives)
	out.Watts = r.watts(now)
	out.powered = slices.ContainsFunc(r.series, func(s *series) bool { return s.quantity == energy || s.quantity == power })
	if r.Metered {
		out.ByMethod = map[string]float64{r.Method: r.Joules}
		if len(r.Booked) == 0 {
			out.Unconverted = r.Joules
		}
	}
	return out
}

// sum takes the host's own reading where it has one, for power and for energy each, never both.
func (h *HostTotal) sum() {
	largestFirst(h.Readings)
	largestFirst(h.Devices)
	largestFirst(h.Inner)
	own, devices := total(h.Readings), total(h.Devices)
	h.Total = own
	if !own.Metered && len(own.Booked) == 0 {
		h.Total = devices
	}
	h.Total.Watts = own.Watts
	if !own.powered {
		h.Total.Watts = devices.Watts
	}
}

// Whole reports whether the total is the host's own reading, so that its devices are parts of it.
func (h HostTotal) Whole() bool {
	return slices.ContainsFunc(h.Readings, func(r Row) bool { return r.Metered || len(r.Booked) > 0 })
}

func total(rows []Row) Amount {
	sum := nothing()
	for _, r := range rows {
		sum.add(r.Amount)
	}
	return sum
}

func largestFirst(rows []Row) {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(
			a.compare(b.Amount),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.HostName, b.HostName),
		)
	})
}
