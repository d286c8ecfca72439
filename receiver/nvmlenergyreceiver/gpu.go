// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// gpu is a GPU for as long as the receiver lives, whether it can be reached or not.
type gpu struct {
	id, name string
	// device is nil while the GPU is lost.
	device  device
	counter joule.Counter // in mJ
	// start is the time of the first reading, from which the total counts; 0 before it.
	start pcommon.Timestamp
	// reported is the last reading that went into a point.
	reported struct {
		millijoules uint64
		at          time.Time
	}
	// troubles holds, for each call that gives no reading, the reason that was logged.
	troubles map[string]metadata.AttributeReason
}

func (g *gpu) present() bool { return g.device != nil }
func (g *gpu) lost() bool    { return g.device == nil }

// acquire takes a handle. What was counted before a loss goes on.
func (g *gpu) acquire(handle device) {
	g.device = handle
	g.counter.MaxRate = maxRate(handle)
}

// maxRate is the most that a GPU can draw, in mJ/s, which is mW.
func maxRate(handle device) float64 {
	// No single GPU comes near: the limit of a GB300 is 1.4 kW.
	const unknown = 2e6
	limit, err := handle.maxPowerLimit()
	if err != nil {
		limit = 0
	}
	enforced, err := handle.enforcedPowerLimit()
	if err != nil {
		enforced = 0
	}
	if most := max(float64(limit), 1.2*float64(enforced)); most > 0 {
		return most
	}
	return unknown
}

// joules is the energy since the first reading.
func (g *gpu) joules() float64 { return float64(g.counter.Total()) / 1e3 }

// power is the mean since the last report, in W; false if there was none, or just now: the counter
// moves in steps of up to 100 ms.
func (g *gpu) power(now time.Time) (watts float64, ok bool) {
	elapsed := now.Sub(g.reported.at)
	if g.reported.at.IsZero() || elapsed < time.Second {
		return 0, false
	}
	return float64(g.counter.Total()-g.reported.millijoules) / 1e3 / elapsed.Seconds(), true
}

// changed notes the reason why a call gives no reading, 0 if it does, and says if that is news.
func (g *gpu) changed(symbol string, reason metadata.AttributeReason) bool {
	before := g.troubles[symbol]
	g.troubles[symbol] = reason
	return before != reason
}
