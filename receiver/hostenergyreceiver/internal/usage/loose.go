// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// loose are the processes that are in a cgroup of no workload: all of them where nobody makes cgroups.
type loose struct {
	proc     string
	resolver *workload.Resolver
	known    map[uint32]*process
	limit    int // of known that are no threads of the kernel
	kernel   int // those that are
	refused  int // those beyond it, at this look: they are nobody's
	round    uint64
	list     []*process
	buffer   [4096]byte
}

// process is one of them.
type process struct {
	start    uint64 // since boot, in ticks
	kernel   bool   // a thread of the kernel
	workload *workload.Workload
	time     uint64 // µs of CPU time
	grown    uint64
	resident uint64 // bytes
	round    uint64
	active   bool // it has used the CPU since it was first seen: of others it is not told how small they are
}

func newLoose(proc string, resolver *workload.Resolver, limit int) *loose {
	return &loose{proc: proc, resolver: resolver, known: map[uint32]*process{}, limit: limit}
}

// begin a look; end forgets those that were not seen in it.
func (l *loose) begin() {
	l.round++
	l.refused = 0
}

func (l *loose) end() {
	for pid, p := range l.known {
		if p.round != l.round {
			l.forget(pid, p)
		}
	}
}

// of are the processes in a cgroup, without one that is counted by itself.
func (l *loose) of(pids []uint32, except uint32) []*process {
	l.list = l.list[:0]
	for _, pid := range pids {
		if p := l.look(pid); p != nil && pid != except && !p.kernel {
			l.list = append(l.list, p)
		}
	}
	return l.list
}

func (l *loose) forget(pid uint32, p *process) {
	delete(l.known, pid)
	if p.kernel {
		l.kernel--
	}
}

func (l *loose) look(pid uint32) *process {
	const looks = 60 // until a thread of the kernel is looked at again: its number may be another's by then
	p := l.known[pid]
	if p != nil && p.kernel && (l.round+uint64(pid))%looks != 0 {
		p.round = l.round
		return p
	}
	if p == nil && len(l.known)-l.kernel >= l.limit {
		l.refused++
		return nil
	}
	s, ok := l.stat(pid)
	if !ok {
		return nil
	}
	if p != nil && p.start != s.start { // another one with its number
		l.forget(pid, p)
		p = nil
	}
	switch {
	case p == nil && s.kernel: // its time is nobody's, however much
		l.kernel++
		p = &process{start: s.start, kernel: true}
		l.known[pid] = p
	case p == nil:
		p = &process{start: s.start, time: s.time, resident: s.resident}
		if l.round > 1 { // it began since the last look
			p.grown = s.time
		}
		l.known[pid] = p
	default:
		p.grown = s.time - min(s.time, p.time)
		p.time, p.resident = s.time, s.resident
	}
	p.round = l.round
	p.active = p.active || p.grown > 0
	if p.active && !p.kernel {
		if w, err := l.resolver.Resolve(pid); err == nil {
			p.workload = w
		}
	}
	return p
}

type procStat struct {
	kernel      bool
	start, time uint64
	resident    uint64
}

// stat reads fields 9 (flags), 14 (utime), 15 (stime), 22 (starttime), 24 (rss) of proc_pid_stat(5).
func (l *loose) stat(pid uint32) (s procStat, ok bool) {
	f, err := os.Open(filepath.Join(l.proc, strconv.FormatUint(uint64(pid), 10), "stat"))
	if err != nil {
		return s, false
	}
	n, _ := f.Read(l.buffer[:])
	_ = f.Close()
	text := l.buffer[:n]
	shut := bytes.LastIndexByte(text, ')')
	if shut < 0 {
		return s, false
	}
	field := 2
	for value := range bytes.FieldsSeq(text[shut+1:]) {
		field++
		n, err := digits(value)
		switch field {
		case 9:
			const kernelThread = 0x00200000 // PF_KTHREAD, include/linux/sched.h
			s.kernel = n&kernelThread != 0
		case 14, 15:
			s.time += n * tick
		case 22:
			s.start = n
		case 24:
			s.resident = n * uint64(os.Getpagesize())
			return s, err == nil
		}
	}
	return s, false
}

// tick of CPU time, in µs: USER_HZ is 100 on every architecture of Go.
const tick = 10_000
