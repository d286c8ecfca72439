// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package analysis

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
)

// Utilization of a process: a sample of the driver.
type Utilization struct {
	PID uint32
	// At is in µs of the driver's clock.
	At uint64
	// SM is in percent.
	SM uint32
}

// Weights are the SM time of each process, in percent times µs. Each sample stands for the time since
// the one before of the same process, or since the beginning of the window, but no longer than
// longest: what happened in a larger gap is not known.
func Weights(samples []Utilization, from, to, longest uint64) map[uint32]uint64 {
	sorted := slices.SortedFunc(slices.Values(samples), func(a, b Utilization) int { return cmp.Compare(a.At, b.At) })
	weights, last := map[uint32]uint64{}, map[uint32]uint64{}
	for _, s := range sorted {
		if s.At <= from || s.At > to {
			continue
		}
		since := max(last[s.PID], from)
		// Values above 100 have been seen (nvtop #110).
		weights[s.PID] += uint64(min(s.SM, 100)) * min(s.At-since, longest)
		last[s.PID] = s.At
	}
	return weights
}

// Split shares out an amount by weights: integers that add up to it, by the largest remainder, ties to the
// lower PID. Without any weight nobody gets a share.
func Split(amount uint64, weights map[uint32]uint64) map[uint32]uint64 {
	var sum uint64
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		return nil
	}
	shares, remainder, left := map[uint32]uint64{}, map[uint32]uint64{}, amount
	for pid, w := range weights {
		high, low := bits.Mul64(amount, w)
		shares[pid], remainder[pid] = bits.Div64(high, low, sum)
		left -= shares[pid]
	}
	order := slices.SortedFunc(maps.Keys(weights), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(remainder[b], remainder[a]), cmp.Compare(a, b))
	})
	for _, pid := range order[:left] {
		shares[pid]++
	}
	return shares
}

// Share is a part of a sum, 0 to 1; 0 of nothing.
func Share[T uint64 | float64](part, rest T) float64 {
	if part+rest == 0 {
		return 0
	}
	return float64(part) / float64(part+rest)
}
