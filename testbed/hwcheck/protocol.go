// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"

// The load runs in processes of its own, so that they are what the driver attributes work to. Such a process
// says that it is ready, then obeys orders, one at a time. Both are lines of JSON.

// ready is the first line of a load process.
type ready struct {
	Error           string  `json:"error,omitempty"`
	Device          string  `json:"device"`
	CUDA            int     `json:"cuda"`
	Multiprocessors int     `json:"multiprocessors"`
	Rate            float64 `json:"iterations_per_s"`
}

// order asks for work.
type order struct {
	// Kind is bursts, latency or training.
	Kind string `json:"kind"`
	// For is how long, in s.
	For float64 `json:"for_s"`
	// Period of the bursts in s, the share of it with work, and how late the first one begins, in s.
	Period float64 `json:"period_s,omitempty"`
	Duty   float64 `json:"duty,omitempty"`
	Phase  float64 `json:"phase_s,omitempty"`
	// Fixed makes all bursts the same work. Else work follows the clocks, so that bursts last equally long.
	Fixed bool `json:"fixed,omitempty"`
}

// done answers an order. Times are of CLOCK_MONOTONIC, in s.
type done struct {
	Error string `json:"error,omitempty"`
	// Busy is the time that kernels ran, by CUDA's events.
	Busy       float64             `json:"busy_s"`
	Iterations float64             `json:"iterations"`
	From       float64             `json:"from_s"`
	To         float64             `json:"to_s"`
	Bursts     []analysis.Interval `json:"bursts,omitempty"`
	Launch     *analysis.Summary   `json:"launch_us,omitempty"`
	Allocate   *analysis.Summary   `json:"allocate_us,omitempty"`
}
