// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
)

// Machine is what sensors are looked for on, and how it is read.
type Machine struct {
	// Host says where its files are.
	Host host.Config
	CPU  CPU
	// ReadFile reads a file of sysfs: os.ReadFile.
	ReadFile func(path string) ([]byte, error)
	// OpenEvent begins to count an event of perf on a CPU.
	OpenEvent func(pmu uint32, config uint64, cpu int) (Event, error)
	// Suspended is how long it has been suspended since it booted.
	Suspended func() time.Duration
}

// naps tells of each time that the machine was suspended.
type naps struct {
	suspended func() time.Duration
	before    time.Duration
}

func (m Machine) naps() naps { return naps{m.Suspended, m.Suspended()} }

// woke reports whether it was since the last call.
func (n *naps) woke() bool {
	slept := n.suspended() - n.before
	n.before += slept
	return slept > time.Second
}

// CPU is what /proc/cpuinfo says of the first CPU. Its zero value is an unknown one.
type CPU struct {
	Name string
	// X86 processors alone have RAPL.
	X86 bool
	// AMD or Hygon, which has AMD's counters.
	AMD bool
	// Virtual means that this is a virtual machine.
	Virtual bool
}

// NewMachine is the machine whose root file system is where cfg says.
func NewMachine(cfg host.Config) Machine {
	m := Machine{Host: cfg, ReadFile: os.ReadFile, OpenEvent: openEvent, Suspended: host.Suspended}
	content, err := os.ReadFile(cfg.Path("proc", "cpuinfo"))
	if err == nil {
		m.CPU = parseCPU(content)
	}
	return m
}

func parseCPU(cpuinfo []byte) (cpu CPU) {
	for lines := bufio.NewScanner(bytes.NewReader(cpuinfo)); lines.Scan() && lines.Text() != ""; {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "vendor_id":
			cpu.X86 = true
			cpu.AMD = value == "AuthenticAMD" || value == "HygonGenuine"
		case "model name":
			cpu.Name = value
		case "flags":
			cpu.Virtual = slices.Contains(strings.Fields(value), "hypervisor")
		}
	}
	return cpu
}

// String is the name of the CPU, for people.
func (c CPU) String() string {
	if c.Name == "" {
		return "CPU"
	}
	return c.Name
}

// text reads a file that has one line. Errors name it.
func (m Machine) text(path string) (string, error) {
	content, err := m.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}

// number reads a file that has one unsigned integer.
func (m Machine) number(path string) (uint64, error) {
	text, err := m.text(path)
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}

// list has the paths of what is in a directory, sorted. A directory that does not exist is empty.
func (m Machine) list(dir string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		paths = append(paths, filepath.Join(dir, entry.Name()))
	}
	return paths, nil
}

// packageOf is the physical package that a CPU is in, and its die there.
func (m Machine) packageOf(cpu int) (pkg, die uint64, err error) {
	topology := m.Host.Path("sys/devices/system/cpu", fmt.Sprintf("cpu%d", cpu), "topology")
	if pkg, err = m.number(filepath.Join(topology, "physical_package_id")); err != nil {
		return 0, 0, err
	}
	// Older kernels have no die_id, nor a zone for each die.
	die, err = m.number(filepath.Join(topology, "die_id"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return pkg, die, err
}

// cpus parses a list of CPUs as the kernel writes it: "0,64" or "0-3".
func (m Machine) cpus(path string) (cpus []int, err error) {
	text, err := m.text(path)
	if err != nil {
		return nil, err
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		last, err := strconv.ParseUint(to, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if last < first {
			return nil, fmt.Errorf("%s: %q is no range", path, part)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	return cpus, nil
}
