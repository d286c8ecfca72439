// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sampled is a function of time, polled every dt seconds, as of its last update.
func sampled(from, to, dt, update float64, f func(t float64) float64) Series {
	var s Series
	for i := 0; from+float64(i)*dt <= to; i++ {
		t := from + float64(i)*dt
		s = append(s, Point{t, f(math.Floor(t/update+1e-9) * update)})
	}
	return s
}

func TestUpdatePeriod(t *testing.T) {
	counter := sampled(0, 10, 0.001, 0.1, func(t float64) float64 { return 300 * t })
	p := UpdatePeriod(counter)
	assert.Equal(t, 99, p.Interval.N)
	assert.InDelta(t, 0.1, p.Interval.P50, 0.0011)
	assert.InDelta(t, 0.1, p.Interval.Max, 0.0011)
	assert.InDelta(t, 30, p.Step.P50, 1e-6)
	assert.Zero(t, UpdatePeriod(sampled(0, 10, 0.001, 0.1, func(float64) float64 { return 7 })))
}

func TestHistogram(t *testing.T) {
	assert.Equal(t, []Bin{{0, 1}, {0.1, 0}, {0.2, 0}, {0.30000000000000004, 2}}, Histogram([]float64{0.3, 0.05, 0.39}, 0.1))
	assert.Empty(t, Histogram(nil, 1))
}

func TestSummarize(t *testing.T) {
	var values []float64
	for i := 1000; i > 0; i-- {
		values = append(values, float64(i))
	}
	assert.Equal(t, Summary{N: 1000, Mean: 500.5, P10: 100, P50: 500, P90: 900, P99: 990, Max: 1000}, Summarize(values))
	assert.InDelta(t, 1000, values[0], 0, "the values are left as they were")
	assert.Equal(t, Summary{N: 1, Mean: 3, P10: 3, P50: 3, P90: 3, P99: 3, Max: 3}, Summarize([]float64{3}))
	assert.Zero(t, Summarize(nil))
	assert.InDelta(t, 5, RootMeanSquare([]float64{-5, 5}), 1e-12)
	assert.Zero(t, RootMeanSquare(nil))
	assert.InDelta(t, -7, WorstOf([]float64{3, -7, 6}), 0)
}

func TestIntegrals(t *testing.T) {
	ramp := sampled(0, 10, 0.01, 0.01, func(t float64) float64 { return 100 * t })
	joules, seconds := Trapezoid(ramp, 0, 10)
	assert.InDelta(t, 5000, joules, 1e-6)
	assert.InDelta(t, 10, seconds, 1e-9)
	joules, seconds = Trapezoid(ramp, 2, 4)
	assert.InDelta(t, 600, joules, 2)
	assert.InDelta(t, 2, seconds, 0.02)

	// The mean of the last second of the same ramp, polled each second: exact as rectangles.
	means := sampled(0, 10, 1, 1, func(t float64) float64 { return 100*t - 50 })
	joules, _ = Rectangles(means, 0, 10)
	assert.InDelta(t, 5000, joules, 1e-9)
	joules, seconds = Trapezoid(nil, 0, 1)
	assert.Zero(t, joules+seconds)
}

// The window of a counter is exact whatever its update period, wherever the window is asked for.
func TestCounterWindowIsFreeOfTheUpdatePeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		update := rapid.Float64Range(0.02, 0.2).Draw(t, "update")
		from := rapid.Float64Range(0, 1).Draw(t, "from")
		counter := sampled(0, 4, 0.001, update, func(t float64) float64 { return 1e6 + 400*t })
		w, ok := CounterWindow(counter, from, from+2)
		require.True(t, ok)
		assert.InDelta(t, 400, w.Watts(), 400*0.0011/w.Seconds())
		assert.Greater(t, w.Seconds(), 2-2*update-0.002)
	})
	_, ok := CounterWindow(sampled(0, 4, 0.001, 3, func(t float64) float64 { return t }), 0, 4)
	assert.False(t, ok, "one change is no window")
}

func TestBusy(t *testing.T) {
	work := []Interval{{0, 1}, {2, 3}, {4, 5}}
	assert.InDelta(t, 1.5, Busy(work, 0.5, 3), 1e-12)
	assert.InDelta(t, 0.25, Busy(work, 2.5, 2.75), 1e-12)
	assert.Zero(t, Busy(work, 1, 2))
	assert.InDelta(t, 1200, Levels{High: 700, Low: 100}.Energy(6, 1), 1e-12)
}

func TestStepResponse(t *testing.T) {
	// 0.15 s late, then 0.4 s from 100 to 500 W.
	sensor := sampled(0, 4, 0.001, 0.001, func(t float64) float64 {
		return 100 + 400*min(max((t-2.15)/0.4, 0), 1)
	})
	step, ok := StepResponse(sensor, 2, 0, 4, 20)
	require.True(t, ok)
	assert.InDelta(t, 0.35, step.Delay, 0.002)
	assert.InDelta(t, 0.32, step.Rise, 0.002)

	falling := sampled(0, 4, 0.001, 0.001, func(t float64) float64 {
		if t < 2.2 {
			return 500
		}
		return 100
	})
	step, ok = StepResponse(falling, 2, 0, 4, 20)
	require.True(t, ok)
	assert.InDelta(t, 0.2, step.Delay, 0.002)
	assert.InDelta(t, 0, step.Rise, 0.002)

	_, ok = StepResponse(sensor, 2, 0, 4, 401)
	assert.False(t, ok, "too small a step")
	_, ok = StepResponse(nil, 2, 0, 4, 1)
	assert.False(t, ok)
}

func TestRate(t *testing.T) {
	counter := sampled(0, 2, 0.001, 0.1, func(t float64) float64 { return 250 * t })
	for _, p := range Rate(counter) {
		assert.InDelta(t, 250, p.V, 5)
	}
	assert.Len(t, Rate(counter), 19)
}

func TestDecimate(t *testing.T) {
	fast := sampled(0, 10, 0.01, 0.01, func(t float64) float64 { return t })
	slow := fast.Decimate(1)
	assert.Len(t, slow, 11)
	assert.InDelta(t, 7, slow[7].T, 0.0101)
}

func TestWeights(t *testing.T) {
	samples := []Utilization{
		{PID: 2, At: 3_000_000, SM: 20}, // out of order
		{PID: 1, At: 1_000_000, SM: 99}, // at the beginning of the window: belongs to the one before
		{PID: 1, At: 2_000_000, SM: 50},
		{PID: 1, At: 3_000_000, SM: 250}, // garbage
		{PID: 1, At: 9_000_001, SM: 100}, // after the window
	}
	assert.Equal(t, map[uint32]uint64{1: 150_000_000, 2: 20 * 1_500_000}, Weights(samples, 1_000_000, 9_000_000, 1_500_000))
	assert.Empty(t, Weights(nil, 0, 1, 1))
}

func TestSplitConserves(t *testing.T) {
	assert.Equal(t, map[uint32]uint64{1: 34, 2: 33, 3: 33}, Split(100, map[uint32]uint64{1: 1, 2: 1, 3: 1}))
	assert.Nil(t, Split(100, map[uint32]uint64{1: 0}))
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Uint64Max(1<<60).Draw(t, "amount")
		weights := rapid.MapOfN(rapid.Uint32(), rapid.Uint64Max(1<<50), 1, 20).Draw(t, "weights")
		var sum, total uint64
		for _, w := range weights {
			total += w
		}
		shares := Split(amount, weights)
		for pid, s := range shares {
			sum += s
			assert.InDelta(t, float64(amount)*float64(weights[pid])/float64(total), float64(s), 1+float64(amount)*1e-12)
		}
		if total > 0 {
			assert.Equal(t, amount, sum)
		}
	})
	assert.InDelta(t, 0.25, Share(1.0, 3.0), 1e-12)
	assert.Zero(t, Share[uint64](0, 0))
}
