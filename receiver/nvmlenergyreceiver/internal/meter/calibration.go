// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"math"
	"time"
)

// Calibration corrects what a board reads: energy = Gain x read + Offset x time. The zero value corrects
// nothing. Gain and offset come from a comparison with an external meter under two steady loads
// (arXiv 2312.02741, section 5).
type Calibration struct {
	// Gain without a unit; 0 stands for 1.
	Gain float64
	// Offset in mW.
	Offset float64
}

type calibrator struct {
	Calibration

	last time.Time
	rest float64 // what is not yet a whole mJ, or still owed
}

// apply corrects the growth up to a time, both in mJ. It never gives less than 0: what a negative offset
// takes away beyond is taken from what follows.
func (c *calibrator) apply(growth uint64, at time.Time) uint64 {
	if c.Calibration == (Calibration{}) {
		return growth
	}
	gain := c.Gain
	if gain == 0 {
		gain = 1
	}
	corrected := gain*float64(growth) + c.rest
	if !c.last.IsZero() {
		corrected += c.Offset * at.Sub(c.last).Seconds()
	}
	c.last = at
	whole := max(math.Floor(corrected), 0)
	c.rest = corrected - whole
	return uint64(whole)
}
