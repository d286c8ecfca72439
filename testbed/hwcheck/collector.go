// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// collector is a built collector that measures the GPUs, and sends what it finds nowhere.
type collector struct {
	command *exec.Cmd
	log     bytes.Buffer
	exited  chan struct{}
	err     error // set when exited is closed
}

const collectorConfig = `receivers:
  nvmlenergy:
    poll_interval: %v
    collection_interval: 1s
    host_id: hwcheck
    host_name: hwcheck
exporters:
  nop:
service:
  telemetry: {metrics: {level: none}, logs: {level: warn, encoding: console}}
  pipelines: {metrics: {receivers: [nvmlenergy], exporters: [nop]}}
`

// startCollector waits until it has settled.
func (c *check) startCollector(hertz float64) (*collector, error) {
	config := filepath.Join(c.out, "collector.yaml")
	interval := time.Duration(float64(time.Second) / hertz)
	if err := os.WriteFile(config, fmt.Appendf(nil, collectorConfig, interval), 0o600); err != nil {
		return nil, err
	}
	l := &collector{command: exec.Command(c.collector, "--config", config), exited: make(chan struct{})} //nolint:gosec // the user names the binary
	l.command.Stderr = &l.log
	if err := l.command.Start(); err != nil {
		return nil, err
	}
	go func() { l.err = l.command.Wait(); close(l.exited) }()
	select {
	case <-l.exited:
		lines := strings.Split(strings.TrimSpace(l.log.String()), "\n")
		return nil, errors.Join(l.err, errors.New(lines[len(lines)-1]))
	case <-time.After(time.Duration(max(c.seconds(2), 0.2) * float64(time.Second))):
		return l, nil
	}
}

// cpu is the CPU time of its threads so far, in s; 0 if the process is gone. /proc/PID/stat counts in steps of
// 10 ms, which is too coarse here.
func (l *collector) cpu() float64 {
	var sum float64
	files, _ := filepath.Glob("/proc/" + strconv.Itoa(l.command.Process.Pid) + "/task/*/schedstat")
	for _, file := range files {
		content, _ := os.ReadFile(file) // a thread may end meanwhile
		running, _, _ := strings.Cut(string(content), " ")
		ns, _ := strconv.ParseFloat(running, 64)
		sum += ns / 1e9
	}
	return sum
}

// residentMiB is the memory that it has now; 0 if the process is gone.
func (l *collector) residentMiB() float64 {
	content, _ := os.ReadFile("/proc/" + strconv.Itoa(l.command.Process.Pid) + "/status")
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kiB, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kiB / 1024
		}
	}
	return 0
}

func (l *collector) stop() {
	_ = l.command.Process.Signal(os.Interrupt)
	select {
	case <-l.exited:
	case <-time.After(10 * time.Second):
		_ = l.command.Process.Kill()
		<-l.exited
	}
}
