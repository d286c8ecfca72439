// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package tally adds up the energy and emissions that metric points carry, for a person to look at.
// It knows no terminal: points go in, a Snapshot comes out.
package tally

import (
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// Tally holds what has been counted so far. Not safe for concurrent use.
type Tally struct {
	started time.Time
	limit   int

	streams map[stream.ID]*series
	rows    map[rowKey]*row
	grid    map[string]Intensity
	history []float64
	skipped map[Reason]int64
	foreign int64
	batch   int
}

// Reason says why a point is not shown.
type Reason string

const (
	// Limit means that the stream is beyond the number of streams that are tracked.
	Limit Reason = "limit"
	// Type means an energy that is no sum, a power that is no gauge, or a sum without temporality.
	Type Reason = "type"
	// Unit means another unit than the contract's J, W, g or g/(kW.h).
	Unit Reason = "unit"
	// Value means negative, infinite or not a number.
	Value Reason = "value"
	// Order means not later than the stream's last point.
	Order Reason = "order"
	// Decrease means that a cumulative value fell without a new start. Counting goes on from the lower value.
	Decrease Reason = "decrease"
)

// historyLength is how many samples of the total power are kept: two minutes of seconds.
const historyLength = 120

// New returns an empty tally that began to watch at started and tracks at most limit streams.
func New(started time.Time, limit int) *Tally {
	return &Tally{
		started: started,
		limit:   limit,
		streams: make(map[stream.ID]*series),
		rows:    make(map[rowKey]*row),
		grid:    make(map[string]Intensity),
		skipped: make(map[Reason]int64),
	}
}

// Add counts the points of a batch that arrived at now. It returns how many it had to skip, and why.
func (t *Tally) Add(batch pmetric.Metrics, now time.Time) map[Reason]int64 {
	t.batch++
	skipped := make(map[Reason]int64)
	for _, rm := range batch.ResourceMetrics().All() {
		resource := stream.Resource(rm.Resource())
		for _, sm := range rm.ScopeMetrics().All() {
			scope := resource.Scope(sm.Scope())
			for _, m := range sm.Metrics().All() {
				name := classify(m.Name())
				if name.quantity == none {
					t.foreign++
					continue
				}
				points, reason := pointsOf(m, name)
				metric := scope.Metric(m)
				for _, p := range points.All() {
					if reason != "" {
						skipped[reason]++
						continue
					}
					place := place{rm.Resource(), resource, name}
					if reason := t.add(metric.Point(p.Attributes()), place, m, p, now); reason != "" {
						skipped[reason]++
					}
				}
			}
		}
	}
	for reason, n := range skipped {
		t.skipped[reason] += n
	}
	return skipped
}

type place struct {
	resource   pcommon.Resource
	resourceID stream.ID
	name       name
}

func (t *Tally) add(id stream.ID, at place, m pmetric.Metric, p pmetric.NumberDataPoint, now time.Time) Reason {
	value, missing := number(p), p.Flags().NoRecordedValue()
	if !missing && (math.IsNaN(value) || math.IsInf(value, 0) || value < 0) {
		return Value
	}
	s, known := t.streams[id]
	if missing && !known {
		return ""
	}
	if !known {
		if len(t.streams) >= t.limit {
			return Limit
		}
		s = &series{quantity: at.name.quantity, variant: at.name.variant, provenance: provenanceOf(p.Attributes())}
		if s.quantity != intensity {
			s.row = t.row(at, p.Attributes())
			s.row.series = append(s.row.series, s)
		}
		t.streams[id] = s
	}
	if s.row != nil {
		s.row.batch = t.batch
	}
	if missing {
		s.watts = math.NaN()
		return ""
	}
	if s.quantity == intensity {
		t.grid[s.provenance.Zone] = Intensity{Provenance: s.provenance, GramsPerKWh: value}
		return ""
	}
	added, reason := s.observe(m, p, value, pcommon.NewTimestampFromTime(t.started), now)
	s.row.book(s, added)
	return reason
}

// Sample notes the total power at now in the history, and returns the state.
func (t *Tally) Sample(now time.Time) Snapshot {
	s := t.Snapshot(now)
	if len(t.history) == historyLength {
		t.history = append(t.history[:0], t.history[1:]...)
	}
	t.history = append(t.history, s.Total.Watts)
	s.History = append(s.History, s.Total.Watts)
	s.History = s.History[max(0, len(s.History)-historyLength):]
	return s
}

// pointsOf returns a metric's points, or why they cannot be counted.
func pointsOf(m pmetric.Metric, name name) (points pmetric.NumberDataPointSlice, reason Reason) {
	points = pmetric.NewNumberDataPointSlice()
	counted := name.quantity == energy || name.quantity == emissions || name.quantity == alternative
	switch m.Type() {
	case pmetric.MetricTypeSum:
		points = m.Sum().DataPoints()
		if !counted || m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityUnspecified {
			reason = Type
		}
	case pmetric.MetricTypeGauge:
		points = m.Gauge().DataPoints()
		if counted {
			reason = Type
		}
	default:
		// A histogram of energy has no points of this kind; count it as one.
		points.AppendEmpty()
		return points, Type
	}
	if m.Unit() != name.quantity.unit() && m.Unit() != "" {
		reason = Unit
	}
	return points, reason
}

func number(p pmetric.NumberDataPoint) float64 {
	if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
		return float64(p.IntValue())
	}
	return p.DoubleValue()
}
