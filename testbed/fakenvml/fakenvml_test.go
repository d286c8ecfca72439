// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package fakenvml

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// library is built once: a process stays with the first one that it has loaded.
var library = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fakenvml-test")
	if err != nil {
		return "", err
	}
	return Build(dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := library(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// play initialises the library with the scenario. The clock is at 0.
func play(t *testing.T, s Scenario) (nvml.Interface, *Clock) {
	t.Helper()
	path, err := library()
	require.NoError(t, err)
	dir := t.TempDir()
	s.Clock, err = NewClock(filepath.Join(dir, "clock"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Clock.Close()) })
	require.NoError(t, s.WriteFile(filepath.Join(dir, "scenario")))
	t.Setenv(ScenarioEnv, filepath.Join(dir, "scenario"))
	lib := nvml.New(nvml.WithLibraryPath(path))
	require.Equal(t, nvml.SUCCESS, lib.Init())
	t.Cleanup(func() { assert.Equal(t, nvml.SUCCESS, lib.Shutdown()) })
	return lib, s.Clock
}

func device(t *testing.T, lib nvml.Interface, index int) nvml.Device {
	t.Helper()
	d, ret := lib.DeviceGetHandleByIndex(index)
	require.Equal(t, nvml.SUCCESS, ret)
	return d
}

func TestGolden(t *testing.T) {
	square := Square{Low: 100, High: 600, Period: time.Second, Duty: 0.25}
	for _, tt := range []struct {
		gpu  GPU
		at   time.Duration
		want uint64 // mJ
	}{
		{GPU{Power: Const{350}}, 10 * time.Second, 3_500_000},
		{GPU{Power: Const{350}}, 99 * time.Millisecond, 0},
		{GPU{Power: Const{350}}, 199 * time.Millisecond, 35_000},
		{GPU{Power: Const{0.001}, Initial: 126_272_101_025}, 1999 * time.Millisecond, 126_272_101_026},
		{GPU{Power: square}, time.Second, 225_000},
		{GPU{Power: square}, 1200 * time.Millisecond, 225_000 + 120_000},
		{GPU{Power: square, Update: time.Millisecond}, 1375 * time.Millisecond, 225_000 + 150_000 + 12_500},
		{GPU{Power: square, Initial: 7, Events: []Event{{time.Second, Reset}}}, 1050 * time.Millisecond, 0},
		{GPU{Power: square, Initial: 7, Events: []Event{{time.Second, Reset}}}, 1250 * time.Millisecond, 120_000},
		{GPU{Power: square, Initial: 7, Events: []Event{{950 * time.Millisecond, Reset}}}, time.Second, 5_000},
		{GPU{Power: Sine{Low: 100, High: 500, Period: 2 * time.Second}}, 4 * time.Second, 1_200_000},
		{GPU{Power: Sine{Low: 100, High: 500, Period: 2 * time.Second}}, time.Second, 300_000 + 127_323},
	} {
		tt.gpu.UUID, tt.gpu.Name = "GPU-golden", "Fake"
		t.Run(tt.gpu.Power.String()+" "+tt.at.String(), func(t *testing.T) {
			lib, clock := play(t, Scenario{GPUs: []GPU{tt.gpu}})
			require.NoError(t, clock.Set(tt.at))
			raw, ret := device(t, lib, 0).GetTotalEnergyConsumption()
			require.Equal(t, nvml.SUCCESS, ret)
			assert.Equal(t, tt.want, raw)
			assert.Equal(t, tt.want, tt.gpu.Counter(tt.at))
		})
	}
}

// The library and its twin in Go integrate by different arithmetic.
func TestCounterEqualsAnalyticIntegral(t *testing.T) {
	lib, clock := play(t, Scenario{GPUs: []GPU{{UUID: "GPU-0", Name: "Fake", Power: Const{1}}}})
	file := filepath.Join(filepath.Dir(clock.path), "scenario")
	milliwatts := rapid.Map(rapid.IntRange(0, 1_000_000), func(mW int) float64 { return float64(mW) / 1e3 })
	period := rapid.Map(rapid.IntRange(1, 10_000_000), func(us int) time.Duration { return time.Duration(us) * time.Microsecond })
	rapid.Check(t, func(t *rapid.T) {
		g := GPU{UUID: "GPU-0", Name: "Fake", Initial: rapid.Uint64Max(1<<40).Draw(t, "initial")}
		g.Update = period.Draw(t, "update")
		tolerance := 0.0
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 0:
			g.Power = Const{milliwatts.Draw(t, "power")}
		case 1:
			duty := float64(rapid.IntRange(0, 1000).Draw(t, "duty")) / 1000
			g.Power = Square{milliwatts.Draw(t, "low"), milliwatts.Draw(t, "high"), period.Draw(t, "period"), duty}
		case 2:
			g.Power = Sine{milliwatts.Draw(t, "low"), milliwatts.Draw(t, "high"), period.Draw(t, "period")}
			tolerance = 1 // where the last bit of a cosine decides the rounding
		}
		end := 30 * 24 * time.Hour
		for range rapid.IntRange(0, 3).Draw(t, "resets") {
			g.Events = append(g.Events, Event{time.Duration(rapid.Int64Range(0, int64(end)).Draw(t, "reset")), Reset})
		}
		at := time.Duration(rapid.Int64Range(0, int64(end)).Draw(t, "at"))

		require.NoError(t, Scenario{Clock: clock, GPUs: []GPU{g}}.WriteFile(file))
		require.NoError(t, clock.Set(at))
		require.Equal(t, nvml.SUCCESS, lib.Init())
		defer func() { assert.Equal(t, nvml.SUCCESS, lib.Shutdown()) }()
		d, ret := lib.DeviceGetHandleByIndex(0)
		require.Equal(t, nvml.SUCCESS, ret)
		raw, ret := d.GetTotalEnergyConsumption()
		require.Equal(t, nvml.SUCCESS, ret)
		require.InDelta(t, float64(g.Counter(at)), float64(raw), tolerance)
		if len(g.Events) == 0 {
			require.InDelta(t, Energy(g.Power, at.Truncate(g.Update)), float64(raw-g.Initial)/1e3, 0.0011+tolerance/1e3)
		}
	})
}

func TestEvents(t *testing.T) {
	const second = time.Second
	gpu := func(uuid string, events ...Event) GPU {
		return GPU{UUID: uuid, Name: "Fake", Power: Const{100}, Events: events}
	}
	lib, clock := play(t, Scenario{GPUs: []GPU{
		gpu("GPU-0", Event{2 * second, Lost}, Event{4 * second, Back}, Event{1 * second, Reset}),
		gpu("GPU-1", Event{6 * second, Detach}, Event{8 * second, Attach}),
		gpu("GPU-2", Event{3 * second, Attach}),
	}})
	first := []nvml.Device{device(t, lib, 0), device(t, lib, 1)}

	for _, tt := range []struct {
		at     time.Duration
		uuids  []string // by index; empty if there is no handle
		energy []any    // of the handles taken at the beginning: mJ or the error
	}{
		{0, []string{"GPU-0", "GPU-1"}, []any{0, 0}},
		{2*second - 1, []string{"GPU-0", "GPU-1"}, []any{90_000, 190_000}},
		{2 * second, []string{"", "GPU-1"}, []any{nvml.ERROR_GPU_IS_LOST, 200_000}},
		{3 * second, []string{"", "GPU-1", "GPU-2"}, []any{nvml.ERROR_GPU_IS_LOST, 300_000}},
		{4 * second, []string{"GPU-0", "GPU-1", "GPU-2"}, []any{300_000, 400_000}},
		{6 * second, []string{"GPU-0", "GPU-2"}, []any{500_000, nvml.ERROR_GPU_IS_LOST}},
		{8 * second, []string{"GPU-0", "GPU-1", "GPU-2"}, []any{700_000, nvml.ERROR_GPU_IS_LOST}},
	} {
		require.NoError(t, clock.Set(tt.at))
		count, ret := lib.DeviceGetCount()
		require.Equal(t, nvml.SUCCESS, ret)
		require.Len(t, tt.uuids, count, "%v", tt.at)
		for i, want := range tt.uuids {
			d, ret := lib.DeviceGetHandleByIndex(i)
			if want == "" {
				require.Equal(t, nvml.ERROR_GPU_IS_LOST, ret)
				continue
			}
			uuid, ret := d.GetUUID()
			require.Equal(t, nvml.SUCCESS, ret)
			require.Equal(t, want, uuid)
			_, ret = lib.DeviceGetHandleByUUID(uuid)
			require.Equal(t, nvml.SUCCESS, ret)
		}
		_, ret = lib.DeviceGetHandleByIndex(len(tt.uuids))
		require.Equal(t, nvml.ERROR_INVALID_ARGUMENT, ret)
		for i, want := range tt.energy {
			raw, ret := first[i].GetTotalEnergyConsumption()
			if failure, ok := want.(nvml.Return); ok {
				require.Equal(t, failure, ret, "%v GPU %d", tt.at, i)
				continue
			}
			require.Equal(t, nvml.SUCCESS, ret)
			require.EqualValues(t, want, raw, "%v GPU %d", tt.at, i)
		}
	}
}

func TestHang(t *testing.T) {
	lib, clock := play(t, Scenario{GPUs: []GPU{{UUID: "GPU-0", Name: "Fake", Power: Const{100}, Events: []Event{{time.Second, Hang}, {2 * time.Second, Unhang}}}}})
	d := device(t, lib, 0)
	require.NoError(t, clock.Set(time.Second))
	answered := make(chan uint64)
	go func() {
		raw, _ := d.GetTotalEnergyConsumption()
		answered <- raw
	}()
	select {
	case <-answered:
		require.Fail(t, "the call did not hang")
	case <-time.After(20 * time.Millisecond): // in C, out of reach of synctest
	}
	require.NoError(t, clock.Set(2*time.Second))
	require.EqualValues(t, 200_000, <-answered)
}

func TestSensors(t *testing.T) {
	const gib = 1 << 30
	lib, clock := play(t, Scenario{
		Unsupported: []string{"nvmlDeviceGetSerial", "field:191"},
		GPUs: []GPU{{
			UUID: "GPU-0", Name: "NVIDIA H100 80GB HBM3", Limit: 350.5, Update: 10 * time.Millisecond,
			Power:     Square{Low: 100, High: 300, Period: time.Second, Duty: 0.5},
			Processes: []Process{{PID: 7, SMPercent: 60, Memory: 2 * gib, End: 10 * time.Second}, {PID: 9, SMPercent: 70, Memory: gib, Start: 5 * time.Second, End: 6 * time.Second}},
		}},
	})
	require.NoError(t, clock.Set(5100*time.Millisecond))
	d := device(t, lib, 0)

	name, _ := d.GetName()
	assert.Equal(t, "NVIDIA H100 80GB HBM3", name)
	usage, _ := d.GetPowerUsage()
	assert.EqualValues(t, 200_000, usage)
	limit, _ := d.GetEnforcedPowerLimit()
	assert.EqualValues(t, 350_500, limit)
	_, most, _ := d.GetPowerManagementLimitConstraints()
	assert.EqualValues(t, 350_500, most)
	utilization, _ := d.GetUtilizationRates()
	assert.EqualValues(t, 100, utilization.Gpu)
	memory, _ := d.GetMemoryInfo()
	assert.Equal(t, nvml.Memory{Total: 80 * gib, Used: 3 * gib, Free: 77 * gib}, memory)
	second, _ := d.GetMemoryInfo_v2()
	assert.EqualValues(t, 3*gib, second.Used)
	celsius, _ := d.GetTemperature(nvml.TEMPERATURE_GPU)
	assert.EqualValues(t, 40, celsius)
	pci, _ := d.GetPciInfo()
	assert.EqualValues(t, 1, pci.Bus)
	architecture, _ := d.GetArchitecture()
	assert.EqualValues(t, nvml.DEVICE_ARCH_HOPPER, architecture)
	mhz, _ := d.GetClockInfo(nvml.CLOCK_SM)
	assert.EqualValues(t, 1980, mhz)
	current, pending, ret := d.GetMigMode()
	assert.Equal(t, []int{0, 0, 0}, []int{current, pending, int(ret)})
	processes, ret := d.GetComputeRunningProcesses()
	require.Equal(t, nvml.SUCCESS, ret)
	require.Len(t, processes, 2)
	assert.Equal(t, nvml.ProcessInfo{Pid: 9, UsedGpuMemory: gib, GpuInstanceId: 0xFFFFFFFF, ComputeInstanceId: 0xFFFFFFFF}, processes[1])
	_, ret = d.GetSerial()
	assert.Equal(t, nvml.ERROR_NOT_SUPPORTED, ret)

	fields := []nvml.FieldValue{{FieldId: 83}, {FieldId: 185}, {FieldId: 186}, {FieldId: 191}, {FieldId: 83, ScopeId: 1}}
	require.Equal(t, nvml.SUCCESS, d.GetFieldValues(fields))
	results := make([]nvml.Return, len(fields))
	for i, f := range fields {
		results[i] = nvml.Return(f.NvmlReturn)
	}
	assert.Equal(t, []nvml.Return{0, 0, 0, nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_NOT_SUPPORTED}, results)
	assert.Equal(t, [8]byte{0x70, 0xB7, 0x0F}, fields[0].Value, "1 030 000 mJ")
	assert.Equal(t, [8]byte{0x40, 0x0D, 0x03}, fields[1].Value, "200 000 mW")
	assert.Equal(t, [8]byte{0xE0, 0x93, 0x04}, fields[2].Value, "300 000 mW")
}

func TestRealTime(t *testing.T) {
	path, err := library()
	require.NoError(t, err)
	g := GPU{UUID: "GPU-0", Name: "Fake", Power: Const{1000}, Update: time.Microsecond}
	file := filepath.Join(t.TempDir(), "scenario")
	require.NoError(t, Scenario{GPUs: []GPU{g}, Epoch: time.Now().Add(-time.Hour)}.WriteFile(file))
	t.Setenv(ScenarioEnv, file)
	lib := nvml.New(nvml.WithLibraryPath(path))
	require.Equal(t, nvml.SUCCESS, lib.Init())
	raw, _ := device(t, lib, 0).GetTotalEnergyConsumption()
	assert.GreaterOrEqual(t, raw, uint64(3_600_000_000))
	require.Equal(t, nvml.SUCCESS, lib.Shutdown())

	require.NoError(t, Scenario{GPUs: []GPU{g}}.WriteFile(file))
	require.Equal(t, nvml.SUCCESS, lib.Init())
	raw, _ = device(t, lib, 0).GetTotalEnergyConsumption()
	later, _ := device(t, lib, 0).GetTotalEnergyConsumption()
	assert.Less(t, later, uint64(3_600_000_000))
	assert.GreaterOrEqual(t, later, raw)
	require.Equal(t, nvml.SUCCESS, lib.Shutdown())
}

func TestMissing(t *testing.T) {
	path, err := Build(t.TempDir(), "nvmlDeviceGetPowerUsage", "nvmlDeviceGetTemperature")
	require.NoError(t, err)
	lib := dl.New(path, dl.RTLD_LAZY)
	require.NoError(t, lib.Open())
	require.Error(t, lib.Lookup("nvmlDeviceGetPowerUsage"))
	require.Error(t, lib.Lookup("nvmlDeviceGetTemperature"))
	assert.NoError(t, lib.Lookup("nvmlDeviceGetTotalEnergyConsumption"))
}

func TestBadScenario(t *testing.T) {
	path, err := library()
	require.NoError(t, err)
	lib := nvml.New(nvml.WithLibraryPath(path))
	file := filepath.Join(t.TempDir(), "scenario")
	t.Setenv(ScenarioEnv, file)
	require.Equal(t, nvml.ERROR_DRIVER_NOT_LOADED, lib.Init(), "no file, no driver")

	const gpu = "gpu 0 GPU-0 Fake\n"
	for _, bad := range []string{
		"gpu 1 GPU-0 Fake", "gpu 0 GPU-0", "power 0 const 5", gpu + "power 0 const", gpu + "power 0 const 5 6", gpu + "power 1 const 5",
		gpu + "power 0 square 1 2 0 0.5", gpu + "power 0 square 1 2 1000 1.5", gpu + "power 0 saw 1", gpu + "at 0 5 explode", gpu + "at 0 -5 lost",
		gpu + "update_ms 0", gpu + "proc 0 1 2 3 4", "clock /nonexistent", "epoch now", "unsupported", "frobnicate",
		gpu + "arch 0 fermi", gpu + "sensor 0 101", gpu + "counter_source 0 sensor", gpu + "counter_scope 0 module", gpu + "counter_gain 0 x",
		gpu + "samples 0 0 120", gpu + "samples 0 20 0", gpu + "util 0 0 5", gpu + "garbage 0 power", gpu + "structsize 0 28", gpu + "gpm 0 maybe",
		gpu + "power 0 trace /nonexistent", gpu + "power 0 trace " + os.Args[0] + " spline", gpu + "module 0", gpu + "sm 0 7 const 5",
		gpu + "proc 0 1 2 3 4 5 tensor", gpu + "proc 0 1 2 3 4 5 compute 1", gpu + "proc 0 1 2 3 4 5 compute 1 0", gpu + "proc 0 -1 2 3 4 5",
		gpu + "mig 0 1 0 8 16 MIG-1 0 1", gpu + "mig 0 1 0 1 0 MIG-1 0 1", gpu + "mig 0 1 0 1 16 MIG-1 0 9\nmig 0 1 0 1 16 MIG-2 5 9",
		gpu + "at 0 5 glitch", gpu + "at 0 5 xid", gpu + "at 0 5 xid 1 2", gpu + "at 0 5 mig maybe",
		gpu + strings.Repeat("mig 0 1 0 1 16 MIG 0 9\n", 2), gpu + "fail 0 x y 1 2", gpu + "fail 1 x 3 1 2", gpu + "latency 0 x", gpu + "reasons 0 1",
		"driver", "driver_mismatch x", "reload", "reload 1 x", "fail * x",
	} {
		require.NoError(t, os.WriteFile(file, []byte(bad+"\n"), 0o600))
		assert.Equal(t, nvml.ERROR_UNKNOWN, lib.Init(), bad)
	}

	require.NoError(t, os.WriteFile(file, []byte("# a comment\n\n"+gpu+"power GPU-0 sine 1 2 3 # by UUID\n"), 0o600))
	require.Equal(t, nvml.SUCCESS, lib.Init())
	require.Equal(t, nvml.SUCCESS, lib.Shutdown())
}
