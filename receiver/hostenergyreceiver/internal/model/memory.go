// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/procfs"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// Memory is the model of a machine's memory modules, as one sensor. In a virtual machine it is the memory of that
// alone.
type Memory struct {
	follower
	curve
	uncertainty float64
	text        string
	joules      float64
}

// Power of memory, in W/GiB, when the CPUs are idle and when all are busy: means over the six AWS servers of
// memoryShape, whose memory is that of their instance type (192 to 768 GiB of DDR4). For comparison, Cloud Carbon
// Footprint has 0.392 W/GB at all times (Methodology, from data sheets of Crucial and Micron).
const (
	memoryIdle = 0.19
	memoryMax  = 0.40
	// uMemory is a judgement above the 26 % that these servers spread: DDR5, low-power memory, and other module sizes.
	uMemory = 0.50
)

func newMemory(cfg Config, root host.Config, machine Machine, m *meter) *Memory {
	modules, what := installed(root, machine.Virtual)
	gib := 0.0
	for _, size := range modules {
		gib += size
	}
	mem := &Memory{follower: follower{meter: m}, uncertainty: uMemory, text: what}
	if gib == 0 {
		return mem
	}
	reason := "module sizes and kinds differ as much"
	if p := cfg.MemoryPowerPerGiB; p > 0 {
		mem.curve, mem.uncertainty, reason = curve{p, p, memoryShape}, uConfigured, "configured"
		mem.curve = mem.times(gib)
	} else {
		mem.curve = curve{memoryIdle, memoryMax, memoryShape}.times(effective(modules))
	}
	mem.text = describe(what, mem.curve, mem.uncertainty, reason)
	return mem
}

// effective GiB, with regard to power: larger modules have denser chips, not more of them, so one of more than 32 GiB
// is taken to draw what one of 32 GiB does. That is a judgement; 13 W is what it comes to at full load.
func effective(modules []float64) (gib float64) {
	for _, size := range modules {
		gib += min(size, largest)
	}
	return gib
}

const largest = 32.0

// installed modules, in GiB, and where that is known from.
func installed(root host.Config, virtual bool) (modules []float64, what string) {
	var refused error
	if !virtual {
		found, err := readModules(root.Path("sys", "firmware", "dmi", "entries"))
		if len(found) > 0 {
			total := 0.0
			for _, size := range found {
				total += size
			}
			return found, fmt.Sprintf("%d memory modules, %.4g GiB (SMBIOS)", len(found), total)
		}
		refused = err
	}
	bytes, err := memTotal(root.Path("proc"))
	if err != nil {
		return nil, fmt.Sprintf("no memory size: %v", err)
	}
	gib := bytes / (1 << 30)
	if virtual {
		return spread(gib), fmt.Sprintf("%.4g GiB of memory of a virtual machine (MemTotal)", gib)
	}
	modules = guess(gib)
	what = fmt.Sprintf("%d memory modules of %g GiB guessed from MemTotal (%.4g GiB)", len(modules), modules[0], gib)
	if refused != nil {
		what += fmt.Sprintf(", as %v", refused)
	}
	return modules, what
}

// guess modules from what the kernel has left of them: the smallest size of a power of two that makes at most 24, as
// many as fit into a server with two sockets of six channels.
func guess(gib float64) []float64 {
	size := 4.0
	if gib <= size/2 {
		size = 1
	}
	for gib > 24*size {
		size *= 2
	}
	modules := []float64{size}
	for total := size; total < gib; total += size {
		modules = append(modules, size)
	}
	return modules
}

// spread a virtual machine's memory over the modules of a host as large as itself.
func spread(gib float64) []float64 {
	modules := guess(gib)
	for i := range modules {
		modules[i] = gib / float64(len(modules))
	}
	return modules
}

func memTotal(proc string) (bytes float64, err error) {
	fs, err := procfs.NewFS(proc)
	if err != nil {
		return 0, err
	}
	info, err := fs.Meminfo()
	if err != nil {
		return 0, err
	}
	if info.MemTotalBytes == nil || *info.MemTotalBytes == 0 {
		return 0, errors.New(proc + "/meminfo holds no MemTotal")
	}
	return float64(*info.MemTotalBytes), nil
}

// Read takes a reading at a time.
func (m *Memory) Read(now time.Time) (joule.Outcome, error) {
	if m.max == 0 {
		return joule.Rejected, errors.New(m.text)
	}
	in, outcome, err := m.next(now)
	m.joules += in.seconds * m.at(in.utilisation)
	return outcome, err
}

// Microjoules since the first reading. It never decreases.
func (m *Memory) Microjoules() uint64 { return uint64(m.joules * 1e6) }

// Interval is that of CPU.
func (m *Memory) Interval() time.Duration { return time.Second }

// Idle is the power of the memory when the CPUs are idle, in W.
func (m *Memory) Idle() (watts float64) { return m.idle }

// Describe says in one line what is assumed, and the uncertainty.
func (m *Memory) Describe() string { return m.text }

// Uncertainty of the energy: relative, one standard deviation.
func (m *Memory) Uncertainty() float64 { return m.uncertainty }
