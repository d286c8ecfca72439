// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

const joulesPerKWh = 3.6e6

// site is where electricity is used: a zone, and what the site adds to the energy of its equipment.
type site struct {
	book    *book
	feed    *grid.Feed
	pue     float64
	loss    float64
	edition string // of the factor that holds when nothing else is known
	classes *classes

	recent atomic.Pointer[met] // the intensity that was used last, as mostly it is used next
	asked  atomic.Int64        // Unix ns: history from then on was asked for
	until  atomic.Int64        // Unix ns: how long the answer is waited for
}

type met struct {
	intensity *grid.Intensity
	class     class
	scale     float64 // from J x g/kWh to g
}

// patience is how long energy waits for what the grid was at its time.
const patience = time.Minute

func newSite(feed *grid.Feed, pue, loss float64, c *classes, b *book) *site {
	s := &site{book: b, feed: feed, pue: pue, loss: loss, classes: c}
	if i, _ := feed.Timeline().At(time.Now().UnixNano()); i != nil {
		s.edition = i.Edition
	}
	return s
}

// appendScope appends the scope of the emissions, which says where to look the factor up.
func (s *site) appendScope(scopes pmetric.ScopeMetricsSlice, version string) pmetric.MetricSlice {
	sm := scopes.AppendEmpty()
	sm.Scope().SetName(metadata.ScopeName)
	sm.Scope().SetVersion(version)
	if s.edition != "" {
		sm.Scope().Attributes().PutStr("carbon.factor.version", s.edition)
	}
	return sm.Metrics()
}

// ready reports whether all is known of a time that will be known soon. If not, it asks for it.
func (s *site) ready(t *grid.Timeline, from pcommon.Timestamp, now time.Time) bool {
	ns := int64(from)
	if t.Settled(ns) {
		return true
	}
	if asked := s.asked.Load(); asked == 0 || ns < asked {
		s.until.Store(now.Add(patience).UnixNano())
		s.asked.Store(ns) // after until: others wait as soon as it was asked
		s.feed.Want(from.AsTime())
	}
	return now.UnixNano() > s.until.Load()
}

// deadline is until when, in Unix ns, energy of which nothing is known on a timeline waits for something new.
func (s *site) deadline(t *grid.Timeline, sp span, now time.Time) int64 {
	until := s.until.Load()
	switch {
	case !t.Settled(int64(sp.from)) && now.UnixNano() <= until:
		return until
	case s.feed.History == 0:
		return math.MinInt64
	default:
		return int64(sp.until) + int64(s.feed.History)
	}
}

// share of some energy, with what it emitted.
type share struct {
	class  class // 0 if nothing is known of the time
	start  pcommon.Timestamp
	until  pcommon.Timestamp
	joules float64
	grams  float64
	// intensity is that of the class.
	intensity *grid.Intensity
}

// after is the part that was used after a time.
func (s share) after(t pcommon.Timestamp) share {
	switch {
	case s.start >= t:
	case s.until <= t:
		s.joules, s.grams = 0, 0
	default:
		part := float64(s.until-t) / float64(s.until-s.start)
		s.start, s.joules, s.grams = t, s.joules*part, s.grams*part
	}
	return s
}

// split divides energy that was used evenly among the intensities there were.
func (s *site) split(t *grid.Timeline, sp span, book func(share)) {
	start := sp.from
	for part := range t.Split(int64(sp.from), int64(sp.until), sp.joules) {
		if pcommon.Timestamp(part.Until) == start && start < sp.until { // an interval of no length
			continue
		}
		sh := share{start: start, until: pcommon.Timestamp(part.Until), joules: part.Amount}
		if i := part.Intensity; i != nil {
			known := s.meet(i)
			sh.class, sh.grams, sh.intensity = known.class, part.Amount*i.GramsPerKWh*known.scale, i
		}
		start = pcommon.Timestamp(part.Until)
		book(sh)
	}
}

func (s *site) class(i *grid.Intensity) class { return s.meet(i).class }

func (s *site) meet(i *grid.Intensity) *met {
	if m := s.recent.Load(); m != nil && m.intensity == i {
		return m
	}
	m := &met{i, s.classes.of(i), s.scale(i)}
	s.recent.Store(m)
	return m
}

// scale adds what the site and the way to it take. A loss that the number has in it already is not added again.
func (s *site) scale(i *grid.Intensity) float64 {
	scale := s.pue / joulesPerKWh
	if !slices.Contains(s.feed.WithLosses, i.Source) {
		scale /= 1 - s.loss
	}
	return scale
}
