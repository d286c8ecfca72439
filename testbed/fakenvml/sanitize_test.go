// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package fakenvml

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The library is compiled without a warning, and a program that uses it through NVIDIA's own header finds
// what it should, with no access outside of a buffer, no leak and no undefined behaviour.
func TestSanitized(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").Output()
	require.NoError(t, err)
	header := filepath.Join(strings.TrimSpace(string(out)), "pkg", "nvml")

	dir := t.TempDir()
	files, err := filepath.Glob("c/*.c")
	require.NoError(t, err)
	program := filepath.Join(dir, "check")
	args := append(sanitizers(t), "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-deprecated-declarations", "-pthread", "-isystem", header,
		"-o", program, "testdata/check.c")
	output, err := exec.Command("cc", append(append(args, files...), "-lm")...).CombinedOutput()
	require.NoError(t, err, string(output))

	clock, err := NewClock(filepath.Join(dir, "clock"))
	require.NoError(t, err)
	defer clock.Close()
	const second = time.Second
	instances := []Instance{
		{UUID: "MIG-first", GI: 1, Slices: 1, SMs: 16, End: 19 * second},
		{UUID: "MIG-second", GI: 2, Slices: 3, SMs: 60, End: time.Hour},
		{UUID: "MIG-third", GI: 3, Slices: 1, SMs: 16, Start: 35 * second, End: time.Hour},
	}
	run := func(pid, sm int, memory uint64) Process {
		return Process{PID: pid, SMPercent: sm, Memory: memory, End: time.Hour}
	}
	graphics, mps, inInstance := run(14, 0, 0), run(15, 0, 0), run(31, 40, 0)
	graphics.Kind, mps.Kind, inInstance.On = Graphics, MPS, &instances[1]
	path := filepath.Join(dir, "trace.csv")
	writeTrace(t, path, [][2]float64{{500, 10}, {1000, 90}, {20_000, 30}})
	recorded, err := LoadTrace(path)
	require.NoError(t, err)
	recorded.Linear = true
	scenario := Scenario{Clock: clock, GPUs: []GPU{
		{
			UUID: "GPU-0", Name: "Fake", Power: Const{100}, GarbageUtil: true,
			Grow:      []string{"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetProcessUtilization"},
			Processes: []Process{run(11, 30, 1<<20), run(12, 20, 0), run(13, 0, 0), graphics, mps},
		},
		{
			UUID: "GPU-1", Name: "Fake", Power: Const{100}, WideProcessInfo: true,
			Processes: []Process{run(21, 30, 0), run(22, 20, 4096), run(23, 0, 0), run(24, 0, 0), run(25, 0, 0)},
		},
		{
			UUID: "GPU-2", Name: "Fake", Power: Const{100}, Instances: instances, Processes: []Process{inInstance},
			Events: []Event{{18 * second, XidOn(63, instances[1])}, {30 * second, MIGOff}},
		},
		{
			UUID: "GPU-3", Name: "Fake", Power: recorded, Sensor: 25 * time.Millisecond, CountsSensor: true,
			Module: Sine{Low: 1, High: 2, Period: second}, CounterGain: 1.5, UtilPeriod: 100 * time.Millisecond,
			Processes: []Process{{PID: 41, SM: recorded, Memory: 1, End: 40 * second}},
			Events:    []Event{{second, Stuck}, {2 * second, Resume}, {3 * second, Reset}, {4 * second, Lost}, {5 * second, Back}, {6 * second, Glitch(1)}},
			Failures:  []Failure{{Symbol: "nvmlDeviceGetPowerUsage", Code: 999, Start: 7 * second, End: 8 * second}},
		},
	}}
	file := filepath.Join(dir, "scenario")
	require.NoError(t, scenario.WriteFile(file))
	command := exec.Command(program, clock.path)
	command.Env = append(os.Environ(), ScenarioEnv+"="+file)
	output, err = command.CombinedOutput()
	require.NoError(t, err, string(output))
}

// sanitizers are the flags for them, where the compiler has them: some bring no run-time libraries.
func sanitizers(t *testing.T) []string {
	t.Helper()
	flags := []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
	probe := exec.Command("cc", append(flags, "-x", "c", "-o", filepath.Join(t.TempDir(), "probe"), "-")...)
	probe.Stdin = strings.NewReader("int main(void) { return 0; }")
	if probe.Run() != nil {
		t.Log("cc has no sanitizers: the program runs without")
		return nil
	}
	return flags
}
