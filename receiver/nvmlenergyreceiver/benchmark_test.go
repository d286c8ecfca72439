// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvmlenergyreceiver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// BenchmarkNode is a node with 8 GPUs and 4 processes on each, at several rates of polling. An operation is a
// second of real time; what counts is the CPU time that the process takes of it, and what it allocates. The
// driver is the scripted one: what a real one takes comes on top.
func BenchmarkNode(b *testing.B) {
	dir := b.TempDir()
	library, err := fakenvml.Build(dir)
	require.NoError(b, err)
	scenario := filepath.Join(dir, "scenario")
	require.NoError(b, node(b).WriteFile(scenario))
	b.Setenv(fakenvml.ScenarioEnv, scenario)
	for _, hertz := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("rate=%dHz", hertz), func(b *testing.B) {
			cfg := newConfig(func(c *Config) {
				c.PollInterval = time.Second / time.Duration(hertz)
				c.Processes.Enabled = true
			})
			set := receivertest.NewNopSettings(metadata.Type)
			r, err := newNVMLEnergyReceiver(cfg, set, consumertest.NewNop(), nvml.New(library))
			require.NoError(b, err)
			require.NoError(b, r.Start(b.Context(), componenttest.NewNopHost()))
			time.Sleep(trusted + 2*time.Second) // for what happens once
			cpu, allocated := usage(b), heap(b)
			for b.Loop() {
				time.Sleep(time.Second)
			}
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(100*(usage(b)-cpu).Seconds()/seconds, "%core")
			b.ReportMetric(float64(heap(b).Mallocs-allocated.Mallocs)/seconds, "allocs/s")
			b.ReportMetric(float64(heap(b).TotalAlloc-allocated.TotalAlloc)/1024/seconds, "KiB/s")
			b.ReportMetric(0, "ns/op")
			require.NoError(b, r.Shutdown(context.Background()))
		})
	}
}

// node has real processes, so that they can be looked up.
func node(b *testing.B) fakenvml.Scenario {
	b.Helper()
	var s fakenvml.Scenario
	for g := range 8 {
		gpu := fakenvml.GPU{UUID: fmt.Sprintf("GPU-%d", g), Name: "NVIDIA H100 80GB HBM3", Power: fakenvml.Sine{Low: 100, High: 700, Period: time.Second}}
		for range 4 {
			child := exec.CommandContext(b.Context(), "sleep", "600")
			require.NoError(b, child.Start())
			b.Cleanup(func() {
				_ = child.Process.Kill()
				_ = child.Wait()
			})
			gpu.Processes = append(gpu.Processes, fakenvml.Process{PID: child.Process.Pid, SMPercent: 20, Memory: 1 << 30, End: time.Hour})
		}
		s.GPUs = append(s.GPUs, gpu)
	}
	return s
}

// usage is the CPU time of the process so far.
func usage(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap(b *testing.B) (m runtime.MemStats) {
	b.Helper()
	runtime.ReadMemStats(&m)
	return m
}
