// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// stream is one energy total: the sensor that feeds it and what it is called.
type stream struct {
	sensor
	id, parent, name string
	scope            scope
	method           metadata.AttributeEnergyMethod

	// start is the time of the first reading, from which the total counts; zero before it.
	start time.Time
	// current says that the total holds at the time of the last reading.
	current    bool
	unreadable bool
	// reported is the last reading that went into a point.
	reported struct {
		joules float64
		at     time.Time
	}
}

// sensor is a source of energy readings.
type sensor interface {
	// read takes a reading at a time.
	read(now time.Time) (joule.Outcome, error)
	// joules is the energy since the first reading, in J.
	joules() float64
}

// scope is what a sensor covers: the values of energy.scope, and psys.
type scope string

const (
	scopePackage scope = "package"
	scopeDRAM    scope = "dram"
	scopeCore    scope = "core"
	scopeUncore  scope = "uncore"
	scopePsys    scope = "psys"
)

// observe takes a reading. The reason is 0 if it counts in full.
func (st *stream) observe(now time.Time) (reason metadata.AttributeReason, err error) {
	outcome, err := st.read(now)
	st.current = err == nil && outcome.Accepted()
	if st.current && st.start.IsZero() {
		st.start = now
	}
	switch {
	case err != nil:
		return metadata.AttributeReasonUnreadable, err
	case outcome == joule.Rejected:
		return metadata.AttributeReasonImplausible, nil
	case outcome == joule.Rebased:
		return metadata.AttributeReasonRebased, nil
	case outcome == joule.Gap:
		return metadata.AttributeReasonGap, nil
	default:
		return 0, nil
	}
}

// power is the mean since the last report, in W; false if there was none.
func (st *stream) power(now time.Time) (watts float64, ok bool) {
	elapsed := now.Sub(st.reported.at).Seconds()
	if st.reported.at.IsZero() || elapsed <= 0 {
		return 0, false
	}
	return (st.joules() - st.reported.joules) / elapsed, true
}
