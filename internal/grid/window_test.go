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

func TestGreenest(t *testing.T) {
	year := Fixed(1, "DE", Lifecycle)
	other := said("a", Forecast, 120, 180, 1)
	other.Boundary = Direct
	for name, tt := range map[string]struct {
		values []Value
		until  int
		length time.Duration
		start  int // minute
		mean   float64
		none   bool
	}{
		"nothing known":                 {nil, 600, time.Hour, 0, 0, true},
		"now is as good as later":       {[]Value{said("a", Forecast, -30, 600, 0.1)}, 600, time.Hour, 0, 0.1, false},
		"0 is a value":                  {[]Value{said("a", Forecast, 0, 60, 5), said("a", Forecast, 60, 120, 0)}, 600, time.Hour, 60, 0, false},
		"the earlier of two":            {[]Value{said("a", Forecast, 0, 60, 5), said("a", Forecast, 60, 120, 2), said("a", Forecast, 120, 180, 5), said("a", Forecast, 180, 240, 2)}, 600, time.Hour, 60, 2, false},
		"an edge within an interval":    {[]Value{said("a", Forecast, 0, 60, 300), said("a", Forecast, 60, 120, 100), said("a", Forecast, 120, 180, 200)}, 180, 90 * time.Minute, 60, (100*60 + 200*30) / 90.0, false},
		"ends at an edge":               {[]Value{said("a", Forecast, 0, 60, 200), said("a", Forecast, 60, 120, 100), said("a", Forecast, 120, 180, 300)}, 180, 90 * time.Minute, 30, (200*30 + 100*60) / 90.0, false},
		"not across a gap":              {[]Value{said("a", Forecast, 0, 60, 300), said("a", Forecast, 90, 120, 1)}, 600, time.Hour, 0, 300, false},
		"too long":                      {[]Value{said("a", Forecast, 0, 60, 300)}, 600, 61 * time.Minute, 0, 0, true},
		"not carried, not static":       {[]Value{said("a", Measured, -60, 0, 1), said("a", Forecast, 60, 120, 300)}, 600, time.Hour, 60, 300, false},
		"within the time that is asked": {[]Value{said("a", Forecast, 0, 60, 300), said("a", Forecast, 60, 120, 1)}, 90, time.Hour, 30, 150.5, false},
		"known and foretold together":   {[]Value{said("a", Measured, -60, 30, 100), said("a", Forecast, 30, 60, 200)}, 600, time.Hour, 0, 150, false},
		"another quantity is a gap":     {[]Value{said("a", Forecast, 0, 120, 300), other, said("a", Forecast, 180, 240, 200)}, 600, time.Hour, 180, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			timeline := NewTimeline(tt.values, 2, &year, at(0))
			got, ok := timeline.Greenest(at(0).UnixNano(), at(tt.until).UnixNano(), tt.length)
			require.Equal(t, !tt.none, ok)
			if ok {
				assert.Equal(t, at(tt.start), time.Unix(0, got.Start).UTC())
				assert.InDelta(t, tt.mean, got.GramsPerKWh, 1e-9)
				assert.Equal(t, "a", got.First.Source)
			}
		})
	}
}

// Sums of the same numbers differ by their rounding, and make no window greener than the first.
func TestGreenestOfEqualsIsNow(t *testing.T) {
	var values []Value
	for i := range 72 {
		values = append(values, said([]string{"a", "b"}[i%2], Forecast, 60*i, 60*i+60, 300.1))
	}
	timeline := NewTimeline(values, 2, nil, at(0))
	for minutes := range 180 {
		got, ok := timeline.Greenest(at(7).UnixNano(), at(72*60).UnixNano(), time.Duration(minutes+1)*time.Minute)
		require.True(t, ok)
		require.Equal(t, at(7), time.Unix(0, got.Start).UTC())
	}
}

// Trying each minute finds nothing better, and nothing as good before.
func TestGreenestIsTheBestOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := values(rt)
		for i := range values {
			values[i].GramsPerKWh = math.Floor(values[i].GramsPerKWh / 100) // ties
		}
		timeline := NewTimeline(values, 2, nil, at(0))
		from := rapid.IntRange(-600, 600).Draw(rt, "from")
		until := from + rapid.IntRange(1, 600).Draw(rt, "horizon")
		length := rapid.IntRange(1, 240).Draw(rt, "length")

		start, least := 0, math.Inf(1)
		for s := from; s+length <= until; s++ {
			sum := 0.0
			for m := s; m < s+length; m++ {
				i, _ := timeline.At(at(m).UnixNano())
				if i == nil || !i.Quality.Own() {
					sum = math.Inf(1)
					break
				}
				sum += i.GramsPerKWh
			}
			if sum < least {
				start, least = s, sum
			}
		}
		got, ok := timeline.Greenest(at(from).UnixNano(), at(until).UnixNano(), time.Duration(length)*time.Minute)
		require.Equal(rt, !math.IsInf(least, 1), ok)
		if ok {
			require.InDelta(rt, least/float64(length), got.GramsPerKWh, 1e-9)
			require.Equal(rt, at(start), time.Unix(0, got.Start).UTC())
		}
	})
}

func TestRank(t *testing.T) {
	now := &Intensity{GramsPerKWh: 300, Quality: Stale}
	direct := said("a", Measured, 0, 60, 1)
	direct.Boundary = Direct
	for name, tt := range map[string]struct {
		values []Value
		rank   float64
		known  time.Duration
	}{
		"nothing known":    {nil, 0, 0},
		"highest":          {[]Value{said("a", Measured, 0, 60, 200)}, 1, time.Hour},
		"lowest":           {[]Value{said("a", Measured, 0, 60, 400)}, 0, time.Hour},
		"constant":         {[]Value{said("a", Measured, 0, 60, 300)}, 0.5, time.Hour},
		"by time":          {[]Value{said("a", Measured, 0, 45, 200), said("b", Estimated, 45, 60, 400)}, 0.75, time.Hour},
		"cut to the time":  {[]Value{said("a", Measured, -600, 30, 200), said("a", Measured, 30, 600, 400)}, 0.5, time.Hour},
		"what is known":    {[]Value{said("a", Measured, 0, 6, 200), said("a", Forecast, 6, 40, 1), said("a", Estimated, 40, 42, 301)}, 0.75, 8 * time.Minute},
		"another quantity": {[]Value{direct}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			timeline := NewTimeline(tt.values, 2, nil, at(0))
			rank, known := timeline.Rank(now, at(0).UnixNano(), at(60).UnixNano())
			assert.Equal(t, tt.known, known)
			assert.InDelta(t, tt.rank, rank, 1e-12)
		})
	}
}

// Of evenly spread intensities the rank is the place itself, and more is never ranked lower.
func TestRankOfKnownDistributions(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(rt, "n")
		var values []Value
		for i, grams := range rapid.Permutation(ascending(n)).Draw(rt, "grams") {
			values = append(values, said("a", Measured, i, i+1, grams))
		}
		timeline := NewTimeline(values, 2, nil, at(0))
		last := -1.0
		for i := range n {
			rank, known := timeline.Rank(&Intensity{GramsPerKWh: float64(i)}, at(-10).UnixNano(), at(n+10).UnixNano())
			require.Equal(rt, time.Duration(n)*time.Minute, known)
			require.InDelta(rt, (float64(i)+0.5)/float64(n), rank, 1e-12)
			require.Greater(rt, rank, last)
			last = rank
		}
	})
}

func ascending(n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = float64(i)
	}
	return all
}

func TestNewest(t *testing.T) {
	timeline := NewTimeline([]Value{said("a", Measured, 0, 60, 1), said("b", Estimated, 60, 90, 2), said("a", Forecast, 90, 600, 3)}, 2, nil, at(0))
	i, until := timeline.Newest()
	require.NotNil(t, i)
	assert.Equal(t, "b", i.Source)
	assert.Equal(t, at(90).UnixNano(), until)

	for _, unknown := range []*Timeline{
		NewTimeline(nil, 2, nil, at(0)),
		NewTimeline([]Value{said("a", Forecast, 0, 60, 1)}, 2, nil, at(0)),
		Always(Fixed(1, "", Lifecycle)),
	} {
		i, _ := unknown.Newest()
		assert.Nil(t, i)
	}
}
