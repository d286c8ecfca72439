// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// burstErrors plays bursts (700/100 W, half of the time) of a period to a counter whose sensor sees the
// first window seconds of each 100 ms, at four phases, and judges it as the check does.
func burstErrors(t *testing.T, period, window float64) []float64 {
	t.Helper()
	const update, dt = 0.1, 0.0005
	levels := Levels{High: 700, Low: 100}
	errors := make([]float64, 0, 4)
	for phase := range 4 {
		shift := float64(phase) * period / 4
		high := func(t float64) bool { return math.Mod(t+shift, period) < period/2 }
		var busy []Interval
		for start := -shift; start < 5; start += period {
			busy = append(busy, Interval{start, start + period/2})
		}
		var counter Series
		var joules, seen, n float64
		for i := range int(5 / dt) {
			now := float64(i) * dt
			if i%int(update/dt) == 0 && n > 0 {
				joules += update * seen / n
				seen, n = 0, 0
			}
			counter = append(counter, Point{now, joules})
			if math.Mod(now+1e-9, update) < window {
				n++
				if high(now) {
					seen += levels.High
				} else {
					seen += levels.Low
				}
			}
		}
		w, ok := CounterWindow(counter, 0, 5)
		require.True(t, ok)
		errors = append(errors, RelativeError(w.Joules, levels.Energy(w.Seconds(), Busy(busy, w.From, w.To))))
	}
	return errors
}

func TestPartTimeSensorIsFound(t *testing.T) {
	for _, tt := range []struct {
		name         string
		window       float64
		found, clear bool
	}{
		{"sees a quarter", 0.025, true, false},
		{"sees all", 0.1, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			errors := map[int][]float64{}
			for _, period := range []int{50, 90, 100, 110} {
				errors[period] = burstErrors(t, float64(period)/1e3, tt.window)
			}
			got := JudgePartTime(errors)
			assert.Equal(t, tt.found, got.Found, "%+v %v", got, errors)
			assert.Equal(t, tt.clear, got.Clear, "%+v %v", got, errors)
		})
	}
}

func TestPartTimeNeedsAReference(t *testing.T) {
	assert.Zero(t, JudgePartTime(map[int][]float64{50: {0.5}, 100: {0.5}, 90: {0}}))
	unsteady := JudgePartTime(map[int][]float64{50: {0.5}, 100: {0.5}, 90: {0.2}, 110: {-0.2}})
	assert.False(t, unsteady.Found || unsteady.Clear)
	// Ramps of the power itself: all periods are wrong alike.
	ramps := JudgePartTime(map[int][]float64{50: {0.22}, 90: {0.2}, 100: {0.2}, 110: {0.18}})
	assert.True(t, ramps.Clear)
}
