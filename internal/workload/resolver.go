// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"errors"
	"sync"
	"time"
	"weak"

	"go.uber.org/zap"
)

var (
	// ErrGone means: there is no such process, or none that the collector may see.
	ErrGone = errors.New("process is gone")
	// ErrUnreadable means: the process runs, and the collector may not read who it is.
	ErrUnreadable = errors.New("process is unreadable")
)

// Config says where processes are looked up.
type Config struct {
	// ProcRoot is where proc is mounted; empty is /proc. A proc of another PID namespace has other PIDs.
	ProcRoot string
	// LogRoot is the host's /var/log, where the kubelet writes which pod a container belongs to; empty
	// leaves out the names of pods.
	LogRoot string
	Logger  *zap.Logger
}

// Resolver finds the workloads of processes, and remembers them by PID and start time. Safe for
// concurrent use.
type Resolver struct {
	proc   proc
	pods   *podLogs
	booted time.Time
	limit  int
	now    func() time.Time

	mu       sync.Mutex
	known    map[uint32]*entry
	interned map[string]weak.Pointer[Workload]
	stats    Stats
	swept    time.Time
}

// Stats counts what a resolver could not do.
type Stats struct {
	// Known is the number of processes remembered.
	Known int
	// EnvironUnreadable counts processes whose environment the collector may not read.
	EnvironUnreadable int64
	// Rejected counts attributes that a process asked for in its environment and did not get.
	Rejected int64
	// Unremembered counts processes identified anew at each look because the limit was reached.
	Unremembered int64
}

type entry struct {
	path     string
	start    uint64
	settled  bool
	workload *Workload
}

const (
	// maxKnown is above what NVML lists and what a large host runs, at about 1 KB each.
	maxKnown = 16384
	// settling is how old a process is before its environment and cgroup are taken as final: between
	// fork and exec it has those of its parent, and within exec none.
	settling = time.Second
	// naming is how long the kubelet may take to write down a container that runs.
	naming = 10 * time.Second
	// sweeping is the least time between two sweeps for want of room.
	sweeping = time.Minute
)

// NewResolver takes the time of boot once, so that a clock set later does not rename processes.
func NewResolver(c Config) *Resolver {
	r := &Resolver{
		proc:     proc{root: cmp.Or(c.ProcRoot, "/proc")},
		pods:     newPodLogs(c.LogRoot),
		limit:    maxKnown,
		now:      time.Now,
		known:    map[uint32]*entry{},
		interned: map[string]weak.Pointer[Workload]{},
	}
	booted, err := r.proc.booted()
	if err != nil && c.Logger != nil {
		c.Logger.Warn("processes outside of containers, jobs and units have no process.creation.time", zap.Error(err))
	}
	r.booted = booted
	return r
}

// Resolve says whom a process works for. Equal workloads are the same pointer as long as one of them is
// in use. Of a process that is gone it returns what was known of it, if anything, and ErrGone.
func (r *Resolver) Resolve(pid uint32) (*Workload, error) {
	r.mu.Lock()
	e := r.known[pid]
	r.mu.Unlock()

	var last *Workload
	path := ""
	if e != nil {
		path, last = e.path, e.workload
	} else {
		path = r.proc.file(pid, "stat")
	}
	now, err := r.proc.stat(path)
	switch {
	case err != nil:
		return last, err
	case e != nil && e.start == now.start && (e.settled || !r.older(now, settling)):
		return e.workload, nil
	}
	w, named, err := r.identify(pid, now)
	if err != nil {
		return nil, err
	}
	// Only if the process still is the same was everything read of one process.
	switch after, err := r.proc.stat(path); {
	case err != nil:
		return nil, err
	case after.start != now.start:
		return nil, ErrGone
	}
	settled := r.older(now, naming) || named && r.older(now, settling)
	return r.remember(pid, &entry{path: path, start: now.start, settled: settled, workload: w}), nil
}

// Alive reports whether the process that was resolved last under this PID still runs. A zombie does not.
func (r *Resolver) Alive(pid uint32) bool {
	r.mu.Lock()
	e := r.known[pid]
	r.mu.Unlock()
	if e == nil {
		return false
	}
	now, err := r.proc.stat(e.path)
	return err == nil && now.start == e.start && now.state != 'Z' && now.state != 'X'
}

// Sweep forgets processes that have ended. Call it when nothing is to be booked to them any more.
func (r *Resolver) Sweep() {
	r.mu.Lock()
	pids := make([]uint32, 0, len(r.known))
	for pid := range r.known {
		pids = append(pids, pid)
	}
	r.mu.Unlock()
	for _, pid := range pids {
		if !r.Alive(pid) {
			r.mu.Lock()
			delete(r.known, pid)
			r.mu.Unlock()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, w := range r.interned {
		if w.Value() == nil {
			delete(r.interned, id)
		}
	}
}

// Stats is a snapshot.
func (r *Resolver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Known = len(r.known)
	return s
}

func (r *Resolver) remember(pid uint32, e *entry) *Workload {
	r.mu.Lock()
	full := len(r.known) >= r.limit && r.known[pid] == nil && r.now().Sub(r.swept) >= sweeping
	if full {
		r.swept = r.now()
	}
	r.mu.Unlock()
	if full {
		r.Sweep()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.workload = r.intern(e.workload)
	if len(r.known) >= r.limit && r.known[pid] == nil {
		r.stats.Unremembered++
		return e.workload
	}
	r.known[pid] = e
	return e.workload
}

func (r *Resolver) intern(w *Workload) *Workload {
	id := w.ID()
	if same := r.interned[id].Value(); same != nil {
		return same
	}
	r.interned[id] = weak.Make(w)
	return w
}

// older is true where the age is unknown: then a process is looked at once.
func (r *Resolver) older(s stat, than time.Duration) bool {
	uptime, err := r.proc.uptime()
	return err != nil || uptime-s.sinceBoot() >= than
}
