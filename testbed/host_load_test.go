// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hostConfig = `
receivers:
  hostenergy:
    collection_interval: 500ms
    initial_delay: 0s
processors:
  carbonintensity: {zone: DE}
exporters:
  otlp_grpc: {endpoint: "${env:SINK}", tls: {insecure: true}, sending_queue: {enabled: false}}
service:
  telemetry:
    logs: {level: info, encoding: console}
  pipelines:
    metrics: {receivers: [hostenergy], processors: [carbonintensity], exporters: [otlp_grpc]}
`

// burner is a process that uses so much of a CPU, in a cgroup of its own where the machine lets the test make one.
type burner struct {
	cmd  *exec.Cmd
	unit string // empty if there is no cgroup
}

// burn runs a shell that computes for work and then sleeps for rest, again and again.
func burn(t *testing.T, name string, work, rest time.Duration) *burner {
	t.Helper()
	script := fmt.Sprintf(`while :; do end=$(($(date +%%s%%N)+%d)); while [ $(date +%%s%%N) -lt $end ]; do :; done; sleep %f; done`, work.Nanoseconds(), rest.Seconds())
	if rest == 0 {
		script = "while :; do :; done"
	}
	b := &burner{cmd: exec.CommandContext(t.Context(), "sh", "-c", script)}
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, b.cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		_ = b.cmd.Wait()
	})
	unit := fmt.Sprintf("otelcol-test-%s-%d.service", name, os.Getpid())
	if err := inUnit(t, b.cmd.Process.Pid, unit); err != nil {
		t.Logf("no real cgroup, the process stands for itself: %v", err)
		return b
	}
	b.unit = unit
	return b
}

// inUnit puts a process into a unit's cgroup in each hierarchy that names workloads or counts CPU time.
func inUnit(t *testing.T, pid int, unit string) error {
	t.Helper()
	var errs []error
	made := 0
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpuacct"} {
		if _, err := os.Stat(filepath.Join(mount, "cgroup.procs")); err != nil {
			continue
		}
		folder := filepath.Join(mount, "system.slice", unit)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		t.Cleanup(func() {
			for range 100 { // until the kernel has seen its last process go
				if os.Remove(folder) == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			_ = os.Remove(filepath.Dir(folder))
		})
		if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			errs = append(errs, err)
			continue
		}
		made++
	}
	if made == 0 {
		return errors.Join(append(errs, errors.New("no hierarchy"))...)
	}
	return nil
}

// used is the CPU time of a process and of its children that have ended.
func (b *burner) used(t *testing.T) time.Duration {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	total := 0
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime: proc_pid_stat(5)
		n, err := strconv.Atoi(fields[i])
		require.NoError(t, err)
		total += n
	}
	return time.Duration(total) * 10 * time.Millisecond
}

// busy is the CPU time of the whole machine: user, nice, system, irq, softirq.
func busy(t *testing.T) time.Duration {
	t.Helper()
	content, err := os.ReadFile("/proc/stat")
	require.NoError(t, err)
	fields := strings.Fields(strings.SplitN(string(content), "\n", 2)[0])
	total := 0
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.Atoi(fields[i])
		require.NoError(t, err)
		total += n
	}
	return time.Duration(total) * 10 * time.Millisecond
}

// A load is attributed to the cgroup that makes it, within 5 % of its share of CPU time; the collector has a share of its
// own; the parts are the whole; and the estimate rises with the load.
func TestWhoUsesTheCPU(t *testing.T) {
	backend := newSink(t)
	c := start(t, []string{writeFile(t, "config.yaml", hostConfig)}, "SINK="+backend.address)
	// of is the last value of all streams of the CPU that are of a workload, and their sum by what they say of it.
	of := func(says string) (joules float64) {
		last := map[string]point{}
		for _, p := range backend.named("workload.energy", "hw.type", "cpu") {
			last[fmt.Sprint(p.attributes)+p.start.String()] = p
		}
		for key, p := range last {
			if strings.Contains(key, says) {
				joules += p.value
			}
		}
		return joules
	}
	device := func() (joules float64) {
		for _, p := range lastOf(backend.named("hw.energy", "hw.type", "cpu")) {
			joules += p.value
		}
		return joules
	}
	c.eventually(func() bool { return device() > 0 }, "energy")
	heavy, light := burn(t, "heavy", time.Second, 0), burn(t, "light", 40*time.Millisecond, 60*time.Millisecond)
	marks := func(b *burner) string {
		if b.unit != "" {
			return b.unit
		}
		return "process.pid:" + strconv.Itoa(b.cmd.Process.Pid) + " "
	}
	c.eventually(func() bool { return of(marks(heavy)) > 0 && of(marks(light)) > 0 }, "both loads")

	collected := func() {
		n := len(backend.named("hw.energy", "", ""))
		c.eventually(func() bool { return len(backend.named("hw.energy", "", "")) >= n+4 }, "two collections")
	}
	burners := map[string]*burner{"heavy": heavy, "light": light}
	// seen is what a collection that has just come says, and the kernel says now.
	type seen struct {
		active float64 // J above idle
		time   time.Duration
		joules map[string]float64
		times  map[string]time.Duration
	}
	look := func() seen {
		collected()
		s := seen{active: device() - of("workload.kind:idle"), time: busy(t), joules: map[string]float64{}, times: map[string]time.Duration{}}
		for name, b := range burners {
			s.joules[name], s.times[name] = of(marks(b)), b.used(t)
		}
		return s
	}
	from := look()
	time.Sleep(6 * time.Second)
	to := look()
	for name := range burners {
		want := (to.times[name] - from.times[name]).Seconds() / (to.time - from.time).Seconds()
		got := (to.joules[name] - from.joules[name]) / (to.active - from.active)
		t.Logf("%s: %.1f %% of the CPU time, %.1f %% of the energy above idle", name, 100*want, 100*got)
		assert.InEpsilon(t, want, got, 0.05)
	}
	assert.Positive(t, of("service.name:otelcol-carbon"), "the collector's own")
	c.eventually(func() bool { return len(backend.named("workload.emissions", "service.name", "otelcol-carbon")) > 0 }, "its grams")
	require.Zero(t, c.stop())
	assert.InEpsilon(t, device(), of(""), 1e-9, "the parts are the whole")
}

// lastOf is the last point of each stream.
func lastOf(points []point) map[string]point {
	last := map[string]point{}
	for _, p := range points {
		last[fmt.Sprint(p.metric, p.attributes, p.start)] = p
	}
	return last
}
