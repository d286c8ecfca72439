// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/feed"
)

var began = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// at is a time after the tally began; before is one before it.
func at(seconds float64) time.Time {
	return began.Add(time.Duration(seconds * float64(time.Second)))
}

var before = began.Add(-time.Hour)

func TestSoFar(t *testing.T) {
	point := func(start time.Time, seconds, value float64) feed.Point {
		return feed.Point{Start: start, At: at(seconds), Value: value}
	}
	delta := func(start time.Time, seconds, value float64) feed.Point {
		return feed.Point{Start: start, At: at(seconds), Value: value, Delta: true}
	}
	missing := func(p feed.Point) feed.Point {
		p.Missing = true
		return p
	}
	unknown := time.Time{}
	for name, tt := range map[string]struct {
		points []feed.Point
		joules float64
		watts  float64
		skips  map[Reason]int64
	}{
		"known start counts whole":             {[]feed.Point{point(at(0), 10, 50)}, 50, 5, nil},
		"start before the tally is a base":     {[]feed.Point{point(before, 10, 50)}, 0, math.NaN(), nil},
		"unknown start is a base":              {[]feed.Point{point(unknown, 10, 50)}, 0, math.NaN(), nil},
		"start at its own time is a base":      {[]feed.Point{point(at(10), 10, 50)}, 0, math.NaN(), nil},
		"growth after a base":                  {[]feed.Point{point(before, 10, 50), point(before, 12, 60)}, 10, 5, nil},
		"zero at the start, then the value":    {[]feed.Point{point(at(5), 5, 0), point(at(5), 10, 50)}, 50, 10, nil},
		"reset with a new start":               {[]feed.Point{point(at(0), 10, 50), point(at(12), 14, 8)}, 58, 4, nil},
		"reset above the last value":           {[]feed.Point{point(at(0), 10, 50), point(at(12), 14, 80)}, 130, 40, nil},
		"reset announced at zero":              {[]feed.Point{point(at(0), 10, 50), point(at(10), 10, 0), point(at(10), 14, 8)}, 58, 2, nil},
		"reset of an unknown start":            {[]feed.Point{point(unknown, 10, 50), point(unknown, 12, 8)}, 8, 4, nil},
		"a start that jitters is no reset":     {[]feed.Point{point(at(0), 10, 50), point(at(0.01), 12, 60)}, 60, 5, nil},
		"fall under one start is left out":     {[]feed.Point{point(at(0), 10, 50), point(at(0), 12, 40), point(at(0), 14, 44)}, 54, 2, map[Reason]int64{Decrease: 1}},
		"repeated point":                       {[]feed.Point{point(at(0), 10, 50), point(at(0), 10, 50)}, 50, 5, map[Reason]int64{Order: 1}},
		"late point":                           {[]feed.Point{point(at(0), 10, 50), point(at(0), 8, 45), point(at(0), 12, 54)}, 54, 2, map[Reason]int64{Order: 1}},
		"deltas":                               {[]feed.Point{delta(at(0), 10, 50), delta(at(10), 12, 8)}, 58, 4, nil},
		"delta without a start has no power":   {[]feed.Point{delta(unknown, 10, 50)}, 50, math.NaN(), nil},
		"late delta counts, power stays":       {[]feed.Point{delta(at(5), 10, 50), delta(at(0), 5, 5)}, 55, 10, nil},
		"no recorded value ends the power":     {[]feed.Point{point(at(0), 10, 50), missing(point(at(0), 11, 0))}, 50, math.NaN(), nil},
		"growth across a missing value counts": {[]feed.Point{point(at(0), 10, 50), missing(point(at(0), 11, 0)), point(at(0), 12, 60)}, 60, 5, nil},
		"negative":                             {[]feed.Point{point(at(0), 10, 50), point(at(0), 12, -1)}, 50, 5, map[Reason]int64{Value: 1}},
		"not a number":                         {[]feed.Point{point(at(0), 10, 50), point(at(0), 12, math.NaN())}, 50, 5, map[Reason]int64{Value: 1}},
		"an interval too short for a power":    {[]feed.Point{point(at(0), 10, 50), point(at(0), 10.0001, 51)}, 51, 5, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range tt.points {
				tt.points[i].Metric, tt.points[i].Resource = "hw.energy", feed.Host("n")
			}
			together := New(began, 10)
			skips := together.Add(feed.Batch(tt.points...), at(20))
			if tt.skips == nil {
				tt.skips = map[Reason]int64{}
			}
			assert.Equal(t, tt.skips, skips)

			apart := New(began, 10)
			for _, p := range tt.points {
				apart.Add(feed.Batch(p), at(20))
			}
			for _, tally := range []*Tally{together, apart} {
				s := tally.Snapshot(at(20))
				assert.InDelta(t, tt.joules, s.Total.Joules, 1e-9)
				assert.Equal(t, tt.skips, s.Skipped)
				if math.IsNaN(tt.watts) {
					assert.True(t, math.IsNaN(s.Total.Watts), "power is %v", s.Total.Watts)
				} else {
					assert.InDelta(t, tt.watts, s.Total.Watts, 1e-9)
				}
			}
		})
	}
}

func TestMissingValueAloneShowsNothing(t *testing.T) {
	tally := New(began, 10)
	tally.Add(feed.Batch(feed.Point{Metric: "hw.energy", At: at(1), Missing: true}), at(1))
	assert.True(t, tally.Snapshot(at(1)).Empty())
}

func TestTotals(t *testing.T) {
	type m = feed.Point
	resource := feed.Host("n")
	id := func(id string) feed.Attributes { return feed.Attributes{"hw.id": id} }
	grid := feed.Grid("DE", "static", "static")
	for name, tt := range map[string]struct {
		points []m
		joules float64
		watts  float64
		grams  float64
	}{
		"devices add up": {[]m{
			{Metric: "hw.energy", Attributes: id("a"), Value: 10}, {Metric: "hw.energy", Attributes: id("b"), Value: 20},
		}, 30, 3, 0},
		"the host's own reading replaces them": {[]m{
			{Metric: "hw.energy", Attributes: id("a"), Value: 10},
			{Metric: "hw.emissions", Attributes: id("a").With(grid), Value: 1},
			{Metric: "hw.host.energy", Attributes: id("h"), Value: 50},
			{Metric: "hw.host.emissions", Attributes: id("h").With(grid), Value: 5},
		}, 50, 5, 5},
		"also its power where it has no energy": {[]m{
			{Metric: "hw.energy", Attributes: id("a"), Value: 10}, {Metric: "hw.host.power", Value: 70},
		}, 10, 70, 0},
		"methods of a host add up": {[]m{
			{Metric: "hw.host.energy", Attributes: feed.Attributes{"energy.method": "counter"}, Value: 50},
			{Metric: "hw.host.energy", Attributes: feed.Attributes{"energy.method": "model"}, Value: 5},
		}, 55, 5.5, 0},
		"parts, workloads, others and alternatives do not": {[]m{
			{Metric: "hw.energy", Attributes: id("a"), Value: 10},
			{Metric: "hw.energy.inner", Attributes: id("a"), Value: 6},
			{Metric: "workload.energy", Attributes: id("a"), Value: 7},
			{Metric: "workload.emissions", Attributes: id("a").With(grid), Value: 7},
			{Metric: "solar.energy", Attributes: id("a"), Value: 8},
			{Metric: "hw.emissions", Attributes: id("a").With(grid), Value: 2},
			{Metric: "hw.emissions.market_based", Attributes: id("a").With(grid), Value: 100},
			{Metric: "hw.emissions.marginal", Attributes: id("a").With(grid), Value: 100},
			{Metric: "hw.emissions.embodied", Attributes: id("a"), Value: 100},
		}, 10, 1, 2},
		"power alone": {[]m{{Metric: "hw.power", Value: 42}}, 0, 42, 0},
		"power from joules before reported power": {[]m{
			{Metric: "hw.energy", Value: 10}, {Metric: "hw.power", Value: 42},
		}, 10, 1, 0},
		"siblings by provenance add up": {[]m{
			{Metric: "hw.emissions", Attributes: grid, Value: 3},
			{Metric: "hw.emissions", Attributes: feed.Grid("DE", "x", "measured"), Value: 4},
		}, 0, math.NaN(), 7},
	} {
		t.Run(name, func(t *testing.T) {
			tally := New(began, 100)
			for i := range tt.points {
				tt.points[i].Resource, tt.points[i].Start, tt.points[i].At = resource, at(0), at(10)
			}
			require.Empty(t, tally.Add(feed.Batch(tt.points...), at(10)))
			total := tally.Snapshot(at(10)).Total
			grams, _ := total.Grams()
			assert.InDelta(t, tt.joules, total.Joules, 1e-9)
			assert.InDelta(t, tt.grams, grams, 1e-9)
			if math.IsNaN(tt.watts) {
				assert.True(t, math.IsNaN(total.Watts))
			} else {
				assert.InDelta(t, tt.watts, total.Watts, 1e-9)
			}
		})
	}
}

func TestEachHostHasItsOwnTotal(t *testing.T) {
	tally := New(began, 10)
	tally.Add(feed.Batch(
		feed.Point{Metric: "hw.energy", Resource: feed.Host("a"), Start: at(0), At: at(1), Value: 5},
		feed.Point{Metric: "hw.host.energy", Resource: feed.Host("a"), Start: at(0), At: at(1), Value: 9},
		feed.Point{Metric: "hw.energy", Resource: feed.Host("b"), Start: at(0), At: at(1), Value: 3},
	), at(1))
	s := tally.Snapshot(at(1))
	require.Len(t, s.Hosts, 2)
	assert.Equal(t, "a", s.Hosts[0].Name)
	assert.True(t, s.Hosts[0].Whole())
	assert.False(t, s.Hosts[1].Whole())
	assert.InDelta(t, 12, s.Total.Joules, 1e-9)
}

func TestEnergyAndEmissionsShareARow(t *testing.T) {
	gpu := feed.Attributes{"hw.id": "gpu-0", "hw.type": "gpu", "energy.method": "counter"}
	tally := New(began, 10)
	tally.Add(feed.Batch(
		feed.Point{Metric: "hw.energy", Resource: feed.Host("n"), Attributes: gpu, Start: at(0), At: at(10), Value: 3.6e6},
		feed.Point{Metric: "hw.emissions", Resource: feed.Host("n"), Attributes: gpu.With(feed.Grid("FR", "a", "measured")), Start: at(0), At: at(10), Value: 30},
		feed.Point{Metric: "hw.emissions", Resource: feed.Host("n"), Attributes: gpu.With(feed.Grid("FR", "b", "static")), Start: at(0), At: at(10), Value: 10},
	), at(10))
	devices := tally.Snapshot(at(10)).Hosts[0].Devices
	require.Len(t, devices, 1)
	perKWh, known := devices[0].Intensity()
	assert.True(t, known)
	assert.InDelta(t, 40, perKWh, 1e-9)
	assert.Equal(t, []Share{{"measured", 30, 0.75}, {"static", 10, 0.25}},
		devices[0].Shares(func(p Provenance) string { return p.Quality }))
}

func TestPowerGoesStale(t *testing.T) {
	tally := New(began, 10)
	for i := range 3 {
		tally.Add(feed.Batch(feed.Point{Metric: "hw.energy", Start: at(0), At: at(float64(10 * (i + 1))), Value: float64(100 * (i + 1))}), at(float64(10*(i+1))))
	}
	assert.InDelta(t, 10, tally.Snapshot(at(60)).Total.Watts, 1e-9)
	gone := tally.Snapshot(at(61)).Total
	assert.True(t, math.IsNaN(gone.Watts))
	assert.InDelta(t, 300, gone.Joules, 1e-9)
}

func TestLimit(t *testing.T) {
	tally := New(began, 2)
	batch := func(value float64) pmetric.Metrics {
		var points []feed.Point
		for _, id := range []string{"a", "b", "c"} {
			points = append(points, feed.Point{Metric: "hw.energy", Attributes: feed.Attributes{"hw.id": id}, Start: at(0), At: at(value), Value: value})
		}
		return feed.Batch(points...)
	}
	assert.Equal(t, map[Reason]int64{Limit: 1}, tally.Add(batch(1), at(1)))
	assert.Equal(t, map[Reason]int64{Limit: 1}, tally.Add(batch(2), at(2)))
	s := tally.Snapshot(at(2))
	assert.Len(t, s.Hosts[0].Devices, 2)
	assert.InDelta(t, 4, s.Total.Joules, 1e-9)
	assert.Equal(t, int64(2), s.Skipped[Limit])
	assert.Len(t, tally.streams, 2)
}

func TestShapeOutsideTheContract(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(pmetric.Metric)
		metric string
		reason Reason
	}{
		"unit":                {func(m pmetric.Metric) { m.SetUnit("kWh") }, "hw.energy", Unit},
		"energy as a gauge":   {func(m pmetric.Metric) { m.SetEmptyGauge().DataPoints().AppendEmpty() }, "hw.energy", Type},
		"power as a sum":      {func(m pmetric.Metric) { m.SetEmptySum().DataPoints().AppendEmpty() }, "hw.power", Type},
		"no temporality":      {func(m pmetric.Metric) { m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityUnspecified) }, "hw.energy", Type},
		"energy in histogram": {func(m pmetric.Metric) { m.SetEmptyHistogram().DataPoints().AppendEmpty() }, "hw.energy", Type},
	} {
		t.Run(name, func(t *testing.T) {
			batch := feed.Batch(feed.Point{Metric: tt.metric, Start: at(0), At: at(1), Value: 1})
			tt.change(batch.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0))
			tally := New(began, 10)
			assert.Equal(t, map[Reason]int64{tt.reason: 1}, tally.Add(batch, at(1)))
			assert.True(t, tally.Snapshot(at(1)).Empty())
		})
	}
}

func TestIntegerPoints(t *testing.T) {
	batch := feed.Batch(feed.Point{Metric: "hw.energy", Start: at(0), At: at(1)})
	batch.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).SetIntValue(7)
	tally := New(began, 10)
	tally.Add(batch, at(1))
	assert.InDelta(t, 7, tally.Snapshot(at(1)).Total.Joules, 1e-9)
}

func TestLabels(t *testing.T) {
	tally := New(began, 10)
	tally.Add(feed.Batch(
		feed.Point{Metric: "workload.energy", Resource: feed.Attributes{"k8s.pod.name": "pod\x1b[2J-1\n"}, Attributes: feed.Attributes{"workload.kind": "container"}, At: at(1)},
		feed.Point{Metric: "hw.energy", Attributes: feed.Attributes{"hw.type": "gpu", "hw.id": "id", "hw.name": "name"}, At: at(1)},
		feed.Point{Metric: "system.cpu.time", At: at(1)},
	), at(1))
	s := tally.Snapshot(at(1))
	assert.Equal(t, "pod[2J-1", s.Workloads[0].Name, "a value must not reach the terminal as a control sequence")
	assert.Equal(t, "container", s.Workloads[0].Kind)
	assert.Equal(t, "name", s.Hosts[0].Devices[0].Name)
	assert.Equal(t, "id", s.Hosts[0].Devices[0].ID)
	assert.Equal(t, int64(1), s.Foreign)
}

func TestHistoryIsBounded(t *testing.T) {
	tally := New(began, 10)
	var s Snapshot
	for i := range 3 * historyLength {
		now := at(float64(i + 1))
		tally.Add(feed.Batch(feed.Point{Metric: "hw.power", At: now, Value: float64(i)}), now)
		s = tally.Sample(now)
	}
	assert.Len(t, s.History, historyLength)
	assert.InDelta(t, 3*historyLength-1, s.History[historyLength-1], 0)
	assert.Len(t, tally.history, historyLength)
}
