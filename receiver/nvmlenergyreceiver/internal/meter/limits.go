// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import "github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"

// unlimited is what a GPU is taken to draw at most, in mW, if it does not say: no single one comes near,
// the limit of a GB300 is 1.4 kW and that of its module 2.9 kW.
const unlimited = 4e6

// Limits are the bounds of a GPU's power.
type Limits struct {
	most float64 // mW
}

// ReadLimits asks a GPU for the most it can draw.
func ReadLimits(device nvml.Device) Limits {
	highest, err := device.MaxPowerLimit()
	if err != nil {
		highest = 0
	}
	enforced, err := device.EnforcedPowerLimit()
	if err != nil {
		enforced = 0
	}
	if most := max(float64(highest), 1.2*float64(enforced)); most > 0 {
		return Limits{most: most}
	}
	return Limits{most: unlimited}
}

// Uncertainty bounds the relative error of energy that is integrated from power; false for the counter. The
// mean of the last second covers all of the time: what is left are the ends, 2 % over a minute. A momentary
// value says nothing of the time between two of them, in which the GPU can have drawn anything from nothing to
// its limit; sensors that see a quarter of the time exist (arXiv 2312.02741).
func (m *Meter) Uncertainty() (relative float64, ok bool) {
	switch mean := m.mean(); {
	case m.source <= Counter || mean <= 0:
		return 0, false
	case m.source == Average:
		return 0.02, true
	default:
		return max(m.limits.most-mean, mean) / mean, true
	}
}

// mean is the power in mW since the source was last changed.
func (m *Meter) mean() float64 {
	elapsed := m.integratedAt.Sub(m.integratedSince).Seconds()
	if elapsed <= 0 {
		return 0
	}
	return float64(m.fault.booked) / elapsed
}
