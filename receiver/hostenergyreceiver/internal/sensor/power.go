// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"errors"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// powerSensor integrates readings of a power.
type powerSensor struct {
	// microwatts is the power at the time of its call, or the mean of a time before it.
	microwatts func() (uint64, error)
	most       float64 // W
	every      time.Duration
	integrator joule.Integrator
}

// newPowerSensor reads every so often, or as often as the sensor makes a mean. Where that is not more often, readings
// are taken as means.
func newPowerSensor(microwatts func() (uint64, error), scope Scope, every, averaged time.Duration) *powerSensor {
	const lost = 10 // readings in a row, before what they would have said is a gap
	every = min(max(every, averaged), time.Minute)
	return &powerSensor{
		microwatts: microwatts, most: scope.maxPower(), every: every,
		integrator: joule.Integrator{MaxGap: lost * every, Mean: averaged >= every},
	}
}

// ErrOnMains is what a battery says while the machine does not run on it.
var ErrOnMains = errors.New("not on battery power")

func (p *powerSensor) Read(now time.Time) (joule.Outcome, error) {
	const peak = 1.5
	microwatts, err := p.microwatts()
	switch {
	case errors.Is(err, ErrOnMains):
		p.integrator.Break()
		return joule.Rejected, err
	case err != nil:
		return joule.Rejected, err
	case float64(microwatts) > p.most*peak*microjoules:
		return joule.Rejected, nil
	}
	return p.integrator.Observe(uint32((microwatts+500)/1000), now), nil
}

func (p *powerSensor) Microjoules() uint64 { return p.integrator.Total() * 1000 }

// Interval is how often the power is to be read.
func (p *powerSensor) Interval() time.Duration { return p.every }
