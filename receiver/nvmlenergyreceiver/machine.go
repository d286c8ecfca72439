// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

var _ machine.Meter = (*fleet)(nil)

// Devices are the GPUs that have been read. They are decided once the driver was searched, and it is known of each
// whether its counter covers a module.
func (f *fleet) Devices() (devices []machine.Device, decided bool) {
	select {
	case <-f.searched:
		decided = true
	default:
	}
	modules := map[uint32]bool{}
	for _, g := range f.known() {
		g.mu.Lock()
		totals, module, ready := g.meter.Totals(), g.meter.Module(), g.meter.Ready() && !g.start.IsZero()
		id := g.moduleID
		g.mu.Unlock()
		switch {
		case !ready:
			decided = false
		case module && modules[id]:
		default:
			modules[id] = modules[id] || module
			devices = append(devices, machine.Device{ID: g.id, Module: module, Millijoules: totals.Counter + totals.Integrated})
		}
	}
	return devices, decided
}

// Attributed is what workloads used of all GPUs.
func (f *fleet) Attributed(yield func(w *workload.Workload, millijoules uint64)) {
	for _, g := range f.known() {
		g.mu.Lock()
		if g.ledger != nil {
			for w, millijoules := range g.ledger.Holdings {
				yield(w, millijoules)
			}
		}
		g.mu.Unlock()
	}
}
