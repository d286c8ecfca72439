// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"math"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// convert appends to emissions what the points of energy, the metric identified by id, caused.
func (p *carbonProcessor) convert(ctx context.Context, energy pmetric.Metric, emissions pmetric.Sum, id stream.ID, now int64) {
	temporality := energy.Sum().AggregationTemporality()
	emissions.SetAggregationTemporality(temporality)
	emissions.SetIsMonotonic(true)
	in, out := energy.Sum().DataPoints(), emissions.DataPoints()
	out.EnsureCapacity(in.Len())
	for _, point := range in.All() {
		joules := value(point)
		switch {
		case point.Flags().NoRecordedValue():
			p.factor.appendPoint(out, point, point.Timestamp()).SetFlags(point.Flags())
		case !(joules >= 0 && joules <= math.MaxFloat64) || point.Timestamp() == 0:
			p.skipped.add(ctx, badValue, energy.Name(), 1)
		case temporality == pmetric.AggregationTemporalityDelta:
			p.factor.appendGrams(out, point, point.StartTimestamp(), point.Timestamp(), joules)
		default:
			p.convertCumulative(ctx, energy.Name(), point, out, id, now)
		}
	}
}

func (p *carbonProcessor) convertCumulative(ctx context.Context, name string, point pmetric.NumberDataPoint, out pmetric.NumberDataPointSlice, id stream.ID, now int64) {
	r := reading{point.StartTimestamp(), point.Timestamp(), value(point)}
	var booking booking
	ok := p.accounts.Do(id, id.Point(point.Attributes()), func(a *account) {
		booking = a.book(r, p.watched)
		a.seen = now
		if booking == openedWithBalance {
			p.factor.appendGrams(out, point, a.start, a.start, 0)
		}
		if booking != outOfOrder {
			p.factor.appendGrams(out, point, a.start, r.time, a.joules())
		}
	})
	why := booking.leftOut()
	if !ok {
		why = streamLimit
	}
	if why != none {
		p.skipped.add(ctx, why, name, 1)
	}
}

func value(point pmetric.NumberDataPoint) float64 {
	if point.ValueType() == pmetric.NumberDataPointValueTypeInt {
		return float64(point.IntValue())
	}
	return point.DoubleValue()
}
