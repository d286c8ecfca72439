// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A look at 500 containers with 2,000 processes, as once a second.
func BenchmarkSample(b *testing.B) {
	m := newMachine(b, benchDir(b), false)
	id := func(i int) string { return fmt.Sprintf("%064x", i+1) }
	for i := range 500 {
		slice := fmt.Sprintf("/kubepods.slice/kubepods-pod%08x_93c7_4c6b_8f0a_1d2e3f4a5b6c.slice", i)
		path := slice + "/cri-containerd-" + id(i) + ".scope"
		var pids []int
		for k := range 4 {
			pid := 10_000 + 4*i + k
			m.process(pid, path, 0, "")
			pids = append(pids, pid)
		}
		m.group(path, uint64(i), 1<<20, pids...)
	}
	m.start()
	for range 20 { // all are known for certain
		m.look()
	}
	b.ReportAllocs()
	for b.Loop() {
		m.now = m.now.Add(time.Second)
		if used, err := m.Sample(m.now); err != nil || len(used.Parties) != 501 { // with the collector
			b.Fatal(err, len(used.Parties))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e9*100, "%core_at_1s")
}

// A look at 2,000 processes that are in no cgroup of a workload, of which a tenth does something: each has to be read.
func BenchmarkLoose(b *testing.B) {
	m := newMachine(b, benchDir(b), false)
	var pids []int
	for i := range 2000 {
		m.process(1000+i, "/", 1, "")
		pids = append(pids, 1000+i)
	}
	m.group("/", 0, 0, pids...)
	m.start()
	b.ReportAllocs()
	for ticks := 2; b.Loop(); ticks++ {
		b.StopTimer()
		for i := range 200 {
			m.process(1000+i, "/", ticks, "")
		}
		m.group("/", 2_000_000, 0, pids...)
		m.now = m.now.Add(time.Second)
		b.StartTimer()
		if used, err := m.Sample(m.now); err != nil || len(used.Parties) < 200 {
			b.Fatal(err, len(used.Parties))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e9*100, "%core_at_1s")
}

// benchDir is in memory, as cgroups are.
func benchDir(b *testing.B) string {
	b.Helper()
	b.Setenv("TMPDIR", "/dev/shm")
	dir := b.TempDir()
	if !strings.HasPrefix(dir, "/dev/shm") {
		b.Log("on a disk: ", dir)
	}
	return dir
}
