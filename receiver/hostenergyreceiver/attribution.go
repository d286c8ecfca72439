// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/usage"
)

// attribution splits the energy of CPUs by CPU time, and that of memory by resident size.
type attribution struct {
	config    AttributionConfig
	tracker   *usage.Tracker
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder

	cpu, memory ledger.Presence // as of the last look
	free, whole uint64          // bytes of memory
	failing     bool
	slots       map[string]int // workloads, by their ID: in how many ledgers each is told apart
}

func newAttribution(cfg *Config, logger *zap.Logger, telemetry *metadata.TelemetryBuilder) *attribution {
	return &attribution{
		config: cfg.Attribution, logger: logger, telemetry: telemetry,
		tracker: usage.New(usage.Config{
			Host: cfg.Host, Memory: true,
			Resolver: workload.NewResolver(workload.Config{
				ProcRoot: cfg.Host.Path("proc"), LogRoot: cfg.Host.Path("var/log"), Logger: logger,
			}),
		}),
		slots: map[string]int{},
	}
}

// look finds out who used the CPU since the last look, and who has memory now.
func (a *attribution) look(now time.Time) {
	used, err := a.tracker.Sample(now)
	if failing := err != nil; failing != a.failing {
		a.failing = failing
		if failing {
			a.logger.Warn("it cannot be read who uses the CPU: energy is attributed to nobody until it can", zap.Error(err))
		} else {
			a.logger.Info("it can be read who uses the CPU")
		}
	}
	a.cpu = ledger.Presence{Known: err == nil, Residents: a.cpu.Residents[:0]}
	a.memory = ledger.Presence{Known: err == nil, Residents: a.memory.Residents[:0]}
	if err != nil {
		return
	}
	a.refused(metadata.AttributeLimitCgroups, used.CGroupsRefused)
	a.refused(metadata.AttributeLimitProcesses, used.ProcessesRefused)
	a.whole, a.free = used.MemoryTotal, used.MemoryFree
	rest := used.MemoryTotal - min(used.MemoryFree, used.MemoryTotal)
	for _, p := range used.Parties {
		a.cpu.Residents = append(a.cpu.Residents, active(p.Workload, p.CPU))
		if p.Workload != nil && p.Memory > 0 {
			a.memory.Residents = append(a.memory.Residents, a.held(p.Workload, p.Memory))
			rest -= min(rest, p.Memory)
		}
	}
	// The kernel's, and what files are cached in.
	a.memory.Residents = append(a.memory.Residents, a.held(nil, rest))
}

func (a *attribution) refused(by metadata.AttributeLimit, n int) {
	if n > 0 {
		a.telemetry.HostenergyUsageRefused.Add(context.Background(), int64(n), metric.WithAttributes(attribute.String("limit", by.String())))
	}
}

// active is one that did something since the last look: with others, as all took turns.
func active(w *workload.Workload, weight uint64) ledger.Resident {
	return ledger.Resident{Workload: w, Weight: weight, Weighted: true, Estimated: true, Activity: true}
}

func (a *attribution) held(w *workload.Workload, bytes uint64) ledger.Resident {
	const mebibyte = 1 << 20
	return ledger.Resident{
		Workload: w, Weight: bytes, Weighted: true, Estimated: true,
		Shares: uint32(bytes / mebibyte), OfShares: uint32(a.whole / mebibyte),
	}
}

// book gives what a device used since it was last booked to those who used it.
func (a *attribution) book(d *device, now time.Time, idle float64) {
	if d.start.IsZero() {
		return
	}
	if d.ledger == nil {
		d.ledger = ledger.New(a.ledgerConfig(), d.start)
	}
	memory := d.Scope == sensor.DRAM
	if memory {
		d.ledger.Presence(now, a.memory)
	} else {
		d.ledger.Presence(now, a.cpu)
	}
	if !d.current {
		return // the next reading has it all
	}
	grown := d.millijoules() - d.booked
	d.booked += grown
	if memory {
		idle = a.unused(grown, now.Sub(d.bookedAt))
	}
	d.bookedAt = now
	if milliwatts := uint32(1000 * idle); milliwatts > 0 {
		d.ledger.SetIdlePower(milliwatts)
	}
	var byMethod [3]uint64
	byMethod[ledgerMethods[d.Method]] = grown
	d.ledger.Energy(now, byMethod[:]...)
	d.ledger.Flush()
}

func (a *attribution) ledgerConfig() ledger.Config {
	return ledger.Config{Idle: a.config.Idle, Admit: a.admit, Release: a.release}
}

var ledgerMethods = map[sensor.Method]ledger.Method{
	sensor.Counter: ledger.Counter, sensor.Integrated: ledger.Integrated, sensor.Model: ledger.Model,
}

// unused is the power of the part of the memory that nobody has: memory is refreshed by size.
func (a *attribution) unused(millijoules uint64, elapsed time.Duration) (watts float64) {
	if elapsed <= 0 || a.whole == 0 {
		return 0
	}
	return float64(millijoules) / 1000 / elapsed.Seconds() * float64(a.free) / float64(a.whole)
}

// admit gives a workload one of max_workloads slots, if one is left.
func (a *attribution) admit(w *workload.Workload) bool {
	id := w.ID()
	if a.slots[id] == 0 && len(a.slots) >= a.config.MaxWorkloads {
		a.telemetry.HostenergyWorkloadsRefused.Add(context.Background(), 1)
		return false
	}
	a.slots[id]++
	return true
}

func (a *attribution) release(w *workload.Workload) {
	id := w.ID()
	if a.slots[id]--; a.slots[id] <= 0 {
		delete(a.slots, id)
	}
}

// patience is how long workloads keep their slots on a device that says nothing: longer than it may take until a BMC is asked
// again, and than most counters can do without a reading.
const patience = 15 * time.Minute

func dismissIfAway(l *ledger.Ledger, now time.Time) {
	if _, booked := l.Booked(); now.Sub(booked) > patience {
		l.Dismiss()
	}
}
