// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// identity is whose a cgroup is. What its path proves is completed by what one of its processes says of itself, for as
// long as that may change. Of several processes, the first speaks for all.
type identity struct {
	cgroup   workload.CGroup
	workload *workload.Workload
	since    time.Time // when it was first seen
	asked    time.Time
	settled  bool
	gone     bool
}

const (
	// settling is how long a process may need to say who it is, and the kubelet to write down its pod.
	settling = 15 * time.Second
	// asking is the time between two questions until then.
	asking = 5 * time.Second
)

// named reports whether the path names a workload.
func (i *identity) named() bool {
	c := &i.cgroup
	return c.ContainerID != "" || c.PodUID != "" || c.ECSTask != "" || c.SlurmJob != "" || c.SLUID != "" || c.Unit != "" || c.Machine != ""
}

// leaf reports whether nothing narrower can be below: all in a container or a job is its own.
func (i *identity) leaf() bool {
	return i.cgroup.ContainerID != "" || i.cgroup.SlurmJob != "" || i.cgroup.SLUID != ""
}

func (t *tree) identify(n *node, now time.Time) {
	if !n.named() || n.settled || now.Sub(n.asked) < asking {
		return
	}
	n.asked = now
	if n.since.IsZero() {
		n.since = now
	}
	n.settled = now.Sub(n.since) >= settling
	for _, pid := range t.members(n, 3) {
		if w, err := t.resolver.Resolve(pid); err == nil && w.Kind != workload.Process {
			n.workload = w
			return
		}
	}
	if n.workload == nil {
		n.workload = t.resolver.OfCGroup(n.path)
	}
}

// members are the first processes of a cgroup, or of one below it.
func (t *tree) members(n *node, most int) (pids []uint32) {
	pids = t.pids(n.path, most)
	if len(pids) > 0 || !n.leaf() {
		return pids
	}
	return t.below(n.path, most, 4)
}

// below are the first processes of a cgroup or of one below it: those of a job of Slurm are in step_0/user/task_0.
func (t *tree) below(path string, most, depth int) (pids []uint32) {
	if pids = t.pids(path, most); len(pids) > 0 || depth == 0 {
		return pids
	}
	entries, _ := os.ReadDir(t.file(path, ""))
	for _, e := range entries {
		if e.IsDir() && e.Name() != "slurm" { // which has the step's own daemon
			if pids = t.below(path+"/"+e.Name(), most, depth-1); len(pids) > 0 {
				return pids
			}
		}
	}
	return nil
}

// pids are processes of a cgroup, as proc numbers them.
func (t *tree) pids(path string, most int) (pids []uint32) {
	if t.foreign {
		return nil
	}
	content, err := os.ReadFile(t.file(path, "cgroup.procs"))
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(content) {
		pid, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 10, 32)
		if err != nil || pid == 0 { // 0: of another PID namespace
			continue
		}
		if pids = append(pids, uint32(pid)); len(pids) == most {
			break
		}
	}
	return pids
}

// owner is whose a cgroup's own usage is: its workload, or that of the nearest one above.
func (n *node) owner() *workload.Workload {
	for ; n != nil; n = n.parent {
		if n.workload != nil {
			return n.workload
		}
	}
	return nil
}
