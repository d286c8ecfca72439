// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"io"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// device is one energy total: the source that feeds it, and what was told of it.
type device struct {
	sensor.Source

	// before is what sources counted that this one took the place of, in µJ.
	before uint64
	// start is the time of the first reading, from which the total counts; zero before it.
	start time.Time
	// readAt is when it was last read, or tried.
	readAt time.Time
	// current says that the total holds at the time of the last reading.
	current, unreadable bool
	// gaps counts times of which it is not known what was used.
	gaps int
	// reported is the last reading that went into a point.
	reported struct {
		joules float64
		at     time.Time
	}

	residual *residual      // of a meter of the whole machine; nil if nobody asks for it
	ledger   *ledger.Ledger // nil if nobody asks who used it
	booked   uint64         // mJ, in the ledger
	bookedAt time.Time
}

// covers reports whether the energy of a scope is measured in it.
func (d *device) covers(scope sensor.Scope) bool {
	return d.Method != sensor.Model && (d.Scope == scope || scope == sensor.DRAM && d.Memory)
}

// observe takes a reading. The reason is 0 if it counts in full.
func (d *device) observe(now time.Time) (reason metadata.AttributeReason, err error) {
	outcome, err := d.Sensor.Read(now)
	d.readAt = now
	d.current = err == nil && outcome.Accepted()
	begins := d.current && d.start.IsZero()
	if begins {
		d.start, d.bookedAt = now, now
	}
	switch {
	case err != nil:
		return metadata.AttributeReasonUnreadable, err
	case outcome == joule.Rejected:
		return metadata.AttributeReasonImplausible, nil
	case outcome == joule.Rebased:
		return metadata.AttributeReasonRebased, nil
	case outcome == joule.Gap, outcome == joule.First && !begins: // after another source, or a time on mains
		d.gaps++
		return metadata.AttributeReasonGap, nil
	default:
		return 0, nil
	}
}

// millijoules is the energy since start. It is what is told, and what is split: both are exact.
func (d *device) millijoules() uint64 { return (d.before + d.Sensor.Microjoules()) / 1000 }

func (d *device) joules() float64 { return joules(d.millijoules()) }

func joules(millijoules uint64) float64 { return float64(millijoules) / 1000 }

// replace takes another source of the same energy.
func (d *device) replace(by sensor.Source) {
	d.before += d.Sensor.Microjoules()
	d.close()
	d.Source = by
}

// power is the mean since the last report, in W; false if there was none.
func (d *device) power(now time.Time) (watts float64, ok bool) {
	elapsed := now.Sub(d.reported.at).Seconds()
	if d.reported.at.IsZero() || elapsed <= 0 {
		return 0, false
	}
	return (d.joules() - d.reported.joules) / elapsed, true
}

// close frees what is open.
func (d *device) close() {
	if c, ok := d.Sensor.(io.Closer); ok {
		_ = c.Close()
	}
}
