// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvmlenergyreceiver

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// stage is a fake driver, loaded as the real one is.
type stage struct {
	library, scenario string
	clock             *fakenvml.Clock
}

func newStage(t *testing.T, missing ...string) *stage {
	t.Helper()
	dir := t.TempDir()
	library, err := fakenvml.Build(dir, missing...)
	require.NoError(t, err)
	clock, err := fakenvml.NewClock(filepath.Join(dir, "clock"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, clock.Close()) })
	s := &stage{library: library, scenario: filepath.Join(dir, "scenario"), clock: clock}
	t.Setenv(fakenvml.ScenarioEnv, s.scenario)
	return s
}

func (s *stage) play(t *testing.T, gpus ...fakenvml.GPU) {
	t.Helper()
	require.NoError(t, s.clock.Set(0))
	require.NoError(t, fakenvml.Scenario{Clock: s.clock, GPUs: gpus}.WriteFile(s.scenario))
}

func (s *stage) configure(c *Config) { c.LibraryPath = s.library }

// until lets the receiver's time and that of the GPUs go on together.
func (s *stage) until(t *testing.T, begin time.Time, end time.Duration) {
	t.Helper()
	for time.Since(begin) < end {
		time.Sleep(min(10*time.Millisecond, end-time.Since(begin)))
		require.NoError(t, s.clock.Set(time.Since(begin)))
		synctest.Wait()
	}
}

const (
	idA = "GPU-5a3e1d80-0000-4000-8000-00000000000a"
	idB = "GPU-5a3e1d80-0000-4000-8000-00000000000b"
)

// The library that a process loads first stays, so all that is tested with it is tested here.
func TestNVML(t *testing.T) {
	s := newStage(t)
	if process.library != nil { // -count
		s.library = process.library.path
	}
	t.Run("energy is the analytic integral", s.testEnergy)
	t.Run("driver appears", s.testAppears)
	t.Run("all metrics", s.testAllMetrics)
	t.Run("receivers share the library", s.testShared)
	t.Run("hang", s.testHang)
	t.Run("another library", func(t *testing.T) {
		err := newDriver("/opt/other/libnvidia-ml.so.1").open()
		require.ErrorContains(t, err, `library_path: "/opt/other/libnvidia-ml.so.1" cannot be used, since this process has loaded "`+s.library)
	})
}

func (s *stage) testEnergy(t *testing.T) {
	const second = time.Second
	gpus := map[string]fakenvml.GPU{
		idA: {
			UUID: idA, Name: "Fake A", Initial: 126_272_101_025, Power: fakenvml.Square{Low: 71.3, High: 655.7, Period: 1700 * time.Millisecond, Duty: 0.37},
			Events: []fakenvml.Event{{At: 33_333 * time.Millisecond, Kind: fakenvml.Reset}},
		},
		idB: {
			UUID: idB, Name: "Fake B", Power: fakenvml.Const{Watts: 333.333}, Update: 20 * time.Millisecond,
			Events: []fakenvml.Event{{At: 45 * second, Kind: fakenvml.Lost}, {At: 72 * second, Kind: fakenvml.Back}},
		},
	}
	s.play(t, gpus[idA], gpus[idB])
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		h := run(t, newDriver(s.library), func(c *Config) {
			s.configure(c)
			c.Controller.InitialDelay = 0
			c.Controller.CollectionInterval = second
		})
		seen := map[string]int{}
		last := map[string]float64{}
		for at := 2 * second; at <= 120*second; at += second {
			// A collection falls on the end; the clock has to be there before it.
			s.until(t, begin, at-time.Millisecond)
			require.NoError(t, s.clock.Set(at))
			time.Sleep(time.Millisecond)
			synctest.Wait()
			got := h.joules()
			for id, joules := range got {
				seen[id]++
				require.GreaterOrEqual(t, joules, last[id], "never falls")
				last[id] = joules
				// What was read since the beginning, but for what a reset has swallowed.
				counted := gpus[id].Counter(at) - gpus[id].Counter(0)
				if id == idA && at >= 34*second {
					counted = gpus[id].Counter(33*second) - gpus[id].Counter(0) + gpus[id].Counter(at)
				}
				require.InDelta(t, float64(counted)/1e3, joules, 1e-6, "%s at %v", id, at)
				if id == idB {
					integral := fakenvml.Energy(gpus[id].Power, at)
					require.InDelta(t, integral, joules, 0.001, "to 1 mJ")
				}
			}
			require.Contains(t, got, idA)
			lost := at >= 45*second && at < 72*second
			if lost {
				require.NotContains(t, got, idB, "at %v", at)
			}
		}
		assert.Equal(t, 119, seen[idA])
		assert.GreaterOrEqual(t, seen[idB], 119-27-60, "back within a minute")
		assert.Less(t, seen[idB], 119-26)
		assert.Positive(t, h.skipped()["lost"])
		assert.Equal(t, int64(1), h.skipped()["reset"])
	})
}

func (s *stage) testAppears(t *testing.T) {
	require.NoError(t, os.Remove(s.scenario)) // without it, the driver is not loaded
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newDriver(s.library), s.configure)
		h.tick()
		entries := h.logs.TakeAll()
		require.Len(t, entries, 1)
		require.Equal(t, "nvmlInit_v2 of "+s.library+": the NVIDIA kernel driver is not loaded (NVML error 9)", entries[0].ContextMap()["error"])
		s.play(t, fakenvml.GPU{UUID: idA, Name: "Fake A", Power: fakenvml.Const{Watts: 100}})
		h.tick()
		h.tick()
		require.Equal(t, map[string]float64{idA: 0}, h.joules())
		require.Equal(t, []string{"GPU found"}, h.messages())
	})
}

func (s *stage) testAllMetrics(t *testing.T) {
	s.play(t, fakenvml.GPU{
		UUID: idA, Name: "Fake A", Power: fakenvml.Const{Watts: 400}, Memory: 8 << 30,
		Processes: []fakenvml.Process{{PID: 1, SMPercent: 75, Memory: 2 << 30, End: time.Hour}},
	})
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newDriver(s.library), func(c *Config) {
			s.configure(c)
			everything(c)
		})
		require.NoError(t, s.clock.Set(10*time.Second))
		h.tick()
		for metric, want := range map[string]float64{"hw.energy": 4000, "hw.power": 400, "hw.gpu.utilization": 0.75, "hw.gpu.memory.utilization": 0.25} {
			require.Len(t, h.last(metric), 1, metric)
			assert.InDelta(t, want, h.last(metric)[0].DoubleValue(), 1e-9, metric)
		}
		for metric, want := range map[string]int64{"hw.temperature": 50, "hw.gpu.memory.usage": 2 << 30, "hw.gpu.memory.limit": 8 << 30} {
			require.Len(t, h.last(metric), 1, metric)
			assert.Equal(t, want, h.last(metric)[0].IntValue(), metric)
		}
	})
}

func everything(c *Config) {
	m := &c.Metrics.Metrics
	m.HwPower.Enabled, m.HwTemperature.Enabled, m.HwGpuUtilization.Enabled = true, true, true
	m.HwGpuMemoryUsage.Enabled, m.HwGpuMemoryLimit.Enabled, m.HwGpuMemoryUtilization.Enabled = true, true, true
}

// The race detector watches this one: go-nvml writes package variables when it opens and closes.
func (s *stage) testShared(t *testing.T) {
	s.play(t, fakenvml.GPU{UUID: idA, Name: "Fake A", Power: fakenvml.Const{Watts: 100}})
	synctest.Test(t, func(t *testing.T) {
		for range 5 {
			one, other := run(t, newDriver(s.library), s.configure), run(t, newDriver(""), everything)
			one.tick()
			require.NoError(t, one.Shutdown(t.Context()))
			other.tick()
			require.Len(t, other.energy(), 1, "the library stays open for the other")
			require.NoError(t, other.Shutdown(t.Context()))
			require.Zero(t, process.users)
		}
	})
}

// A hang in C is out of reach of synctest: the receiver waits for it in real time.
func (s *stage) testHang(t *testing.T) {
	s.play(t, fakenvml.GPU{UUID: idA, Name: "Fake A", Power: fakenvml.Const{Watts: 100}, Events: []fakenvml.Event{
		{At: time.Second, Kind: fakenvml.Hang}, {At: time.Minute, Kind: fakenvml.Unhang},
	}})
	d := newDriver(s.library)
	require.NoError(t, d.open())
	handle, err := d.device(0)
	require.NoError(t, err)
	w := &watch{}
	gpu := watchedDevice{handle, w, idA}
	require.NoError(t, s.clock.Set(time.Second))
	answered := make(chan error)
	go func() {
		_, err := gpu.energy()
		answered <- err
	}()
	require.Eventually(t, func() bool { return w.current.Load() != nil }, time.Minute, time.Millisecond)
	require.ErrorContains(t, w.overdue(), "the NVIDIA driver does not answer: nvmlDeviceGetTotalEnergyConsumption of "+idA)
	require.NoError(t, s.clock.Set(time.Minute))
	require.NoError(t, <-answered)
	require.NoError(t, d.close())
}

// A call to a function that the library lacks would end the process: each case has one of its own.
func TestMissingSymbols(t *testing.T) {
	const child = "NVMLENERGY_TEST_LIBRARY"
	if library := os.Getenv(child); library != "" {
		runWithMissingSymbols(t, library)
		return
	}
	optional := []string{symbolEnergy, symbolMaxPowerLimit, symbolEnforcedPowerLimit, symbolUtilization, symbolMemory, symbolTemperature}
	cases := map[string][]string{"all optional ones": optional, "nvmlErrorString": {"nvmlErrorString"}, "nvmlShutdown": {symbolShutdown}}
	for _, symbol := range append(optional, symbolInit, symbolCount, symbolHandle, symbolUUID, symbolName) {
		cases[symbol] = []string{symbol}
	}
	for name, missing := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, missing...)
			s.play(t, fakenvml.GPU{UUID: idA, Name: "Fake A", Power: fakenvml.Const{Watts: 100}})
			command := exec.Command(os.Args[0], "-test.run=^TestMissingSymbols$", "-test.v")
			command.Env = append(os.Environ(), child+"="+s.library, child+"_LACKS="+strings.Join(missing, ","))
			var output bytes.Buffer
			command.Stdout, command.Stderr = &output, &output
			require.NoError(t, command.Run(), "%s", &output)
			require.Contains(t, output.String(), "--- PASS: TestMissingSymbols")
		})
	}
}

func runWithMissingSymbols(t *testing.T, library string) {
	t.Helper()
	lacks := os.Getenv("NVMLENERGY_TEST_LIBRARY_LACKS")
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newDriver(library), func(c *Config) {
			c.LibraryPath = library
			everything(c)
		})
		h.tick()
		for _, required := range []string{symbolInit, symbolShutdown, symbolCount, symbolHandle, symbolUUID, symbolName} {
			if lacks == required {
				entries := h.logs.TakeAll()
				require.Len(t, entries, 1)
				require.Contains(t, entries[0].ContextMap()["error"], "it lacks "+required)
				require.Zero(t, h.sink.DataPointCount())
				return
			}
		}
		for metric, symbol := range map[string]string{
			"hw.energy": symbolEnergy, "hw.power": symbolEnergy, "hw.temperature": symbolTemperature,
			"hw.gpu.utilization": symbolUtilization, "hw.gpu.memory.usage": symbolMemory,
		} {
			if strings.Contains(lacks, symbol) {
				assert.Empty(t, h.last(metric))
				assert.Positive(t, h.skipped()["unsupported"])
			} else {
				assert.Len(t, h.last(metric), 1, metric)
			}
		}
	})
}

func TestNoLibrary(t *testing.T) {
	dir := t.TempDir()
	noLibrary := filepath.Join(dir, "libnvidia-ml.so.1")
	_, err := findLibrary(noLibrary)
	require.EqualError(t, err, "library_path: "+noLibrary+": cannot open shared object file: No such file or directory")

	require.NoError(t, os.WriteFile(noLibrary, []byte("no ELF file"), 0o600))
	_, err = findLibrary(noLibrary)
	require.ErrorContains(t, err, "library_path: "+noLibrary+": ")
	require.NotContains(t, err.Error(), "\n")

	_, err = openLibrary("libc.so.6")
	require.EqualError(t, err, "libc.so.6 is no NVML that can be used: it lacks nvmlInit_v2")
}
