// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// tellEnded tells the emissions of energy that waited and whose stream has ended. What is refused is told again.
func (p *carbonProcessor) tellEnded(ctx context.Context) {
	const look = 10 * time.Second
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := p.tellHeld(ctx, false); err != nil && ctx.Err() == nil {
				p.logger.Warn("The next component refuses emissions: they wait", zap.Error(err))
			}
		}
	}
}

// tellHeld tells what is due, or all as far as it is known.
func (p *carbonProcessor) tellHeld(ctx context.Context, all bool) error {
	for _, b := range p.places.books() {
		for {
			if err := p.tellUntold(ctx); err != nil {
				return err
			}
			now := time.Now()
			due := b.ended(now, all)
			if len(due) == 0 {
				break
			}
			for i := range due {
				p.convertHeld(ctx, &due[i], now, all)
			}
		}
	}
	return nil
}

// ended takes what is due of streams that do not come back to tell it, or all.
func (b *book) ended(now time.Time, all bool) (due []held) {
	const most = 1000 // at once
	b.held.Sweep(func(h *held) bool {
		switch {
		case len(h.pieces) == 0:
			return true
		case len(due) == most:
			return false
		case all, (h.delta || now.Sub(time.Unix(h.seen, 0)) > patience) && h.due(now):
			due = append(due, *h)
			return true
		default:
			return false
		}
	})
	return due
}

func (p *carbonProcessor) tellUntold(ctx context.Context) error {
	if p.untold.ResourceMetrics().Len() == 0 {
		return nil
	}
	attempt := pmetric.NewMetrics()
	p.untold.CopyTo(attempt)
	err := p.next.ConsumeMetrics(ctx, attempt)
	if err == nil || consumererror.IsPermanent(err) {
		p.untold = pmetric.NewMetrics()
	}
	if err != nil {
		return fmt.Errorf("emissions of energy that waited for its intensity are not told: %w", err)
	}
	return nil
}

// convertHeld adds to untold what the energy caused that waited, as far as it is known. What is not waits on, but not
// if it is final.
func (p *carbonProcessor) convertHeld(ctx context.Context, h *held, now time.Time, final bool) {
	from, point, err := sourceOf(h.like)
	if err != nil {
		p.skipped.lose(ctx, noFactor, h.joules())
		return
	}
	scopes := from.rm.ScopeMetrics()
	out := p.places.of(from.rm.Resource()).sites[0].appendScope(scopes, p.version)
	c := p.newConversion(ctx, from, h.site, out, now)
	c.final, c.sees.came = final, p.now()
	point.SetTimestamp(pcommon.NewTimestampFromTime(c.sees.came))
	id := c.id.Point(point.Attributes())
	if c.isDelta() {
		for _, piece := range h.pieces {
			c.settleDelta(id, point, piece, func(s share) {
				c.classes.appendGrams(c.out, point, s.class, s.start, s.until, s.grams)
			})
		}
	} else {
		c.tellEnd(id, point, h.pieces)
	}
	c.revise(id, point)
	c.ratings.report(c.subject, out, c.sees.came)
	removeEmpty(scopes, 1, out)
	if scopes.Len() == 1 {
		return
	}
	first := true
	scopes.RemoveIf(func(pmetric.ScopeMetrics) bool { remove := first; first = false; return remove })
	from.rm.MoveTo(p.untold.ResourceMetrics().AppendEmpty())
}

// tellEnd tells the totals of a stream that has ended, if they grew.
func (c *conversion) tellEnd(id stream.ID, point pmetric.NumberDataPoint, pieces []span) {
	ok := c.site.book.accounts.Do(c.id, id, func(a *account) {
		a.waits = false
		grew := false
		for _, piece := range pieces {
			grew = c.settle(a, id, piece, point) || grew
		}
		c.site.book.held.Peek(c.id, id, func(h *held) { a.waits = len(h.pieces) > 0 }) // it may have come back
		if grew {
			c.report(a, id, point)
		}
	})
	if !ok {
		for _, piece := range pieces {
			c.skipped.lose(c.ctx, streamLimit, piece.joules)
		}
	}
}

// sourceOf is the stream that is like this: its metric and one point of it, without a value.
func sourceOf(like []byte) (from source, point pmetric.NumberDataPoint, err error) {
	md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(like)
	if err != nil {
		return from, point, err
	}
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, energy := range sm.Metrics().All() {
				if unfit(energy) == none && energy.Sum().DataPoints().Len() == 1 {
					return source{rm, sm.Scope(), energy, stream.Resource(rm.Resource())}, energy.Sum().DataPoints().At(0), nil
				}
			}
		}
	}
	return from, point, errors.New("what waits is no stream of energy")
}

// recallHeld has energy wait on that waited when the last process stopped.
func (p *carbonProcessor) recallHeld(ctx context.Context, b *book, r heldRecord) error {
	from, point, err := sourceOf(r.Like)
	if err != nil {
		return err
	}
	h := held{like: r.Like, delta: from.isDelta(), seen: time.Now().Unix()}
	for _, piece := range r.Pieces {
		if piece.Until < piece.From || !(piece.Joules >= 0) {
			return fmt.Errorf("%v J wait that were used from %d to %d", piece.Joules, piece.From, piece.Until)
		}
		h.add(span{piece.From, piece.Until, piece.Joules})
	}
	for _, s := range p.places.of(from.rm.Resource()).sites {
		if s.book == b {
			h.site = s
		}
	}
	id := from.id().Point(point.Attributes())
	if h.site == nil || !b.held.Do(from.id(), id, func(had *held) { *had = h }) {
		p.skipped.lose(ctx, noFactor, h.joules()) // such emissions are not told any more
		return nil
	}
	b.accounts.Peek(from.id(), id, func(a *account) { a.waits = true })
	return nil
}
