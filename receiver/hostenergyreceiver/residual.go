// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// residual is what the whole machine drew and none of its devices did: fans, power supply, disks, network.
type residual struct {
	meter *device // of the machine
	start time.Time
	at    time.Time // of the meter's last reading
	// toldAt is what was told last.
	toldAt time.Time

	seen    map[string]uint64 // by device: its energy when it was last looked at, in mJ
	told    uint64            // of the meter, likewise
	gaps    int               // of the meter, likewise
	pending int64             // what devices used since the meter's last reading, in mJ
	balance int64             // what the machine drew less what its devices did, in mJ. It wavers: they are not read at once
	grown   uint64            // the most it has been

	// Of what is spread over workloads.
	ledger *ledger.Ledger
	booked uint64
	held   map[*workload.Workload]uint64 // by workload: the energy it had when last looked at
}

func newResidual(meter *device) *residual {
	return &residual{meter: meter, seen: map[string]uint64{}, held: map[*workload.Workload]uint64{}}
}

// observe compares the machine with its devices: ours, and those of other receivers. A device counts from when it is first seen.
func (r *residual) observe(ours []*device, others []machine.Meter, now time.Time) {
	grow := func(id string, millijoules uint64) {
		if last, known := r.seen[id]; known && millijoules > last {
			r.pending += int64(millijoules - last)
		}
		r.seen[id] = millijoules
	}
	for _, d := range ours {
		grow(d.ID, d.millijoules())
	}
	for _, o := range others {
		found, _ := o.Devices()
		for _, d := range found {
			grow(d.ID, d.Millijoules)
		}
	}
	total, gaps := r.meter.millijoules(), r.meter.gaps
	drawn := total - r.told
	switch {
	case r.meter.start.IsZero():
		return
	case r.start.IsZero():
		r.start, r.pending = now, 0
	case gaps != r.gaps: // of the time of a gap the machine's energy is not known, so that of its devices does not count
		r.pending = 0
	case drawn > 0:
		r.balance += int64(drawn) - r.pending
		r.pending, r.at = 0, now
		r.grown = max(r.grown, uint64(max(r.balance, 0)))
	}
	r.told, r.gaps = total, gaps
}

// spread gives it to workloads by the energy that they used of all devices.
func (r *residual) spread(config ledger.Config, ours []*device, others []machine.Meter, now time.Time) {
	if r.start.IsZero() {
		return
	}
	if r.ledger == nil {
		r.ledger = ledger.New(config, r.start)
	}
	has := map[*workload.Workload]uint64{}
	for _, d := range ours {
		if d.ledger != nil {
			for w, millijoules := range d.ledger.Holdings {
				has[w] += millijoules
			}
		}
	}
	for _, o := range others {
		o.Attributed(func(w *workload.Workload, millijoules uint64) { has[w] += millijoules })
	}
	p := ledger.Presence{Known: true}
	for w, millijoules := range has {
		last, known := r.held[w]
		if !known || last > millijoules { // it has less when one of its accounts was freed
			last = millijoules
		}
		p.Residents = append(p.Residents, active(w, millijoules-last))
	}
	r.held = has
	r.ledger.Presence(now, p)
	if grown := r.grown - r.booked; r.at.Equal(now) {
		var byMethod [3]uint64
		byMethod[ledgerMethods[r.meter.Method]] = grown
		r.ledger.Energy(now, byMethod[:]...)
		r.ledger.Flush()
		r.booked += grown
	}
	dismissIfAway(r.ledger, now)
}
