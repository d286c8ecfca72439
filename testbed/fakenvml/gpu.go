// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"strconv"
	"strings"
	"time"
)

// GPU is a device. Zero values are the defaults of the scenario language.
type GPU struct {
	UUID, Name string
	Power      Waveform
	// Arch is the architecture: kepler to blackwell, and ga100 for the Ampere that publishes no averages.
	// Empty is hopper.
	Arch string
	// Update is how often the counter and the power are published. 0 is 100 ms.
	Update time.Duration
	// Limit is the power limit in W. 0 is 700 W.
	Limit float64
	// Memory is the size in bytes. 0 is 80 GiB.
	Memory uint64
	// SMs is the number of streaming multiprocessors. 0 is 132.
	SMs int

	// Initial is the value of the energy counter at the beginning, in mJ.
	Initial uint64
	// CounterGain is the factor by which the counter is wrong. 0 is 1.
	CounterGain float64
	// CountsModule makes the counter that of the module, as on GH200.
	CountsModule bool
	// Sensor is how long at the end of each update period the sensor looks. 0 is all the time.
	Sensor time.Duration
	// CountsSensor makes the counter integrate what the sensor sees.
	CountsSensor bool
	// Module is the power of the module that the GPU is part of, MemoryPower that of its memory, if they
	// are measured.
	Module, MemoryPower Waveform
	ModuleID            int
	// SampleSpacing and SampleRing are those of nvmlDeviceGetSamples. 0 are 20 ms and 120.
	SampleSpacing time.Duration
	SampleRing    int

	// UtilPeriod is what a sample of the utilization of a process covers, 0 is 1 s. UtilLag is how much
	// later it can be seen.
	UtilPeriod, UtilLag time.Duration
	// GarbageUtil adds senseless samples to those of the processes.
	GarbageUtil bool
	// Grow are the symbols whose second call needs more room than the first said.
	Grow []string
	// WideProcessInfo writes process lists with 32 bytes an entry, as the drivers 535.43 to 535.86 did.
	WideProcessInfo bool
	// GPM is "on" or "off". Empty is on for Hopper and later.
	GPM string

	Encoder, Decoder           int // %
	GraphicsClock, MemoryClock int // MHz; 0 are 1980 and 2619
	Temperature                int // °C; 0 is by the power

	Events    []Event
	Reasons   []Reasons
	Instances []Instance
	Processes []Process
	Failures  []Failure
	Latencies []Latency
}

// Reasons why the clocks are lower, as a mask of NVML's nvmlClocksEventReasons, from Start until End.
type Reasons struct {
	Mask       uint64
	Start, End time.Duration
}

// Instance is a MIG device from Start until End: a compute instance CI in a GPU instance GI.
type Instance struct {
	UUID       string
	GI, CI     int
	Slices     int // of the GPU instance, 1 to 7
	SMs        int // of the compute instance
	Start, End time.Duration
}

// Process runs on a GPU from Start until End.
type Process struct {
	PID, SMPercent int
	// SM is the share over time in %, if set, instead of SMPercent: of what the process runs on.
	SM         Waveform
	Memory     uint64 // bytes
	Start, End time.Duration
	// Kind is the list that shows the process. Empty is Compute.
	Kind ProcessKind
	// On is the MIG device on which it runs. Nil is the whole GPU.
	On *Instance
}

// ProcessKind is a word of the scenario language.
type ProcessKind string

// The kinds of processes, for each of which NVML has a list.
const (
	Compute  ProcessKind = "compute"
	Graphics ProcessKind = "graphics"
	MPS      ProcessKind = "mps"
)

func (g GPU) update() time.Duration {
	if g.Update == 0 {
		return 100 * time.Millisecond
	}
	return g.Update
}

func (g GPU) write(index int, line func(string, ...any)) {
	line("gpu %d %s %s", index, g.UUID, g.Name)
	line("power %d %s", index, g.Power)
	line("update_ms %d %s", index, milliseconds(g.update()))
	set := func(given bool, key string, values ...string) {
		if !given {
			return
		}
		line("%s %d %s", key, index, strings.Join(values, " "))
	}
	or := func(value, other int) string {
		if value == 0 {
			value = other
		}
		return strconv.Itoa(value)
	}
	set(g.Arch != "", "arch", g.Arch)
	set(g.Limit > 0, "limit", decimal(g.Limit))
	set(g.Memory > 0, "memory", strconv.FormatUint(g.Memory, 10))
	set(g.SMs > 0, "sms", strconv.Itoa(g.SMs))
	set(g.Initial > 0, "counter", strconv.FormatUint(g.Initial, 10))
	set(g.CounterGain != 0, "counter_gain", decimal(g.CounterGain))
	set(g.CountsModule, "counter_scope", "module")
	set(g.CountsSensor, "counter_source", "sensor")
	set(g.Sensor > 0, "sensor", milliseconds(g.Sensor))
	set(g.ModuleID > 0, "module_id", strconv.Itoa(g.ModuleID))
	if g.Module != nil {
		set(true, "module", g.Module.String())
	}
	if g.MemoryPower != nil {
		set(true, "memory_power", g.MemoryPower.String())
	}
	if g.SampleSpacing > 0 || g.SampleRing > 0 {
		spacing := g.SampleSpacing
		if spacing == 0 {
			spacing = 20 * time.Millisecond
		}
		set(true, "samples", milliseconds(spacing), or(g.SampleRing, 120))
	}
	if g.UtilPeriod > 0 || g.UtilLag > 0 {
		set(true, "util", milliseconds(g.utilPeriod()), milliseconds(g.UtilLag))
	}
	set(g.GarbageUtil, "garbage", "util")
	set(g.WideProcessInfo, "structsize", "32")
	set(g.GPM != "", "gpm", g.GPM)
	set(g.Encoder > 0 || g.Decoder > 0, "codec", strconv.Itoa(g.Encoder), strconv.Itoa(g.Decoder))
	set(g.GraphicsClock > 0 || g.MemoryClock > 0, "clocks", or(g.GraphicsClock, 1980), or(g.MemoryClock, 2619))
	set(g.Temperature > 0, "temperature", strconv.Itoa(g.Temperature))
	for _, symbol := range g.Grow {
		set(true, "grow", symbol)
	}
	for _, r := range g.Reasons {
		set(true, "reasons", strconv.FormatUint(r.Mask, 10), milliseconds(r.Start), milliseconds(r.End))
	}
	for _, e := range g.Events {
		set(true, "at", milliseconds(e.At), string(e.Kind))
	}
	for _, m := range g.Instances {
		line("mig %d %d %d %d %d %s %s %s", index, m.GI, m.CI, m.Slices, m.SMs, m.UUID, milliseconds(m.Start), milliseconds(m.End))
	}
	for _, p := range g.Processes {
		p.write(index, line)
	}
	writeFaults(line, strconv.Itoa(index), g.Failures, g.Latencies)
}

func (p Process) write(index int, line func(string, ...any)) {
	text := string(p.Kind)
	if p.Kind == "" {
		text = string(Compute)
	}
	if p.On != nil {
		text += " " + strconv.Itoa(p.On.GI) + " " + strconv.Itoa(p.On.CI)
	}
	line("proc %d %d %d %d %s %s %s", index, p.PID, p.SMPercent, p.Memory, milliseconds(p.Start), milliseconds(p.End), text)
	if p.SM != nil {
		line("sm %d %d %s", index, p.PID, p.SM)
	}
}
