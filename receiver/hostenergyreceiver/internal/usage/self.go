// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// self is the collector's own process: what measuring costs is told like what others use.
type self struct {
	hierarchy

	workload *workload.Workload
	pid      uint32        // in proc
	time     uint64        // µs
	measure  func() uint64 // its CPU time, in µs
	resident func() uint64 // its memory, in bytes
	root     string        // of the file systems as it sees them itself
}

func newSelf(root string, pid uint32, resolver *workload.Resolver) *self {
	s := &self{
		hierarchy: findHierarchy(filepath.Join(root, "sys/fs/cgroup")), root: root, pid: pid, measure: ownTime, resident: ownMemory,
		workload: &workload.Workload{Kind: workload.Process, Attributes: map[string]string{"process.executable.name": "otelcol-carbon"}},
	}
	if w, err := resolver.Resolve(s.pid); err == nil {
		s.workload = &workload.Workload{Kind: workload.Process, Attributes: maps.Clone(w.Attributes)}
	}
	if s.workload.Attributes["service.name"] == "" {
		s.workload.Attributes["service.name"] = "otelcol-carbon"
	}
	return s
}

// ownPID is the number of this process in a proc file system; 0 if it has none. It is foreign if that is not the number that the
// kernel calls it by elsewhere, such as in cgroup.procs: if proc is the host's, and the PID namespace is not.
func ownPID(proc string) (pid uint32, foreign bool) {
	status, err := os.ReadFile(filepath.Join(proc, "self/status"))
	if err != nil {
		return 0, true
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "Pid":
			if n, err := strconv.ParseUint(value, 10, 32); err == nil {
				pid = uint32(n)
			}
		case "NSpid": // one for each namespace, from that of proc to its own
			foreign = strings.ContainsAny(value, " \t")
		}
	}
	return pid, foreign
}

// grown is its CPU time since the last call, in µs.
func (s *self) grown() uint64 {
	total := s.measure()
	grown := total - min(s.time, total)
	s.time = total
	return grown
}

// folders are those of its cgroup and of the ones above, as it sees them: in a cgroup namespace, as containers have one,
// the paths are not the machine's.
func (s *self) folders(yield func(string) bool) {
	for path := s.path(); path != ""; path = filepath.Dir(path) {
		if !yield(s.file(path, "")) || path == "/" {
			return
		}
	}
}

// path of its cgroup; empty if it is not known, or outside of its namespace.
func (s *self) path() string {
	content, err := os.ReadFile(filepath.Join(s.root, "proc/self/cgroup"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && s.has(fields[1]) && filepath.IsAbs(fields[2]) && !strings.HasPrefix(fields[2], "/..") {
			return fields[2]
		}
	}
	return ""
}
