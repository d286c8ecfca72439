// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package feed makes metrics for the tests of the console exporter.
package feed

import (
	"maps"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Attributes of a resource or of a point.
type Attributes map[string]string

// With returns the attributes with further ones.
func (a Attributes) With(more Attributes) Attributes {
	out := maps.Clone(a)
	maps.Copy(out, more)
	return out
}

// Point is one data point with all that surrounds it. The metric's name decides its unit and kind.
type Point struct {
	Metric     string
	Resource   Attributes
	Attributes Attributes
	Start, At  time.Time
	Value      float64
	Delta      bool
	Missing    bool
	// Unit instead of the one that the metric's name calls for.
	Unit string
}

// Batch puts points into one batch, in their order.
func Batch(points ...Point) pmetric.Metrics {
	batch := pmetric.NewMetrics()
	for _, p := range points {
		rm := batch.ResourceMetrics().AppendEmpty()
		put(rm.Resource().Attributes(), p.Resource)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName(p.Metric)
		var to pmetric.NumberDataPoint
		switch {
		case strings.HasSuffix(p.Metric, ".power"):
			m.SetUnit("W")
			to = m.SetEmptyGauge().DataPoints().AppendEmpty()
		case p.Metric == "grid.carbon_intensity":
			m.SetUnit("g/(kW.h)")
			to = m.SetEmptyGauge().DataPoints().AppendEmpty()
		default:
			m.SetUnit("J")
			if strings.Contains(p.Metric, "emissions") {
				m.SetUnit("g")
			}
			sum := m.SetEmptySum()
			sum.SetIsMonotonic(true)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			if p.Delta {
				sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			}
			to = sum.DataPoints().AppendEmpty()
		}
		if p.Unit != "" {
			m.SetUnit(p.Unit)
		}
		put(to.Attributes(), p.Attributes)
		if !p.Start.IsZero() {
			to.SetStartTimestamp(pcommon.NewTimestampFromTime(p.Start))
		}
		to.SetTimestamp(pcommon.NewTimestampFromTime(p.At))
		to.SetDoubleValue(p.Value)
		to.SetFlags(to.Flags().WithNoRecordedValue(p.Missing))
	}
	return batch
}

func put(to pcommon.Map, from Attributes) {
	for k, v := range from {
		to.PutStr(k, v)
	}
}
