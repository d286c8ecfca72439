// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"maps"
	"os"
	"strings"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// self is the collector's own process: what measuring costs is told like what others use.
type self struct {
	workload *workload.Workload
	pid      uint32
	time     uint64
	measure  func() uint64 // its CPU time, in µs
	home     func(*hierarchy) string
}

func newSelf(resolver *workload.Resolver) *self {
	s := &self{pid: uint32(os.Getpid()), measure: ownTime, home: ownCGroup, workload: &workload.Workload{Kind: workload.Process, Attributes: map[string]string{"process.executable.name": "otelcol-carbon"}}}
	if w, err := resolver.Resolve(s.pid); err == nil {
		s.workload = &workload.Workload{Kind: workload.Process, Attributes: maps.Clone(w.Attributes)}
	}
	if s.workload.Attributes["service.name"] == "" {
		s.workload.Attributes["service.name"] = "otelcol-carbon"
	}
	return s
}

// grown is its CPU time since the last call, in µs.
func (s *self) grown() uint64 {
	total := s.measure()
	grown := total - min(s.time, total)
	s.time = total
	return grown
}

// ownCGroup is the path of its cgroup in a hierarchy, as its own /proc has it.
func ownCGroup(h *hierarchy) string {
	content, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "/"
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && h.has(fields[1]) {
			return fields[2]
		}
	}
	return "/"
}
