// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"errors"
	"math"
	"time"

	"github.com/prometheus/procfs"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

func newModelStream(cfg *Config, cpu cpuInfo) *stream {
	return &stream{
		sensor: &cpuModel{ModelConfig: cfg.Model, proc: cfg.Host.Path("proc")},
		id:     "cpu",
		name:   cpu.name() + " (estimated)",
		scope:  scopePackage,
		method: metadata.AttributeEnergyMethodModel,
	}
}

// cpuModel estimates the energy of the CPU packages from the time that the machine's logical CPUs
// were online and busy, both of which the kernel has counted:
//
//	E = idle power * online CPU seconds + (max power - idle power) * busy CPU seconds
//
// It is exact in the CPU time whatever the interval between readings: nothing is polled.
type cpuModel struct {
	ModelConfig
	proc string

	busy   joule.Counter // CPU time, in ticks
	online uint64        // CPU time, in µs
	last   time.Time
}

func (m *cpuModel) read(now time.Time) (joule.Outcome, error) {
	proc, err := procfs.NewFS(m.proc)
	if err != nil {
		return joule.Rejected, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return joule.Rejected, err
	}
	cpus := float64(len(stat.CPU))
	total := stat.CPUTotal
	if cpus == 0 || busySeconds(total)+total.Idle == 0 {
		// A sandbox may show an empty file; no time at all is no reading.
		return joule.Rejected, errors.New(m.proc + "/stat holds no CPU time")
	}
	m.busy.MaxRate = cpus * ticks
	outcome := m.busy.Observe(uint64(math.Round(busySeconds(total)*ticks)), now)
	if !outcome.Accepted() {
		return outcome, nil
	}
	if outcome != joule.First {
		// CPUs that came or went are taken as of now.
		elapsed := now.Sub(m.last).Truncate(time.Microsecond)
		m.online += uint64(cpus) * uint64(elapsed.Microseconds())
		now = m.last.Add(elapsed)
	}
	m.last = now
	return outcome, nil
}

func (m *cpuModel) joules() float64 {
	online, busy := float64(m.online)/microseconds, float64(m.busy.Total())/ticks
	return m.IdlePowerPerCPU*online + (m.MaxPowerPerCPU-m.IdlePowerPerCPU)*busy
}

const (
	ticks        = 100 // in a second: USER_HZ, the unit of /proc/stat on every architecture of Go
	microseconds = 1e6 // in a second
)

// busySeconds leaves out what the CPU did not do for this machine: idle, iowait (idle, too) and
// steal (it ran other virtual machines). Time of guests is in user and nice already.
func busySeconds(t procfs.CPUStat) float64 {
	return t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ
}
