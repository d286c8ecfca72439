// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"math"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// Row is what has been counted for one device, host or workload by one method.
type Row struct {
	Family Family
	// Host identifies the host, HostName is what a person calls it. Empty if the data does not say.
	Host, HostName string
	// Kind is gpu, cpu, host, container...
	Kind string
	// Name is what a person calls the thing; ID tells two with the same name apart.
	Name, ID string
	Method   string
	// Batch is the number of the last batch that carried a point of the row.
	Batch int
	Amount
}

// Modelled reports whether the energy is an estimate, not a measurement.
func (r Row) Modelled() bool { return r.Method == "model" }

// Provenance is where an intensity comes from. Grams of different provenance are kept apart.
type Provenance struct {
	Zone, Source, Quality, Boundary, Basis, Gas string
}

// rowKey joins an energy with its emissions: same resource, same attributes but for the provenance.
type rowKey struct {
	base string
	id   stream.ID
}

type row struct {
	Row
	series []*series
	batch  int
}

func (t *Tally) row(at place, attributes pcommon.Map) *row {
	own := pcommon.NewMap()
	attributes.CopyTo(own)
	own.RemoveIf(func(key string, _ pcommon.Value) bool { return isProvenance(key) })
	key := rowKey{at.name.base, at.resourceID.Point(own)}
	r, ok := t.rows[key]
	if !ok {
		r = &row{Row: label(at, own)}
		t.rows[key] = r
	}
	return r
}

func isProvenance(key string) bool {
	return key == "grid.zone" || strings.HasPrefix(key, "carbon.")
}

func provenanceOf(attributes pcommon.Map) Provenance {
	return Provenance{
		Zone:     text(attributes, "grid.zone"),
		Source:   text(attributes, "carbon.source"),
		Quality:  text(attributes, "carbon.data.quality"),
		Boundary: text(attributes, "carbon.boundary"),
		Basis:    text(attributes, "carbon.basis"),
		Gas:      text(attributes, "carbon.gas"),
	}
}

func label(at place, attributes pcommon.Map) Row {
	resource := at.resource.Attributes()
	r := Row{
		Family:   at.name.family,
		Host:     text(resource, "host.id", "host.name", "k8s.node.name"),
		HostName: text(resource, "host.name", "k8s.node.name", "host.id"),
		ID:       text(attributes, "hw.id"),
		Method:   text(attributes, "energy.method"),
	}
	switch at.name.family {
	case Host:
		r.Kind, r.Name = "host", first(r.HostName, r.ID)
	case Workload:
		r.Kind = first(text(attributes, "workload.kind"), "workload")
		r.Name = workloadName(resource, attributes)
	case Other:
		r.Kind, r.Name = at.name.base, first(text(attributes, "hw.name"), r.ID, workloadName(resource, attributes))
	default:
		r.Kind = first(text(attributes, "hw.type"), "device")
		r.Name = first(text(attributes, "hw.name"), r.ID, text(attributes, "energy.scope"))
	}
	return r
}

// workloadName takes the most telling of the names that a workload's resource has.
func workloadName(resource, attributes pcommon.Map) string {
	names := []string{
		"k8s.pod.name", "container.name", "slurm.job.id", "systemd.unit", "service.name",
		"process.executable.name", "k8s.pod.uid", "container.id", "process.pid",
	}
	return first(text(resource, names...), text(attributes, names...))
}

// text returns the first of the attributes that is there and not empty, fit for a terminal: a foreign
// value must not move the cursor.
func text(attributes pcommon.Map, keys ...string) string {
	const longest = 128
	for _, key := range keys {
		v, ok := attributes.Get(key)
		if !ok {
			continue
		}
		s := []rune(strings.TrimSpace(strings.Map(printable, v.AsString())))
		if len(s) > 0 {
			return string(s[:min(len(s), longest)])
		}
	}
	return ""
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return -1
}

func first(choices ...string) string {
	for _, s := range choices {
		if s != "" {
			return s
		}
	}
	return ""
}

func (r *row) book(s *series, added float64) {
	switch s.quantity {
	case energy:
		r.Joules += added
		r.Metered = true
	case emissions:
		if r.Booked == nil {
			r.Booked = make(map[Provenance]float64)
		}
		r.Booked[s.provenance] += added
	case alternative:
		if r.Alternatives == nil {
			r.Alternatives = make(map[string]float64)
		}
		r.Alternatives[s.variant] += added
	}
}

// watts is the power over the last interval: from joules where there are any, else as reported.
func (r *row) watts(now time.Time) float64 {
	fromEnergy, reported := math.NaN(), math.NaN()
	for _, s := range r.series {
		switch {
		case !s.current(now):
		case s.quantity == energy:
			fromEnergy = plus(fromEnergy, s.watts)
		case s.quantity == power:
			reported = plus(reported, s.watts)
		}
	}
	if math.IsNaN(fromEnergy) {
		return reported
	}
	return fromEnergy
}
