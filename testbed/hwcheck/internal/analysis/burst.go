// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

import "math"

// Levels are the steady power, in W, with the GPU at work and at rest.
type Levels struct{ High, Low float64 }

// Energy of a window in which the GPU worked for busy seconds, in J.
func (l Levels) Energy(seconds, busy float64) float64 {
	return l.High*busy + l.Low*(seconds-busy)
}

// PartTime compares the errors (fractions) of bursts whose period is in step with a sensor that looks at a
// part of each 100 ms, with those of bursts that are not.
type PartTime struct {
	// Locked is the largest error, by amount, of the periods 50 and 100 ms, and Unlocked that of 90 and 110 ms,
	// each beside the mean of 90 and 110 ms. That mean is what bursts of this length cost more or
	// less than steady load, by the ramps of the power itself, and no fault of the sensor.
	Locked   float64 `json:"locked"`
	Unlocked float64 `json:"unlocked"`
	// Found: the counter is fed by a sensor that is blind most of the time.
	Found bool `json:"found"`
	// Clear: it is not. Neither: the errors of the reference are too large to say.
	Clear bool `json:"clear"`
}

// Bounds of the verdict. In step with the bursts, a sensor that sees 25 of 100 ms is wrong by up to 75 %,
// depending on the phase; out of step by some percent, the less the longer the bursts go on
// (docs/accuracy.md, Simulations).
const (
	errorBound = 0.10
	contrast   = 3
)

// JudgePartTime takes errors by period in ms, one for each phase at which bursts of that period were
// played. It is neither found nor clear without all four periods.
func JudgePartTime(errors map[int][]float64) PartTime {
	var reference float64
	for _, period := range []int{50, 90, 100, 110} {
		if len(errors[period]) == 0 {
			return PartTime{}
		}
	}
	unlocked := append(append([]float64{}, errors[90]...), errors[110]...)
	for _, e := range unlocked {
		reference += e / float64(len(unlocked))
	}
	worst := func(errors []float64) float64 {
		var w float64
		for _, e := range errors {
			w = max(w, math.Abs(e-reference))
		}
		return w
	}
	p := PartTime{Locked: max(worst(errors[50]), worst(errors[100])), Unlocked: worst(unlocked)}
	p.Found = p.Locked > errorBound && p.Locked > contrast*p.Unlocked
	p.Clear = p.Locked <= errorBound && p.Unlocked <= errorBound
	return p
}
