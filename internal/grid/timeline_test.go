// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func said(source string, quality Quality, from, to int, grams float64) Value {
	return Value{at(from), at(to), Intensity{GramsPerKWh: grams, Quality: quality, Provenance: Provenance{Zone: "DE", Source: source}}}
}

type holds struct {
	source  string
	quality Quality
	grams   float64
}

// state is what a timeline says at a minute.
func state(t *Timeline, minute int) holds {
	i, _ := t.At(at(minute).UnixNano())
	if i == nil {
		return holds{}
	}
	return holds{i.Source, i.Quality, i.GramsPerKWh}
}

func TestTimelineTakesTheBestOfEachTime(t *testing.T) {
	year := Fixed(400, "DE", Lifecycle)
	static := holds{"static", "static", 400}
	for name, tt := range map[string]struct {
		values   []Value
		fallback *Intensity
		want     map[int]holds
	}{
		"nothing known":       {nil, nil, map[int]holds{0: {}}},
		"only the year":       {nil, &year, map[int]holds{-1e6: static, 0: static, 1e6: static}},
		"an interval":         {[]Value{said("a", Measured, 0, 30, 300)}, &year, map[int]holds{-1: static, 0: {"a", "measured", 300}, 29: {"a", "measured", 300}, 30: {"a", "stale", 300}, 89: {"a", "stale", 300}, 90: static}},
		"without a fallback":  {[]Value{said("a", Measured, 0, 30, 300)}, nil, map[int]holds{-1: {}, 89: {"a", "stale", 300}, 90: {}}},
		"0 is a value":        {[]Value{said("a", Measured, 0, 30, 0)}, &year, map[int]holds{0: {"a", "measured", 0}}},
		"a hole":              {[]Value{said("a", Measured, 0, 30, 300), said("a", Measured, 60, 90, 200)}, &year, map[int]holds{30: {"a", "stale", 300}, 59: {"a", "stale", 300}, 60: {"a", "measured", 200}}},
		"known over foretold": {[]Value{said("a", Forecast, 0, 60, 100), said("a", Estimated, 0, 30, 300)}, nil, map[int]holds{0: {"a", "estimated", 300}, 30: {"a", "forecast", 100}, 60: {"a", "stale", 100}}},
		"the first is preferred": {
			[]Value{said("a", Estimated, 30, 60, 300), said("b", Measured, 0, 120, 200)},
			nil,
			map[int]holds{0: {"b", "measured", 200}, 30: {"a", "estimated", 300}, 60: {"b", "measured", 200}, 120: {"b", "stale", 200}, 359: {"b", "stale", 200}, 360: {}},
		},
		"another's knowledge over a forecast": {
			[]Value{said("a", Forecast, 0, 60, 300), said("b", Measured, 0, 30, 200)},
			nil,
			map[int]holds{0: {"b", "measured", 200}, 30: {"a", "forecast", 300}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			timeline := NewTimeline(tt.values, 2, tt.fallback, at(0))
			for minute, want := range tt.want {
				assert.Equal(t, want, state(timeline, minute), "minute %d", minute)
			}
		})
	}
}

// golden.json: hour_split
func TestSplitAtTheHour(t *testing.T) {
	timeline := NewTimeline([]Value{said("a", Measured, 0, 60, 300), said("a", Measured, 60, 120, 500)}, 2, nil, at(0))
	from := at(60).Add(-6 * time.Second)
	var joules []float64
	var grams float64
	for p := range timeline.Split(from.UnixNano(), from.Add(10*time.Second).UnixNano(), 7000) {
		joules = append(joules, p.Amount)
		grams += p.Amount * p.Intensity.GramsPerKWh / 3.6e6
	}
	assert.InDeltaSlice(t, []float64{4200, 2800}, joules, 1e-9)
	assert.InEpsilon(t, 0.7388888888888889, grams, 1e-12)
}

func TestSplitOfAnInstant(t *testing.T) {
	timeline := NewTimeline([]Value{said("a", Measured, 0, 60, 300)}, 2, nil, at(0))
	for p := range timeline.Split(at(30).UnixNano(), at(30).UnixNano(), 5) {
		assert.InDelta(t, 5.0, p.Amount, 0)
		assert.InDelta(t, 300.0, p.Intensity.GramsPerKWh, 0)
	}
}

func values(rt *rapid.T) []Value {
	quality := rapid.SampledFrom([]Quality{Measured, Estimated, Forecast})
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Value {
		from := rapid.IntRange(-500, 500).Draw(rt, "from")
		return said(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "source"), quality.Draw(rt, "quality"),
			from, from+rapid.IntRange(1, 120).Draw(rt, "length"), rapid.Float64Range(0, 2000).Draw(rt, "grams"))
	}), 0, 30).Draw(rt, "values")
}

// At any time a timeline says what the rules say of that time alone.
func TestTimelineIsWhatTheRulesSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := values(rt)
		timeline := NewTimeline(values, 2, nil, at(0))
		minute := rapid.IntRange(-600, 900).Draw(rt, "minute")
		moment := at(minute)
		var best *Value
		for i, v := range values {
			if covers := !moment.Before(v.Start) && moment.Before(v.End); covers && (best == nil || rank(v.Quality) < rank(best.Quality)) {
				best = &values[i]
			}
		}
		got := state(timeline, minute)
		if best != nil {
			require.Equal(rt, holds{best.Source, best.Quality, best.GramsPerKWh}, got)
			return
		}
		require.Contains(rt, []Quality{"", Stale}, got.quality, "nobody said it")
	})
}

// Splitting conserves the amount, and splitting anywhere changes nothing.
func TestSplitConserves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		timeline := NewTimeline(values(rt), 2, nil, at(0))
		from := at(rapid.IntRange(-600, 600).Draw(rt, "from")).UnixNano()
		until := from + rapid.Int64Range(1, int64(48*time.Hour)).Draw(rt, "length")
		middle := rapid.Int64Range(from+1, until).Draw(rt, "middle")
		amount := rapid.Float64Range(0, 1e9).Draw(rt, "amount")
		fraction := amount * (float64(middle-from) / float64(until-from))

		grams := func(from, until int64, amount float64) (total, grams float64) {
			last := from
			for p := range timeline.Split(from, until, amount) {
				require.Greater(rt, p.Until, last)
				last = p.Until
				total += p.Amount
				if p.Intensity != nil {
					grams += p.Amount * p.Intensity.GramsPerKWh
				}
			}
			require.Equal(rt, until, last)
			return total, grams
		}
		total, whole := grams(from, until, amount)
		require.InDelta(rt, amount, total, 1e-12*math.Max(1, amount))
		_, first := grams(from, middle, fraction)
		rest := 0.0
		if middle < until {
			_, rest = grams(middle, until, amount-fraction)
		}
		require.InDelta(rt, whole, first+rest, 1e-9*math.Max(1, whole))
	})
}

func TestFeedRemembersTheEarliestWish(t *testing.T) {
	f := NewFeed(Provenance{}, Always(Fixed(1, "", Lifecycle)))
	require.True(t, f.Wanted().IsZero())
	f.Want(at(0))
	f.Want(at(10))
	require.True(t, f.Wanted().Equal(at(0)))
	f.Want(at(-10))
	require.True(t, f.Wanted().Equal(at(-10)))
	<-f.Wake()
	require.Empty(t, f.Wake())
}

func BenchmarkSplit(b *testing.B) {
	var values []Value
	for i := range 576 {
		values = append(values, said("a", Measured, 5*i, 5*i+5, float64(i)))
	}
	timeline := NewTimeline(values, 2, nil, at(0))
	from := at(5 * 570).UnixNano()
	b.ReportAllocs()
	for b.Loop() {
		for p := range timeline.Split(from, from+int64(10*time.Second), 1000) {
			_ = p
		}
	}
}
