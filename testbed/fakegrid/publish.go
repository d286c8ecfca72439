// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// Point is the intensity of an interval.
type Point struct {
	Start, End time.Time
	// GramsPerKWh is served in the API's own unit; nil is null.
	GramsPerKWh *float64
	Kind        Kind
	// Updated is when it is published: before, by the server's clock, it is not there. Zero: it is there, and says
	// that it was updated at its end, or now.
	Updated time.Time
}

// Kind of a value.
type Kind int

// The kinds. Measured and Estimated are of one class: each replaces the other.
const (
	Measured Kind = iota
	Estimated
	Forecast
)

// Publish adds points to a zone, by the API's own id (NESO: "GB" or the number of a region; RTE: "FR"). A point
// replaces the one with the same Start and class, from when it is Updated. What is not a Forecast is there only
// from its Start on.
func (s *Server) Publish(api API, zone string, points ...Point) {
	s.tb.Helper()
	state := s.state(api)
	require.False(s.tb, services[api].mixed, "%s has a generation mix: use PublishMix", api)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := zoneKey(api, zone)
	state.points[key] = append(state.points[key], points...)
}

// Mix is what was generated in an interval, in MWh by the API's own code of the fuel. ENTSO-E: "B10/out" is what
// B10 uses. OpenElectricity: "energy" and "emissions" (t), or "energy/coal", "emissions/coal" ... by fuel.
type Mix struct {
	Start, End time.Time
	MWh        map[string]float64
}

// PublishMix adds mixes to a zone, by the API's own id (ENTSO-E: the EIC). A mix replaces the one with the same
// Start. It is there from its End on.
func (s *Server) PublishMix(api API, zone string, mixes ...Mix) {
	s.tb.Helper()
	state := s.state(api)
	require.True(s.tb, services[api].mixed, "%s has intensities: use Publish", api)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range mixes {
		m.MWh = maps.Clone(m.MWh)
		state.mixes[zone] = append(slices.DeleteFunc(state.mixes[zone], func(old Mix) bool { return old.Start.Equal(m.Start) }), m)
	}
}

// zoneKey: Energy-Charts takes countries in any case.
func zoneKey(api API, zone string) string {
	if api == EnergyCharts {
		return strings.ToUpper(zone)
	}
	return zone
}

// The whole of time, for what has no limits.
var (
	never = time.Time{}
	ever  = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

// row is what there is of an interval.
type row struct {
	start, end      time.Time
	known, foretold *Point
}

// rows of a zone that overlap [from, to), in the order of time unless that is a fault.
func (q *query) rows(zone string, from, to time.Time) []row {
	return distort(q.effects, q.sortedRows(zone, from, to))
}

func (q *query) sortedRows(zone string, from, to time.Time) []row {
	byStart := map[int64]row{}
	for _, p := range q.state.points[zone] {
		if p.Updated.After(q.now) || p.Kind != Forecast && p.Start.After(q.now) || !p.Start.Before(to) || !p.End.After(from) {
			continue
		}
		r := byStart[p.Start.UnixNano()]
		r.start, r.end = p.Start.UTC(), p.End.UTC()
		if p.Updated.IsZero() {
			p.Updated = p.End
			if p.End.After(q.now) {
				p.Updated = q.now
			}
		}
		if q.effects.nulls {
			p.GramsPerKWh = nil
		}
		p.Start, p.End, p.Updated = p.Start.UTC(), p.End.UTC(), p.Updated.UTC()
		if p.Kind == Forecast {
			r.foretold = &p
		} else {
			r.known = &p
		}
		byStart[p.Start.UnixNano()] = r
	}
	var rows []row
	for _, start := range slices.Sorted(maps.Keys(byStart)) {
		rows = append(rows, byStart[start].shifted(q.effects.skew))
	}
	return rows
}

func (r row) shifted(d time.Duration) row {
	r.start, r.end = r.start.Add(d), r.end.Add(d)
	for _, p := range []*Point{r.known, r.foretold} {
		if p != nil {
			p.Start, p.End, p.Updated = p.Start.Add(d), p.End.Add(d), p.Updated.Add(d)
		}
	}
	return r
}

// known are the points of a zone that are no forecasts.
func (q *query) known(zone string, from, to time.Time) []Point {
	var points []Point
	for _, r := range q.sortedRows(zone, from, to) {
		if r.known != nil {
			points = append(points, *r.known)
		}
	}
	return distort(q.effects, points)
}

func (q *query) foretold(zone string, from, to time.Time) []Point {
	var points []Point
	for _, r := range q.sortedRows(zone, from, to) {
		if r.foretold != nil {
			points = append(points, *r.foretold)
		}
	}
	return distort(q.effects, points)
}

// published reports whether anything of a zone was ever published.
func (q *query) published(zone string) bool {
	return len(q.state.points[zone])+len(q.state.mixes[zone]) > 0
}

// zones with points, sorted.
func (q *query) zones() []string { return slices.Sorted(maps.Keys(q.state.points)) }

// mixes of a zone that overlap [from, to), in order of time. With a step they are spread evenly over it: five
// minutes add up to an hour. Faults of their order are left to the caller.
func (q *query) mixes(zone string, step time.Duration, from, to time.Time) []Mix {
	byStart := map[int64]Mix{}
	for _, m := range q.state.mixes[zone] {
		length := m.End.Sub(m.Start)
		slot, slotLength := m.Start, length
		if step > 0 {
			slot, slotLength = m.Start.Truncate(step), step
		}
		for ; slot.Before(m.End); slot = slot.Add(slotLength) {
			end := slot.Add(slotLength)
			if end.After(q.now) || !slot.Before(to) || !end.After(from) {
				continue
			}
			sum, ok := byStart[slot.UnixNano()]
			if !ok {
				sum = Mix{slot.UTC().Add(q.effects.skew), end.UTC().Add(q.effects.skew), map[string]float64{}}
				byStart[slot.UnixNano()] = sum
			}
			overlap := minTime(end, m.End).Sub(maxTime(slot, m.Start))
			for code, amount := range m.MWh {
				sum.MWh[code] += amount * (float64(overlap) / float64(length))
			}
		}
	}
	var mixes []Mix
	for _, start := range slices.Sorted(maps.Keys(byStart)) {
		mixes = append(mixes, byStart[start])
	}
	return mixes
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
