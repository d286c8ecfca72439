// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// run is the translation of one resource.
type run struct {
	t        *Translator
	rm       pmetric.ResourceMetrics
	resource stream.ID
	hostName string // the resource's own
	host     string // what takes its place
	now      int64

	readings []*reading
	index    map[readingKey]*reading
	scratch  pcommon.Map
	out      map[Target]pmetric.NumberDataPointSlice
	skips    skips
}

// reading is a foreign point.
type reading struct {
	rule        *rule
	labels      pcommon.Map
	series      seriesKey
	claim       claimKey
	start, time pcommon.Timestamp
	value       float64 // in J or W
	gone        bool    // the source says that the stream ended
}

type readingKey struct {
	series seriesKey
	time   pcommon.Timestamp
}

func newRun(t *Translator, rm pmetric.ResourceMetrics, host string, now int64) *run {
	return &run{
		t: t, rm: rm, resource: stream.Resource(rm.Resource()),
		hostName: label(rm.Resource().Attributes(), "host.name"), host: host, now: now,
		index: map[readingKey]*reading{}, scratch: pcommon.NewMap(),
		out: map[Target]pmetric.NumberDataPointSlice{}, skips: skips{},
	}
}

func (run *run) collect(m pmetric.Metric, rules []*rule) {
	points := numbers(m)
	for _, point := range points.All() {
		i := slices.IndexFunc(rules, func(r *rule) bool { return r.appliesTo(point.Attributes()) })
		if i < 0 {
			continue
		}
		if why := rules[i].unfit(m); why != "" {
			run.skips.add(why, m.Name())
			continue
		}
		run.read(rules[i], point)
	}
	if points.Len() == 0 && m.Type() != pmetric.MetricTypeGauge && m.Type() != pmetric.MetricTypeSum {
		run.skips.add(WrongType, m.Name())
	}
}

func numbers(m pmetric.Metric) pmetric.NumberDataPointSlice {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints()
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints()
	default:
		return pmetric.NewNumberDataPointSlice()
	}
}

// read keeps one reading for each time of a series: of those that repeat it the one with the longest history.
func (run *run) read(r *rule, point pmetric.NumberDataPoint) {
	labels := point.Attributes()
	id, hwType := r.id.of(labels), r.hwType.of(labels)
	host := cmp.Or(r.host.of(labels), run.host)
	value, ok := r.value(point)
	gone := point.Flags().NoRecordedValue()
	switch {
	case point.Timestamp() == 0 || !ok && !gone:
		run.skips.add(BadValue, r.metric)
		return
	case id == "" && r.target != Workload, hwType == "" && r.target != Host:
		run.skips.add(NoIdentity, r.metric)
		return
	}
	run.scratch.Clear()
	r.put(run.scratch, labels, run.hostName)
	this := &reading{
		rule: r, labels: labels, claim: claimOn(r.target, host, hwType, id), gone: gone,
		series: seriesKey{r.target, run.resource.Point(run.scratch)},
		start:  point.StartTimestamp(), time: point.Timestamp(), value: value,
	}
	key := readingKey{this.series, this.time}
	switch other := run.index[key]; {
	case other == nil:
		run.index[key] = this
		run.readings = append(run.readings, this)
		return
	case this.before(other):
		*this, *other = *other, *this
	}
	if !this.gone {
		run.skips.add(Repeated, r.metric)
	}
}

// before reports whether of two readings that say the same this is the one to keep.
func (r *reading) before(other *reading) bool {
	unknown := ^pcommon.Timestamp(0)
	switch {
	case r.gone != other.gone:
		return other.gone
	case r.start != other.start:
		return cmp.Or(r.start, unknown) < cmp.Or(other.start, unknown)
	default:
		return r.value > other.value
	}
}

// convert lets the best sources of each time go first.
func (run *run) convert() {
	slices.SortStableFunc(run.readings, func(a, b *reading) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.rule.rank, b.rule.rank))
	})
	for _, r := range run.readings {
		if r.gone {
			run.end(r)
		} else if why := run.convertOne(r); why != "" {
			run.skips.add(why, r.rule.metric)
		}
	}
}

func (run *run) convertOne(r *reading) (why string) {
	c := run.t.claim(r.claim)
	if c == nil {
		return StreamLimit
	}
	if !c.by(owner{r.rule.rank, run.resource}, r.time, run.now, run.t.cfg.MaxGap) {
		return OtherSource
	}
	s := run.t.series[r.series]
	if s == nil {
		if len(run.t.series) >= run.t.cfg.MaxStreams {
			return StreamLimit
		}
		s = &series{}
		s.power.MaxGap, s.power.Mean = run.t.cfg.MaxGap, r.rule.mean
		run.t.series[r.series] = s
	}
	s.seen = run.now
	joules, ok, why := s.read(r, c)
	if ok {
		point := run.append(r)
		point.SetStartTimestamp(s.start)
		point.SetDoubleValue(joules)
	}
	return why
}

// end passes on that a stream ended. With a device's stream its source is gone; workloads come and go.
func (run *run) end(r *reading) {
	c, s := run.t.claims[r.claim], run.t.series[r.series]
	if c == nil || s == nil || c.owner != (owner{r.rule.rank, run.resource}) {
		return
	}
	c.released = r.rule.target != Workload
	s.power.Break()
	point := run.append(r)
	point.SetStartTimestamp(s.start)
	point.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
}

func (run *run) append(r *reading) pmetric.NumberDataPoint {
	points, ok := run.out[r.rule.target]
	if !ok {
		points = run.metric(r.rule.target)
		run.out[r.rule.target] = points
	}
	point := points.AppendEmpty()
	point.SetTimestamp(r.time)
	r.rule.put(point.Attributes(), r.labels, run.hostName)
	return point
}

// metric appends a metric, and before the first one the scope.
func (run *run) metric(target Target) pmetric.NumberDataPointSlice {
	scopes := run.rm.ScopeMetrics()
	if len(run.out) == 0 {
		scope := scopes.AppendEmpty().Scope()
		scope.SetName(ScopeName)
		scope.SetVersion(run.t.version)
	}
	m := scopes.At(scopes.Len() - 1).Metrics().AppendEmpty()
	m.SetName(string(target))
	m.SetDescription("Energy, from the metrics of another program.")
	m.SetUnit("J")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	return sum.DataPoints()
}
