// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"cmp"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// held is energy of a stream that waits until it is known what the grid was at its time. What comes after it does not.
type held struct {
	site   *site
	like   []byte // the stream as OTLP, without a value: to tell its emissions when it has ended
	delta  bool
	pieces []span
	width  int            // of the slots that pieces are in, in widths
	tried  *grid.Timeline // on which nothing was known of them
	until  int64          // Unix ns: when something is done about them though no more is known
	seen   int64          // when the stream was heard of last, in Unix seconds
}

// widths of the slots that energy is held by: each divides the next, and the intervals of grids as long as the wait is not.
var widths = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 24 * time.Hour}

// maxPieces bounds what is held of a stream: two and a half days by the hour.
const maxPieces = 64

// add holds energy by the slots of its time.
func (h *held) add(s span) {
	for h.width < len(widths)-1 && s.until-s.from > maxPieces*h.slot() {
		h.widen()
	}
	for s.until-s.from <= maxPieces*h.slot() {
		end := (s.from/h.slot() + 1) * h.slot()
		if end >= s.until {
			break
		}
		first := span{s.from, end, s.joules * (float64(end-s.from) / float64(s.until-s.from))}
		s.from, s.joules = end, s.joules-first.joules
		h.put(first)
	}
	h.put(s)
}

// put adds a piece to its slot.
func (h *held) put(piece span) {
	for i := len(h.pieces) - 1; i >= 0; i-- { // mostly it is the last
		if had := &h.pieces[i]; had.from/h.slot() == piece.from/h.slot() {
			*had = had.with(piece)
			return
		}
	}
	if h.pieces = append(h.pieces, piece); len(h.pieces) > maxPieces {
		h.widen()
	}
}

// widen makes fewer pieces.
func (h *held) widen() {
	all := h.pieces
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	if h.width == len(widths)-1 {
		all[1] = all[0].with(all[1])
		h.pieces = slices.Delete(all, 0, 1)
		return
	}
	h.width++
	h.pieces = nil
	for _, piece := range all {
		h.put(piece)
	}
}

func (h *held) slot() pcommon.Timestamp { return pcommon.Timestamp(widths[h.width]) }

// with is the energy of two pieces, as if it was used evenly.
func (s span) with(other span) span {
	return span{min(s.from, other.from), max(s.until, other.until), s.joules + other.joules}
}

// due reports whether there is something new to try.
func (h *held) due(now time.Time) bool {
	return h.site.feed.Timeline() != h.tried || now.UnixNano() > h.until
}

// take gives out all, to be booked or held again.
func (h *held) take() []span {
	pieces := h.pieces
	h.pieces, h.width = nil, 0
	return pieces
}

func (h *held) joules() (sum float64) {
	for _, piece := range h.pieces {
		sum += piece.joules
	}
	return sum
}

// hold keeps energy of which nothing is known on a timeline, until something is, or it is too old for that. It reports
// whether it did.
func (c *conversion) hold(id stream.ID, point pmetric.NumberDataPoint, s span, on *grid.Timeline) bool {
	if s.joules == 0 {
		return false
	}
	until := c.site.deadline(on, s, c.now)
	if c.final || c.now.UnixNano() > until {
		c.skipped.lose(c.ctx, c.site.book.unknown, s.joules)
		return false
	}
	c.site.feed.Want(s.from.AsTime())
	ok := c.site.book.held.Do(c.id, id, func(h *held) {
		if h.site == nil {
			*h = held{site: c.site, like: c.like(point), delta: c.isDelta()}
		}
		if len(h.pieces) == 0 {
			h.tried, h.until = on, until
		}
		h.add(s)
		h.until, h.seen = min(h.until, until), c.now.Unix()
	})
	if !ok {
		c.skipped.lose(c.ctx, streamLimit, s.joules)
	}
	return ok
}

// like is the stream of a point.
func (c *conversion) like(point pmetric.NumberDataPoint) []byte {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	c.rm.Resource().CopyTo(rm.Resource())
	rm.SetSchemaUrl(c.rm.SchemaUrl())
	sm := rm.ScopeMetrics().AppendEmpty()
	c.scope.CopyTo(sm.Scope())
	energy := sm.Metrics().AppendEmpty()
	energy.SetName(c.energy.Name())
	energy.SetUnit(c.energy.Unit())
	sum := energy.SetEmptySum()
	sum.SetIsMonotonic(c.energy.Sum().IsMonotonic())
	sum.SetAggregationTemporality(c.energy.Sum().AggregationTemporality())
	point.Attributes().CopyTo(sum.DataPoints().AppendEmpty().Attributes())
	content, _ := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md) // it never fails; what cannot be read again is counted
	return content
}

// release books what is known by now of the energy that waits.
func (c *conversion) release(a *account, id stream.ID, point pmetric.NumberDataPoint) {
	var pieces []span
	a.waits = false
	c.site.book.held.Peek(c.id, id, func(h *held) {
		h.seen = c.now.Unix()
		if h.due(c.now) {
			pieces = h.take()
		}
		a.waits = len(h.pieces) > 0
	})
	for _, piece := range pieces {
		c.settle(a, id, piece, point)
	}
}
