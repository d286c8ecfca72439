// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// hierarchy is where cgroups are, and what their files are called: v2, or v1 with the controllers cpuacct and memory.
type hierarchy struct {
	text        string
	mount       string // empty if there is none
	cpu         string // file of the CPU time
	parse       func([]byte) (uint64, error)
	memoryMount string
	size        func([]byte) (uint64, error)
	whole       bool // its root is the machine's
	total       bool // and what that used is the machine's CPU time: its cpu.stat has steal in it from Linux 5.9 to 6.13
}

func findHierarchy(mount string) hierarchy {
	if exists(mount, "cgroup.controllers") {
		// Only cgroups below the root have this file: then the root is a container's own.
		whole := !exists(mount, "cgroup.events")
		return hierarchy{"v2 at " + mount, mount, "cpu.stat", parseCPUStat, mount, parseMemoryStat, whole, whole}
	}
	for _, name := range []string{"cpuacct", "cpu,cpuacct", "cpuacct,cpu"} {
		if exists(mount, name, "cpuacct.usage") {
			m := filepath.Join(mount, name)
			// Only the root has a release_agent.
			return hierarchy{"v1 at " + m, m, "cpuacct.usage", parseNanoseconds, filepath.Join(mount, "memory"), parseMemoryStatV1, exists(m, "release_agent"), false}
		}
	}
	return hierarchy{}
}

// has reports whether a line of /proc/PID/cgroup with these controllers is of the hierarchy.
func (h *hierarchy) has(controllers string) bool {
	if h.cpu == "cpu.stat" {
		return controllers == ""
	}
	return slices.Contains(strings.Split(controllers, ","), "cpuacct")
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

func (h *hierarchy) exists() bool { return h.mount != "" }

func (h *hierarchy) file(path, name string) string { return filepath.Join(h.mount, path, name) }

func (h *hierarchy) memoryFile(path string) string {
	return filepath.Join(h.memoryMount, path, "memory.stat")
}

// parseCPUStat finds usage_usec, the first line: cgroup-v2.rst, CPU interface files.
func parseCPUStat(content []byte) (uint64, error) {
	rest, ok := bytes.CutPrefix(content, []byte("usage_usec "))
	if !ok {
		return 0, errors.New("cpu.stat does not begin with usage_usec")
	}
	return digits(rest)
}

func parseNanoseconds(content []byte) (uint64, error) {
	n, err := digits(content)
	return n / 1000, err
}

func digits(text []byte) (n uint64, err error) {
	i := 0
	for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		n = n*10 + uint64(text[i]-'0')
	}
	if i == 0 {
		return 0, fmt.Errorf("%q is no number", text[:min(len(text), 20)])
	}
	return n, nil
}

// parseMemoryStat counts what is no cache of files. Shared memory that is mapped is in two lines (mm/rmap.c counts each page that
// is not anonymous as file_mapped): the larger one has all of it, and never what is not there.
func parseMemoryStat(content []byte) (uint64, error) {
	n, err := parseLines(content, "anon", "file_mapped", "shmem")
	return n[0] + max(n[1], n[2]), err
}

// parseMemoryStatV1 is the same for v1, which has no line of shared memory.
func parseMemoryStatV1(content []byte) (uint64, error) {
	n, err := parseLines(content, "total_rss", "total_mapped_file")
	return n[0] + n[1], err
}

// parseLines finds numbers by their names.
func parseLines(content []byte, names ...string) (numbers [3]uint64, err error) {
	for line := range bytes.Lines(content) {
		key, value, _ := bytes.Cut(line, []byte(" "))
		for i, name := range names {
			if string(key) == name {
				if numbers[i], err = digits(value); err != nil {
					return numbers, err
				}
			}
		}
	}
	return numbers, nil
}

// memoryOf is what a cgroup has. It changes slowly, and its file is long: it is read each ten seconds.
type memoryOf struct {
	reader counter
	bytes  uint64
	at     time.Time
}

func (m *memoryOf) update(now time.Time, into *content, parse func([]byte) (uint64, error)) {
	if !m.at.IsZero() && now.Sub(m.at) < 10*time.Second {
		return
	}
	m.at = now
	if n, err := m.reader.read(into, parse); err == nil {
		m.bytes = n
	}
}

// busyTime of the machine, in µs.
func busyTime(path string) (uint64, error) {
	proc, err := procfs.NewFS(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0, err
	}
	t := stat.CPUTotal
	return uint64(math.Round(1e6 * (t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ))), nil
}

// memory of the machine, in bytes; 0 if it is not known.
func memory(path string) (total, free uint64) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(content) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseUint(string(fields[1]), 10, 64)
		if err != nil {
			continue
		}
		switch string(fields[0]) {
		case "MemTotal:":
			total = kib << 10
		case "MemFree:":
			free = kib << 10
		}
	}
	return total, free
}
