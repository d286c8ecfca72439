// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package usage finds out who uses the CPU and the memory of a machine: containers, jobs, units, and processes of none.
package usage

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/procfs"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// Config of a Tracker.
type Config struct {
	Host     host.Config
	Resolver *workload.Resolver
	// Memory asks for resident memory as well.
	Memory bool
	// MaxCGroups are followed, and MaxProcesses that are in none of a workload; 10,000 and 5,000 if 0.
	MaxCGroups, MaxProcesses int
}

// Usage since the last look. It is reused by the next one.
type Usage struct {
	// Parties share all CPU time of the machine. Their order is that in which they were met.
	Parties []Party
	// MemoryTotal and MemoryFree are in bytes. Free is what nobody has, not even a cache.
	MemoryTotal, MemoryFree uint64
	// CGroupsRefused and ProcessesRefused are how many were not told apart, as there are too many: what cgroups used is that of
	// those above them, and what processes used is nobody's.
	CGroupsRefused, ProcessesRefused int
}

// Party is one that used something.
type Party struct {
	// Workload is nil for what nobody can be found for: the kernel's threads, processes that came and went.
	Workload *workload.Workload
	// CPU time since the last look, in µs.
	CPU uint64
	// Memory that is resident now, in bytes, without caches of files.
	Memory uint64
}

// Tracker follows the cgroups and processes of a machine. Not safe for concurrent use.
//
// A cgroup's CPU time is that of all below it. What it has beyond the cgroups that are followed is its own, and is
// its workload's, or that of the nearest one above: so what came and went between two looks is not lost. What is the own of
// a cgroup without a workload is its processes'. The parties together always have what the machine has.
type Tracker struct {
	config Config
	tree   *tree // nil if there are no cgroups
	loose  *loose
	self   *self
	home   *node // the cgroup that self is in; nil if it is not known
	swept  time.Time

	usage   Usage
	index   map[*workload.Workload]int
	busy    uint64 // of the machine when last read, in µs
	ahead   int64  // by how much that of cgroups lags behind, as they are counted finer
	started bool
	problem error
}

// New finds out where the collector itself is.
func New(c Config) *Tracker { return newTracker(c, "/") }

func newTracker(c Config, ownRoot string) *Tracker {
	t := &Tracker{config: c, index: map[*workload.Workload]int{}}
	t.tree = newTree(c.Host.Path("sys/fs/cgroup"), c.Resolver, cmp.Or(c.MaxCGroups, 10_000))
	t.loose = newLoose(c.Host.Path("proc"), c.Resolver, cmp.Or(c.MaxProcesses, 5000))
	pid, foreign := ownPID(c.Host.Path("proc"))
	t.tree.foreign = foreign
	t.self = newSelf(ownRoot, pid, c.Resolver)
	return t
}

// sweeping is how often the resolver is told to forget who is gone.
const sweeping = time.Minute

// Close frees the files that are kept open.
func (t *Tracker) Close() { t.tree.close() }

// Sample is what was used since the last call, of which the first says nothing. The error says why the CPU time of the
// machine cannot be read.
func (t *Tracker) Sample(now time.Time) (*Usage, error) {
	busy, err := busyTime(t.config.Host.Path("proc/stat"))
	if t.problem = err; err != nil {
		return nil, err
	}
	clear(t.index)
	t.usage.Parties = t.usage.Parties[:0]
	t.tree.update(now, busy, t.config.Memory)
	t.attributeRest(busy)
	mine := t.self.grown()
	t.home = t.tree.first(t.self.folders)
	t.loose.begin()
	for _, n := range t.tree.nodes {
		own, memory := n.own, n.memory
		if n == t.home {
			taken, resident := min(mine, own), t.self.resident()
			own -= taken
			memory -= min(memory, resident)
			t.give(t.self.workload, taken, resident)
		}
		n.active = n.active || own > 0
		switch w := n.owner(); {
		case w == nil:
			t.share(n, own)
		case n.active || memory > 0: // also while it rests: it is still there
			t.give(w, own, memory)
		}
	}
	t.loose.end()
	if !t.started { // what was used before nobody looked
		t.started = true
		for i := range t.usage.Parties {
			t.usage.Parties[i].CPU = 0
		}
	}
	if now.Sub(t.swept) >= sweeping {
		t.swept = now
		t.config.Resolver.Sweep()
	}
	t.usage.CGroupsRefused, t.usage.ProcessesRefused = t.tree.refused(), t.loose.refused
	t.usage.MemoryTotal, t.usage.MemoryFree = memory(t.config.Host.Path("proc/meminfo"))
	return &t.usage, nil
}

// attributeRest makes the parties have all of the machine. Where there are no cgroups, its time is the root's; where the
// root is that of a container, the rest is used by others, who cannot be seen.
func (t *Tracker) attributeRest(busy uint64) {
	grown := busy - min(t.busy, busy)
	t.busy = busy
	switch {
	case !t.tree.exists():
		t.tree.root.own = grown
	case !t.tree.whole:
		seen := uint64(0)
		for _, n := range t.tree.nodes {
			seen += n.own
		}
		t.ahead += int64(grown) - int64(seen)
		if t.ahead > 0 {
			t.give(nil, uint64(t.ahead), 0)
			t.ahead = 0
		}
	}
}

// share gives what is nobody's to the processes that sit in a cgroup of no workload.
func (t *Tracker) share(n *node, own uint64) {
	processes := t.loose.of(t.pids(n), t.self.pid)
	weights := make([]uint64, 0, len(processes))
	sum := uint64(0)
	for _, p := range processes {
		weights = append(weights, p.grown)
		sum += p.grown
	}
	// The kernel counts processes' time in ticks, so their sum may be ahead.
	parts := weights
	if sum > own {
		parts = joule.Split(own, weights, nil)
		sum = own
	}
	for i, p := range processes {
		if p.active {
			t.give(p.workload, parts[i], p.resident)
		}
	}
	t.give(nil, own-sum, 0)
}

// pids are the processes in a cgroup; all that there are if there are no cgroups.
func (t *Tracker) pids(n *node) []uint32 {
	if t.tree.exists() {
		return t.tree.pids(n.path, math.MaxInt)
	}
	proc, err := procfs.NewFS(t.config.Host.Path("proc"))
	if err != nil {
		return nil
	}
	all, err := proc.AllProcs()
	if err != nil {
		return nil
	}
	pids := make([]uint32, 0, len(all))
	for _, p := range all {
		pids = append(pids, uint32(p.PID))
	}
	return pids
}

func (t *Tracker) give(w *workload.Workload, cpu, memory uint64) {
	if cpu == 0 && w == nil {
		return
	}
	i, ok := t.index[w]
	if !ok {
		i = len(t.usage.Parties)
		t.index[w] = i
		t.usage.Parties = append(t.usage.Parties, Party{Workload: w})
	}
	t.usage.Parties[i].CPU += cpu
	t.usage.Parties[i].Memory += memory
}

// Report says what is read, and what is missing.
func (t *Tracker) Report() []selfreport.Row {
	rows := []selfreport.Row{t.tree.row()}
	if t.problem != nil {
		rows = append(rows, selfreport.Row{What: "CPU time", State: selfreport.Refused, Detail: t.problem.Error(), Remedy: "mount the host's /proc"})
	}
	rows = append(rows, t.config.Resolver.Check()...)
	if t.tree.refused() > 0 {
		rows = append(rows, selfreport.Row{What: "cgroups", State: selfreport.Refused, Detail: fmt.Sprintf("more than %d: the rest counts as what is above them", t.tree.limit)})
	}
	if t.loose.refused > 0 {
		rows = append(rows, selfreport.Row{What: "processes", State: selfreport.Refused, Detail: fmt.Sprintf("more than %d in no cgroup of a workload: the rest is nobody's", t.loose.limit)})
	}
	if t.started && t.home == nil {
		rows = append(rows, selfreport.Row{What: "the collector itself", State: selfreport.Absent, Detail: "its cgroup is not among the machine's: what it uses is told of whatever it runs in"})
	}
	return rows
}
