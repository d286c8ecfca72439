// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

import (
	"math"
	"slices"
)

// Summary of a distribution, in the unit of its values.
type Summary struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	P10  float64 `json:"p10"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Summarize leaves the values as they are. Without values, all is 0.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	var sum float64
	for _, v := range sorted {
		sum += v
	}
	return Summary{
		N: len(sorted), Mean: sum / float64(len(sorted)), Max: sorted[len(sorted)-1],
		P10: quantile(sorted, 0.10), P50: quantile(sorted, 0.50), P90: quantile(sorted, 0.90), P99: quantile(sorted, 0.99),
	}
}

// quantile is by the nearest rank: a value that was seen, not one between two.
func quantile(sorted []float64, q float64) float64 {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// RootMeanSquare of the values; 0 without any.
func RootMeanSquare(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	var sum float64
	for _, v := range values {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(values)))
}

// WorstOf is the value that is furthest from 0, with its sign.
func WorstOf(values []float64) float64 {
	var worst float64
	for _, v := range values {
		if math.Abs(v) > math.Abs(worst) {
			worst = v
		}
	}
	return worst
}
