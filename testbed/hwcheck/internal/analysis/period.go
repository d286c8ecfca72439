// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

import "math"

// Period says how often, and in what steps, a sensor publishes.
type Period struct {
	// Interval between changes of the value, in seconds.
	Interval Summary `json:"interval_s"`
	// Step is the size of the changes, in the unit of the sensor.
	Step Summary `json:"step"`
}

// UpdatePeriod of a sensor from polls that are several times faster than its updates. An update that
// publishes the same value again cannot be seen, so under a steady load read P10 or P50, not Mean.
func UpdatePeriod(polled Series) Period {
	changes := polled.Changes()
	steps := make([]float64, 0, len(changes))
	for _, s := range changes {
		steps = append(steps, s.V)
	}
	return Period{Interval: Summarize(Intervals(changes)), Step: Summarize(differences(steps))}
}

// Intervals between points, in seconds.
func Intervals(s Series) []float64 {
	times := make([]float64, 0, len(s))
	for _, p := range s {
		times = append(times, p.T)
	}
	return differences(times)
}

func differences(values []float64) []float64 {
	var d []float64
	for i := 1; i < len(values); i++ {
		d = append(d, math.Abs(values[i]-values[i-1]))
	}
	return d
}

// Bin of a histogram: Count values in [From, From+width).
type Bin struct {
	From  float64
	Count int
}

// Histogram of values that are not negative, up to the last bin that has any.
func Histogram(values []float64, width float64) []Bin {
	var bins []Bin
	for _, v := range values {
		// 0.3/0.1 is 2.999...: a value on the edge belongs above it.
		i := int(v/width + 1e-9)
		for len(bins) <= i {
			bins = append(bins, Bin{From: float64(len(bins)) * width})
		}
		bins[i].Count++
	}
	return bins
}
