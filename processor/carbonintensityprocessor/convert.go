// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// conversion is of one metric.
type conversion struct {
	*carbonProcessor

	ctx context.Context //nolint:containedctx // lives as long as the call
	source
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
	final       bool    // what is not known now stays so
}

// source is where a metric is from.
type source struct {
	rm       pmetric.ResourceMetrics
	scope    pcommon.InstrumentationScope
	energy   pmetric.Metric
	resource stream.ID
}

// newConversion appends the metric that the emissions of a source at a site are told by.
func (p *carbonProcessor) newConversion(ctx context.Context, from source, at *site, out pmetric.MetricSlice, now time.Time) conversion {
	subject := strings.TrimSuffix(from.energy.Name(), ".energy")
	emissions := out.AppendEmpty()
	emissions.SetName(subject + ".emissions" + at.book.suffix)
	emissions.SetDescription("CO2e emitted to provide the energy.")
	emissions.SetUnit("g")
	sum := emissions.SetEmptySum()
	sum.SetAggregationTemporality(from.energy.Sum().AggregationTemporality())
	sum.SetIsMonotonic(true)
	c := conversion{
		carbonProcessor: p, ctx: ctx, now: now, source: from, subject: subject, site: at, metrics: out, out: sum.DataPoints(),
		id: from.id(), sees: p.horizon,
	}
	if at.book == p.places.location {
		c.follow = p.revisions != nil && p.revisions.config.follows(from.energy.Name())
		c.ratings = p.certainty.begin(from.resource, subject)
	}
	return c
}

func (s source) id() stream.ID { return s.resource.Scope(s.scope).Metric(s.energy) }

func (s source) isDelta() bool {
	return s.energy.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta
}

// convert appends what the points of the energy caused.
func (c *conversion) convert() {
	in, deltas := c.energy.Sum().DataPoints(), c.isDelta()
	c.out.EnsureCapacity(in.Len())
	for _, point := range in.All() {
		joules := value(point)
		switch {
		case point.Flags().NoRecordedValue():
			c.gap(point)
		case !(joules >= 0 && joules <= math.MaxFloat64) || point.Timestamp() == 0 || point.ValueType() == pmetric.NumberDataPointValueTypeEmpty:
			c.skipped.add(c.ctx, badValue, c.energy.Name(), 1)
		case deltas:
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

// delta keeps no state but what waits.
func (c *conversion) delta(point pmetric.NumberDataPoint, joules float64) {
	from := point.StartTimestamp()
	if from == 0 || from > point.Timestamp() {
		from = point.Timestamp()
	}
	id := c.id.Point(point.Attributes())
	var found [maxSiblings]sibling
	c.settleDelta(id, point, span{from, point.Timestamp(), joules}, func(share share) {
		if s := find(found[:], share.class); s != nil {
			s.add(share.class, share.start, share.grams)
		} else {
			c.skipped.lose(c.ctx, classLimit, share.joules)
		}
	})
	c.revise(id, point)
	for i := range found {
		s := &found[i]
		if s.class == 0 {
			return
		}
		c.classes.appendGrams(c.out, point, s.class, point.StartTimestamp(), point.Timestamp(), s.grams)
	}
}

// settleDelta books what is known of a span. What is not waits.
func (c *conversion) settleDelta(id stream.ID, point pmetric.NumberDataPoint, s span, book func(share)) {
	c.split(s, func(share share) {
		c.doubt(point, share)
		book(share)
	}, func(unknown span, on *grid.Timeline) { c.hold(id, point, unknown, on) })
}

// split divides a span by what is known of its time.
func (c *conversion) split(s span, book func(share), wait func(span, *grid.Timeline)) {
	timeline := c.site.feed.Timeline()
	if !c.final && !c.site.ready(timeline, s.from, c.now) {
		wait(s, timeline)
		return
	}
	c.site.split(timeline, s, func(share share) {
		if share.class == 0 {
			wait(span{share.start, share.until, share.joules}, timeline)
		} else {
			book(share)
		}
	})
}

func (c *conversion) cumulative(point pmetric.NumberDataPoint, joules float64) {
	r := reading{point.StartTimestamp(), point.Timestamp(), joules}
	id := c.id.Point(point.Attributes())
	var outcome booking
	ok := c.site.book.accounts.Do(c.id, id, func(a *account) {
		var s span
		before := a.value
		s, outcome = a.book(r, c.sees)
		a.seen = c.sees.came.Unix()
		switch outcome {
		case outOfOrder:
			return
		case silent:
			c.reset(a, id, before)
		}
		if a.waits {
			c.release(a, id, point)
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
		c.skipped.add(c.ctx, why, c.energy.Name(), 1)
	}
}

// reset begins anew: somebody else may have told of this stream since, or it was told of and forgotten.
func (c *conversion) reset(a *account, id stream.ID, before float64) {
	lost := max(a.value-before, 0)
	if a.waits {
		c.site.book.held.Peek(c.id, id, func(h *held) {
			lost += h.joules()
			h.take()
		})
	}
	c.skipped.lose(c.ctx, tooLong, lost)
	a.waits, a.siblings = false, siblings{}
	c.site.book.more.Peek(c.id, id, func(m *moreSiblings) { m.siblings = moreSiblings{}.siblings })
	if c.follow {
		c.revisions.forget(c.id, id)
	}
}

// settle books energy to the siblings of its account, and reports whether it did. What is not known waits.
func (c *conversion) settle(a *account, id stream.ID, s span, point pmetric.NumberDataPoint) (grew bool) {
	c.split(s, func(share share) {
		c.doubt(point, share)
		if s := find(a.siblings[:], share.class); s != nil {
			s.add(share.class, share.start, share.grams)
			grew = true
			return
		}
		found := false
		c.site.book.more.Do(c.id, id, func(m *moreSiblings) {
			m.seen = a.seen
			if s := find(m.siblings[:], share.class); s != nil {
				s.add(share.class, share.start, share.grams)
				found, grew = true, true
			}
		})
		if !found {
			c.skipped.lose(c.ctx, classLimit, share.joules)
		}
	}, func(unknown span, on *grid.Timeline) {
		if c.hold(id, point, unknown, on) {
			a.waits = true
		}
	})
	return grew
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
		c.ratings.add(text(point.Attributes(), "hw.id"), text(point.Attributes(), "energy.method"), c.site.pue, s, c.sees.came)
	}
}

// revise remembers the point's shares, and corrects what was told of earlier ones.
func (c *conversion) revise(id stream.ID, point pmetric.NumberDataPoint) {
	if !c.follow {
		return
	}
	followed := c.revisions.streams.Do(c.id, id, func(p *past) {
		p.seen = c.sees.came.Unix()
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
