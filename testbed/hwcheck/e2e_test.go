// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/trace"
)

// programs are built once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hwcheck-test")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "hwcheck"), ".").CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait most of the time.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// fakeGPU compiles the GPU of testdata into a library.
func fakeGPU(t *testing.T, library string, flags ...string) {
	t.Helper()
	out, err := exec.Command("cc", append([]string{"-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-o", library, "testdata/fakegpu.c"}, flags...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// result of a run, as its user sees it.
type result struct {
	Report

	dir, output string
	code        int
}

// runBuilt runs the built program with the libraries of a directory.
func runBuilt(t *testing.T, libraries string, environment []string, arguments ...string) result {
	t.Helper()
	dir, err := programs()
	require.NoError(t, err)
	r := result{dir: filepath.Join(t.TempDir(), "results")}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(dir, "hwcheck"), append([]string{"-out", r.dir}, arguments...)...)
	command.Env = append(append(os.Environ(), "LD_LIBRARY_PATH="+libraries), environment...)
	out, err := command.CombinedOutput()
	r.output = string(out)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	if content, err := os.ReadFile(filepath.Join(r.dir, "results.json")); err == nil {
		require.NoError(t, json.Unmarshal(content, &r.Report))
	}
	return r
}

func (r result) verdict(t *testing.T, id string) Verdict {
	t.Helper()
	for _, v := range r.Verdicts {
		if v.ID == id {
			return v
		}
	}
	require.Fail(t, "no verdict "+id, r.output)
	return Verdict{}
}

func (r result) assertVerdicts(t *testing.T, want map[string]Judgement) {
	t.Helper()
	for id, judgement := range want {
		v := r.verdict(t, id)
		assert.Equal(t, judgement, v.Judgement, "%+v", v)
	}
}

// A collector that does not start is a failure, with the reason.
func TestCollectorThatDoesNotStart(t *testing.T) {
	t.Parallel()
	libraries := t.TempDir()
	fakeGPU(t, filepath.Join(libraries, "libcuda.so.1"))
	fakeGPU(t, filepath.Join(libraries, "libnvidia-ml.so.1"), "-DNVML")
	collector := filepath.Join(libraries, "collector")
	require.NoError(t, os.WriteFile(collector, []byte("#!/bin/sh\necho invalid configuration >&2\nexit 1\n"), 0o700))
	r := runBuilt(t, libraries, []string{"FAKEGPU=" + filepath.Join(libraries, "state")}, "-only", "T8", "-scale", "0.02", "-collector", collector)
	v := r.verdict(t, "T8.collector")
	assert.Equal(t, fail, v.Judgement)
	assert.Equal(t, "exit status 1; invalid configuration", v.Note)
	assert.Equal(t, exitFailed, r.code)
}

// All tests, with a GPU whose power is known, and that lacks what comes with later drivers.
func TestScriptedDriver(t *testing.T) {
	t.Parallel()
	libraries := t.TempDir()
	_, err := fakenvml.Build(libraries, "nvmlDeviceGetSamples", "nvmlDeviceGetProcessUtilization", "nvmlGpmSampleGet")
	require.NoError(t, err)
	fakeGPU(t, filepath.Join(libraries, "libcuda.so.1"))
	scenario := filepath.Join(libraries, "scenario")
	require.NoError(t, fakenvml.Scenario{GPUs: []fakenvml.GPU{{
		UUID: "GPU-00000000-0000-0000-0000-000000000000", Name: "Fake H100", Power: fakenvml.Const{Watts: 250}, Update: 20 * time.Millisecond,
	}}}.WriteFile(scenario))

	collector := filepath.Join(libraries, "collector")
	require.NoError(t, os.WriteFile(collector, []byte("#!/bin/sh\ntest \"$1\" = --config && grep -q 'poll_interval: 1' \"$2\" && exec sleep 100\n"), 0o700))
	r := runBuilt(t, libraries, []string{fakenvml.ScenarioEnv + "=" + scenario, "FAKEGPU=" + filepath.Join(libraries, "state")}, "-scale", "0.03", "-collector", collector)
	require.True(t, r.Completed, r.output)
	for _, v := range r.Verdicts {
		if v.Judgement == fail { // what measuring costs depends on what else this machine does
			assert.True(t, strings.HasPrefix(v.ID, "T8.loop.") || strings.HasSuffix(v.ID, ".throughput"), "%+v", v)
		}
	}
	r.assertVerdicts(t, map[string]Judgement{
		"T0.counter":            pass,
		"T0.samples":            notSupported,
		"T1.reinit":             pass,
		"T1.ProcessUtilization": notSupported,
		"T2.idle.counter":       pass,
		"T3.part-time":          info, // too short to tell
		"T4.idle.instant-100Hz": info,
		"T4.load.instant-100Hz": pass,
		"T5.instant":            info,
		"T6":                    notSupported,
		"T7.list":               info,
		"T8.loop.1Hz.launch":    info,
		"T8.collector.10Hz.cpu": pass,
		"T9.gain":               info,
		"T10":                   notSupported,
		"trace":                 info,
		"settings":              pass,
	})
	assert.InDelta(t, 20, *r.verdict(t, "T2.idle.counter").Value, 1.5)
	assert.InDelta(t, 250, *r.verdict(t, "T4.idle.power").Value, 5)
	assert.Equal(t, []string{"Fake H100"}, r.GPUs)
	assert.Equal(t, "580.0.0-fakenvml", r.Software["driver"])
	assert.False(t, r.Symbols["nvmlGpmSampleGet"])
	for symbol := range r.Answers {
		assert.True(t, r.Symbols[symbol], "%s was called and is not there", symbol)
	}

	for _, name := range []string{"T0-inventory", "T1-latencies", "T2-changes", "T2-histogram", "T3-bursts", "T4-steady", "T5-steps", "T7-short-processes", "T8-overhead", "T9-parallel"} {
		content, err := os.ReadFile(filepath.Join(r.dir, name+".csv"))
		require.NoError(t, err)
		if name != "T5-steps" { // constant power has no step
			assert.Greater(t, strings.Count(string(content), "\n"), 1, name)
		}
	}
	file, err := os.Open(filepath.Join(r.dir, "trace.csv.gz"))
	require.NoError(t, err)
	defer file.Close()
	recorded, err := trace.Read(file)
	require.NoError(t, err)
	phases := map[string]bool{}
	for _, row := range recorded.Rows {
		phases[row.Phase] = true
		assert.EqualValues(t, 250_000, row.Instant)
	}
	assert.Len(t, phases, 4)
	first, last := recorded.Rows[0], recorded.Rows[len(recorded.Rows)-1]
	assert.InEpsilon(t, 250*(last.At-first.At).Seconds(), float64(last.Counter-first.Counter)/1e3, 0.05)

	hostname, err := os.Hostname()
	require.NoError(t, err)
	written, err := os.ReadFile(filepath.Join(r.dir, "results.json"))
	require.NoError(t, err)
	assert.NotRegexp(t, `\b`+regexp.QuoteMeta(hostname)+`\b`, string(written))
}

// A GPU whose power follows the load.
func coupled(t *testing.T, only, scale string, environment ...string) result {
	t.Helper()
	libraries := t.TempDir()
	fakeGPU(t, filepath.Join(libraries, "libcuda.so.1"))
	fakeGPU(t, filepath.Join(libraries, "libnvidia-ml.so.1"), "-DNVML")
	return runBuilt(t, libraries, append(environment, "FAKEGPU="+filepath.Join(libraries, "state")), "-quick", "-only", only, "-scale", scale)
}

func TestCounterThatSeesAllPasses(t *testing.T) {
	t.Parallel()
	r := coupled(t, "T3,T5", "0.2")
	r.assertVerdicts(t, map[string]Judgement{"T3.part-time": pass, "T5.instant": pass})
	assert.Zero(t, r.code, r.output)
}

func TestCounterThatSeesAPartFails(t *testing.T) {
	t.Parallel()
	r := coupled(t, "T3", "0.2", "FAKEGPU_WINDOW_MS=25")
	v := r.verdict(t, "T3.part-time")
	assert.Equal(t, fail, v.Judgement, r.output)
	assert.Greater(t, *v.Value, 30.0)
	assert.Equal(t, exitFailed, r.code)
}

func TestSharesAreThoseOfTheWork(t *testing.T) {
	t.Parallel()
	r := coupled(t, "T4,T6,T7", "0.12")
	r.assertVerdicts(t, map[string]Judgement{
		"T6.conserved": pass, "T6.equal": pass, "T6.3 to 1": pass, "T6.b exits": pass, "T6.lag": pass, "T4.load.instant-100Hz": pass,
	})
	assert.InDelta(t, 650, *r.verdict(t, "T4.load.power").Value, 15)
	assert.InDelta(t, 100, *r.verdict(t, "T4.idle.power").Value, 2)
	assert.Equal(t, "our PIDs", r.verdict(t, "T6.pids").Note)
	assert.InDelta(t, 4, *r.verdict(t, "T7.list").Value, 1)
}

func TestWithoutADriver(t *testing.T) {
	t.Parallel()
	r := runBuilt(t, t.TempDir(), nil)
	assert.Equal(t, exitUnable, r.code)
	assert.Contains(t, r.output, "no NVIDIA driver: libnvidia-ml.so.1")
}

func TestWithoutLoad(t *testing.T) {
	t.Parallel()
	libraries := t.TempDir()
	fakeGPU(t, filepath.Join(libraries, "libnvidia-ml.so.1"), "-DNVML")
	for _, tt := range []struct {
		why       string
		arguments []string
	}{
		{"switched off by -no-load", []string{"-no-load"}},
		{"libcuda.so.1: cannot open shared object file", nil},
	} {
		r := runBuilt(t, libraries, []string{"FAKEGPU=" + filepath.Join(libraries, "state")}, append(tt.arguments, "-only", "T0,T3,T9", "-scale", "0.05")...)
		assert.Zero(t, r.code, r.output)
		v := r.verdict(t, "T3")
		assert.Equal(t, notSupported, v.Judgement)
		assert.Contains(t, v.Note, tt.why)
		r.assertVerdicts(t, map[string]Judgement{"T0.counter": pass, "T9.gain": info})
	}
}

func TestRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]string{"-only=T99": "want some of T0 to T10 and trace", "now": "The commands are load and probe"} {
		r := runBuilt(t, t.TempDir(), nil, argument)
		assert.Equal(t, exitUnable, r.code)
		assert.Contains(t, r.output, want)
	}
}

// A call that hangs cannot be ended. The check says which one it is, and keeps what it has.
func TestDriverThatHangs(t *testing.T) {
	t.Parallel()
	libraries := t.TempDir()
	_, err := fakenvml.Build(libraries)
	require.NoError(t, err)
	scenario := filepath.Join(libraries, "scenario")
	require.NoError(t, fakenvml.Scenario{GPUs: []fakenvml.GPU{{
		UUID: "GPU-0", Name: "Fake H100", Power: fakenvml.Const{Watts: 250}, Events: []fakenvml.Event{{At: 600 * time.Millisecond, Kind: fakenvml.Hang}},
	}}}.WriteFile(scenario))
	r := runBuilt(t, libraries, []string{fakenvml.ScenarioEnv + "=" + scenario}, "-only", "T9", "-scale", "0.1")
	v := r.verdict(t, "T9")
	assert.Equal(t, fail, v.Judgement)
	assert.Equal(t, "gave up waiting; the driver has not answered nvmlDeviceGetTotalEnergyConsumption", v.Note)
	assert.False(t, r.Completed)
	assert.Equal(t, exitFailed, r.code)
}

// The load is a program of its own as well.
func TestLoadOfAPeriod(t *testing.T) {
	t.Parallel()
	libraries := t.TempDir()
	fakeGPU(t, filepath.Join(libraries, "libcuda.so.1"))
	dir, err := programs()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), filepath.Join(dir, "hwcheck"), "load", "-duty", "0.25", "-period", "40ms", "-for", "1s")
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries, "FAKEGPU="+filepath.Join(libraries, "state"))
	out, err := command.Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 2)
	var d done
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &d))
	assert.InDelta(t, 0.25, d.Busy, 0.03)
	assert.InDelta(t, 25, len(d.Bursts), 2)
}
