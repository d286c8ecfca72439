// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// conversion is of one metric.
type conversion struct {
	*carbonProcessor

	ctx  context.Context //nolint:containedctx // lives as long as the call
	name string
	site *site
	id   stream.ID
	// subject is whose emissions they are, ratings how well they are known; nil if that is not asked for.
	subject string
	ratings *ratings
	// shares are those of the point at hand that may be revised, if follow says that they are.
	follow bool
	shares []share
	// metrics is where further metrics are appended, such as corrections.
	metrics     pmetric.MetricSlice
	corrections pmetric.NumberDataPointSlice
	corrected   bool
	out         pmetric.NumberDataPointSlice
	now         time.Time
	sees        horizon // of the processor that took the energy
}

// convert appends to emissions what the points of energy, the metric identified by id, caused.
func (c *conversion) convert(energy pmetric.Metric, emissions pmetric.Sum) {
	temporality := energy.Sum().AggregationTemporality()
	emissions.SetAggregationTemporality(temporality)
	emissions.SetIsMonotonic(true)
	in := energy.Sum().DataPoints()
	c.out = emissions.DataPoints()
	c.out.EnsureCapacity(in.Len())
	for _, point := range in.All() {
		joules := value(point)
		switch {
		case point.Flags().NoRecordedValue():
			c.gap(point)
		case !(joules >= 0 && joules <= math.MaxFloat64) || point.Timestamp() == 0:
			c.skipped.add(c.ctx, badValue, c.name, 1)
		case temporality == pmetric.AggregationTemporalityDelta:
			c.delta(point, joules)
		default:
			c.cumulative(point, joules)
		}
	}
}

// gap says of each stream that it has no value.
func (c *conversion) gap(point pmetric.NumberDataPoint) {
	if i, _ := c.site.feed.Timeline().At(int64(point.Timestamp())); i != nil {
		c.classes.appendPoint(c.out, point, c.site.class(i), point.Timestamp()).SetFlags(point.Flags())
	}
}

// delta keeps no state: what is not known now stays so.
func (c *conversion) delta(point pmetric.NumberDataPoint, joules float64) {
	from := point.StartTimestamp()
	if from == 0 || from > point.Timestamp() {
		from = point.Timestamp()
	}
	var found [maxSiblings]sibling
	c.site.split(span{from, point.Timestamp(), joules}, func(share share) {
		switch s := find(found[:], share.class); {
		case share.class == 0:
			c.skipped.lose(c.ctx, c.site.book.unknown, share.joules)
		case s == nil:
			c.skipped.lose(c.ctx, classLimit, share.joules)
		default:
			s.add(share.class, share.start, share.grams)
			c.doubt(point, share)
		}
	})
	c.revise(c.id.Point(point.Attributes()), point)
	for i := range found {
		s := &found[i]
		if s.class == 0 {
			return
		}
		c.classes.appendGrams(c.out, point, s.class, point.StartTimestamp(), point.Timestamp(), s.grams)
	}
}

func (c *conversion) cumulative(point pmetric.NumberDataPoint, joules float64) {
	r := reading{point.StartTimestamp(), point.Timestamp(), joules}
	id := c.id.Point(point.Attributes())
	var outcome booking
	ok := c.site.book.accounts.Do(c.id, id, func(a *account) {
		var s span
		before := a.value
		s, outcome = a.book(r, c.sees)
		a.seen = c.now.Unix()
		switch outcome {
		case outOfOrder:
			return
		case silent:
			c.reset(a, id, before)
		}
		if !c.site.ready(earlier(a.held, s), c.now) {
			a.hold(s)
			return
		}
		if held, ok := a.release(); ok {
			c.settle(a, id, held, point)
		}
		c.settle(a, id, s, point)
		c.revise(id, point)
		c.report(a, id, point)
	})
	why := outcome.leftOut()
	if !ok {
		why = streamLimit
	}
	if why != none {
		c.skipped.add(c.ctx, why, c.name, 1)
	}
}

// reset begins anew: somebody else may have told of this stream since, or it was told of and forgotten.
func (c *conversion) reset(a *account, id stream.ID, before float64) {
	held, _ := a.release()
	c.skipped.lose(c.ctx, tooLong, max(a.value-before, 0)+held.joules)
	a.siblings = siblings{}
	c.site.book.more.Peek(c.id, id, func(m *moreSiblings) { m.siblings = moreSiblings{}.siblings })
}

// earlier is when the energy that is to be booked began to be used.
func earlier(held, s span) pcommon.Timestamp {
	if held.until != 0 {
		return held.from
	}
	return s.from
}

// settle books energy to the siblings of its account.
func (c *conversion) settle(a *account, id stream.ID, s span, point pmetric.NumberDataPoint) {
	c.site.split(s, func(share share) {
		if share.class == 0 {
			c.skipped.lose(c.ctx, c.site.book.unknown, share.joules)
			return
		}
		c.doubt(point, share)
		if s := find(a.siblings[:], share.class); s != nil {
			s.add(share.class, share.start, share.grams)
			return
		}
		found := false
		c.site.book.more.Do(c.id, id, func(m *moreSiblings) {
			m.seen = a.seen
			if s := find(m.siblings[:], share.class); s != nil {
				s.add(share.class, share.start, share.grams)
				found = true
			}
		})
		if !found {
			c.skipped.lose(c.ctx, classLimit, share.joules)
		}
	})
}

// report tells all siblings, so that their sum is right at any time. One that is new is told from its start on:
// so that those who count from the first point on miss nothing.
func (c *conversion) report(a *account, id stream.ID, point pmetric.NumberDataPoint) {
	if !c.tell(a.siblings[:], point) {
		return
	}
	c.site.book.more.Peek(c.id, id, func(m *moreSiblings) {
		m.seen = a.seen
		c.tell(m.siblings[:], point)
	})
}

// tell reports whether there may be more.
func (c *conversion) tell(among []sibling, point pmetric.NumberDataPoint) bool {
	for i := range among {
		s := &among[i]
		if s.class == 0 {
			return false
		}
		if !s.told {
			s.told = true
			if s.start < point.Timestamp() {
				c.classes.appendGrams(c.out, point, s.class, s.start, s.start, 0)
			}
		}
		c.classes.appendGrams(c.out, point, s.class, s.start, point.Timestamp(), s.grams)
	}
	return true
}

// doubt remembers a share that may be revised, and adds it to the uncertainty of its device.
func (c *conversion) doubt(point pmetric.NumberDataPoint, s share) {
	if c.follow {
		c.shares = append(c.shares, s)
	}
	if c.ratings != nil {
		c.ratings.add(text(point.Attributes(), "hw.id"), text(point.Attributes(), "energy.method"), c.site.pue, s, c.now)
	}
}

// revise remembers the point's shares, and corrects what was told of earlier ones.
func (c *conversion) revise(id stream.ID, point pmetric.NumberDataPoint) {
	if !c.follow {
		return
	}
	followed := c.revisions.streams.Do(c.id, id, func(p *past) {
		p.seen = c.now.Unix()
		c.revisions.follow(p, c.site, c.shares, c.now)
		for _, r := range p.revised {
			if !c.corrected {
				c.corrected, c.corrections = true, newRevisionMetric(c.metrics, c.subject)
			}
			c.classes.appendGrams(c.corrections, point, r.class, r.start, point.Timestamp(), r.grams)
		}
	})
	if !followed {
		c.revisions.refuse(c.shares)
	}
	c.shares = c.shares[:0]
}

// text is an attribute, empty if it is not there.
func text(attributes pcommon.Map, key string) string {
	if v, ok := attributes.Get(key); ok {
		return v.AsString()
	}
	return ""
}

func value(point pmetric.NumberDataPoint) float64 {
	if point.ValueType() == pmetric.NumberDataPointValueTypeInt {
		return float64(point.IntValue())
	}
	return point.DoubleValue()
}
