// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"cmp"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
)

// acquaintance is how long GPUs may take to tell what they have, before it is reported without them.
const acquaintance = 15 * time.Second

// introduce logs once what was found, what was not, why, and how to get it.
func (r *nvmlEnergyReceiver) introduce(now time.Time) {
	if r.introduced || !r.fleet.acquainted() && now.Sub(r.started) < acquaintance {
		return
	}
	r.introduced = true
	selfreport.Log(r.common.logger, r.rows())
}

// acquainted reports whether all is known that can be.
func (f *fleet) acquainted() bool {
	_, decided := f.Devices()
	return decided
}

func (r *nvmlEnergyReceiver) rows() (rows []selfreport.Row) {
	driver := selfreport.Row{What: "NVIDIA driver", State: selfreport.Used, Detail: "NVML answers"}
	if err := r.fleet.trouble(); err != nil {
		driver.State, driver.Detail = selfreport.Absent, err.Error()
		driver.Remedy = "in a container, use the NVIDIA runtime or CDI, and set NVIDIA_VISIBLE_DEVICES=all and NVIDIA_DRIVER_CAPABILITIES=utility"
	}
	for _, g := range r.fleet.known() {
		row, version := g.row()
		rows = append(rows, row)
		driver.Detail = cmp.Or(version, driver.Detail)
	}
	rows = slices.Insert(rows, 0, driver)
	if len(r.fleet.known()) > 0 {
		rows = append(rows, r.attributionRows()...)
	}
	storage := selfreport.Row{What: "storage", State: selfreport.Used, Detail: "totals go on over a restart"}
	if r.common.cfg.Storage == nil {
		storage.State, storage.Detail = selfreport.Off, "totals begin at 0 with each start, and what is used while the collector is down is not counted"
		storage.Remedy = "set storage to an extension such as file_storage"
	}
	return append(rows, storage)
}

func (g *gpu) row() (row selfreport.Row, driver string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	row = selfreport.Row{What: g.id, State: selfreport.Used, Detail: g.name + ": "}
	switch source := g.meter.Source(); {
	case g.condition != ok:
		row.State, row.Detail = selfreport.Refused, row.Detail+"cannot be read"
		row.Remedy = "see dmesg for Xid errors"
	case source == meter.Counter:
		row.Detail += "energy counter"
	case source == meter.None:
		row.State, row.Detail = selfreport.Refused, row.Detail+"tells neither energy nor power"
	default:
		row.Detail += "no energy counter in use: integral of its power (" + source.String() + ")"
	}
	if g.meter.Module() {
		row.Detail += ", of the whole module with its CPU"
	}
	return row, g.driver
}

func (r *nvmlEnergyReceiver) attributionRows() []selfreport.Row {
	if r.common.tenants == nil {
		return []selfreport.Row{{What: "who used it", State: selfreport.Off, Detail: "processes::enabled is false"}}
	}
	rows := r.common.tenants.resolver.Check()
	if len(rows) == 0 {
		rows = append(rows, selfreport.Row{What: "who used it", State: selfreport.Used, Detail: "all processes, with their environment"})
	}
	return append(rows, r.common.tenants.kubelet.Row())
}
