// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package fakenvml

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCounterFaults(t *testing.T) {
	const ms = time.Millisecond
	flat := func(events ...Event) GPU { return GPU{Power: Const{100}, Events: events} } // 10 J in 100 ms
	burst := Square{Low: 0, High: 400, Period: 100 * ms, Duty: 0.5}
	for name, tt := range map[string]struct {
		gpu  GPU
		want map[time.Duration]uint64 // mJ
	}{
		"stuck, then true": {
			flat(Event{1050 * ms, Stuck}, Event{2 * time.Second, Unstuck}),
			map[time.Duration]uint64{1040 * ms: 100_000, 1999 * ms: 100_000, 2 * time.Second: 200_000},
		},
		"stuck, then on from there": {
			flat(Event{1050 * ms, Stuck}, Event{2050 * ms, Resume}),
			map[time.Duration]uint64{2 * time.Second: 100_000, 2099 * ms: 100_000, 2100 * ms: 110_000, 3 * time.Second: 200_000},
		},
		"a reset ends it": {
			flat(Event{time.Second, Stuck}, Event{2 * time.Second, Reset}),
			map[time.Duration]uint64{1999 * ms: 100_000, 2 * time.Second: 0, 2100 * ms: 10_000},
		},
		"glitch": {
			flat(Event{1030 * ms, Glitch(1 << 60)}),
			map[time.Duration]uint64{1029 * ms: 100_000, 1030 * ms: 1 << 60, 1129 * ms: 1 << 60, 1130 * ms: 110_000},
		},
		"gain": {
			GPU{Power: Const{100}, Initial: 7, CounterGain: 1.05},
			map[time.Duration]uint64{0: 7, time.Second: 105_007},
		},
		"module": {
			GPU{Power: Const{100}, Module: Const{250}, CountsModule: true},
			map[time.Duration]uint64{time.Second: 250_000},
		},
		"a sensor that sees the bursts only": {
			GPU{Power: Square{Low: 400, High: 0, Period: 100 * ms, Duty: 0.5}, Sensor: 25 * ms, CountsSensor: true},
			map[time.Duration]uint64{time.Second: 400_000},
		},
		"a sensor that sees none of them": {
			GPU{Power: burst, Sensor: 25 * ms, CountsSensor: true},
			map[time.Duration]uint64{time.Second: 0},
		},
		"a sensor that the counter does not share": {
			GPU{Power: burst, Sensor: 25 * ms},
			map[time.Duration]uint64{time.Second: 200_000},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.gpu.UUID, tt.gpu.Name = "GPU-0", "Fake"
			lib, clock := play(t, Scenario{GPUs: []GPU{tt.gpu}})
			for at, want := range tt.want {
				require.NoError(t, clock.Set(at))
				raw, ret := device(t, lib, 0).GetTotalEnergyConsumption()
				require.Equal(t, nvml.SUCCESS, ret)
				assert.Equal(t, want, raw, at)
				assert.Equal(t, want, tt.gpu.Counter(at), at)
			}
		})
	}
}

// writeTrace is a recording of so many points.
func writeTrace(t require.TestingT, path string, points [][2]float64) {
	var b strings.Builder
	b.WriteString("t_ms,W\n")
	for _, p := range points {
		fmt.Fprintf(&b, "%s,%s\n", decimal(p[0]), decimal(p[1]))
	}
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
}

// The library and its twin in Go count by different arithmetic, whatever befalls the counter.
func TestFaultyCounterEqualsItsTwin(t *testing.T) {
	lib, clock := play(t, Scenario{GPUs: []GPU{{UUID: "GPU-0", Name: "Fake", Power: Const{1}}}})
	dir := filepath.Dir(clock.path)
	watts := rapid.Map(rapid.IntRange(0, 1_000_000), func(mW int) float64 { return float64(mW) / 1e3 })
	kinds := rapid.SampledFrom([]EventKind{Reset, Stuck, Stuck, Unstuck, Resume, Resume, Glitch(12345), Lost, Back})
	rapid.Check(t, func(t *rapid.T) {
		end := int64(20 * time.Second)
		moment := rapid.Map(rapid.Int64Range(0, end), func(ns int64) time.Duration { return time.Duration(ns) })
		g := GPU{UUID: "GPU-0", Name: "Fake", Initial: rapid.Uint64Max(1<<40).Draw(t, "initial")}
		g.Update = time.Duration(rapid.IntRange(1, 500).Draw(t, "update")) * time.Millisecond
		tolerance := 0.0
		if rapid.Bool().Draw(t, "recorded") {
			var points [][2]float64
			for at := rapid.IntRange(0, 3000).Draw(t, "first"); len(points) < 200 && (len(points) == 0 || rapid.IntRange(0, 99).Draw(t, "more") > 0); {
				points = append(points, [2]float64{float64(at) / 7, watts.Draw(t, "watts")})
				at += rapid.IntRange(1, 5000).Draw(t, "gap")
			}
			path := filepath.Join(dir, "trace.csv")
			writeTrace(t, path, points)
			trace, err := LoadTrace(path)
			require.NoError(t, err)
			if trace.Linear = rapid.Bool().Draw(t, "linear"); trace.Linear {
				tolerance = 1 // the library rounds to pJ
			}
			g.Power = trace
		} else {
			g.Power = Square{watts.Draw(t, "low"), watts.Draw(t, "high"), time.Duration(rapid.IntRange(1, 1e9).Draw(t, "period")), 0.3}
		}
		if rapid.Bool().Draw(t, "part-time") {
			g.Sensor = time.Duration(rapid.Int64Range(1, int64(g.Update)).Draw(t, "window"))
			g.CountsSensor = rapid.Bool().Draw(t, "inherits")
			tolerance = 1
		}
		if rapid.Bool().Draw(t, "wrong") {
			g.CounterGain = float64(rapid.IntRange(1, 3000).Draw(t, "gain")) / 1000
		}
		for range rapid.IntRange(0, 8).Draw(t, "events") {
			g.Events = append(g.Events, Event{moment.Draw(t, "at"), kinds.Draw(t, "kind")})
		}
		s := Scenario{Clock: clock, GPUs: []GPU{g}}
		for range rapid.IntRange(0, 2).Draw(t, "reloads") {
			s.Reloads = append(s.Reloads, Reload{At: moment.Draw(t, "reload")})
		}
		require.NoError(t, s.WriteFile(filepath.Join(dir, "scenario")))
		require.Equal(t, nvml.SUCCESS, lib.Init())
		defer func() { assert.Equal(t, nvml.SUCCESS, lib.Shutdown()) }()
		for range 5 {
			at := moment.Draw(t, "read")
			require.NoError(t, clock.Set(at))
			d, ret := lib.DeviceGetHandleByIndex(0)
			if ret == nvml.ERROR_GPU_IS_LOST {
				continue
			}
			require.Equal(t, nvml.SUCCESS, ret)
			raw, ret := d.GetTotalEnergyConsumption()
			require.Equal(t, nvml.SUCCESS, ret)
			require.InDelta(t, float64(s.Counter(0, at)), float64(raw), tolerance, at)
		}
	})
}

func TestTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.csv")
	writeTrace(t, path, [][2]float64{{1000, 100}, {2000, 300}, {4000, 0}})
	step, err := LoadTrace(path)
	require.NoError(t, err)
	linear := step
	linear.Linear = true
	assert.InDelta(t, 100+100+600, Energy(step, 5*time.Second), 1e-9)
	assert.InDelta(t, 100+200+300, Energy(linear, 5*time.Second), 1e-9)
	lib, clock := play(t, Scenario{GPUs: []GPU{
		{UUID: "GPU-0", Name: "Fake", Power: step, Update: time.Millisecond},
		{UUID: "GPU-1", Name: "Fake", Power: linear, Update: time.Millisecond},
	}})
	for at, want := range map[time.Duration][2]uint32{
		0:                       {100_000, 100_000},
		1500 * time.Millisecond: {100_000, 200_000},
		3 * time.Second:         {300_000, 150_000},
		time.Hour:               {0, 0},
	} {
		require.NoError(t, clock.Set(at))
		for i := range want {
			assert.Equal(t, want[i], fieldOf(t, device(t, lib, i), 186, 0), "%v GPU %d", at, i)
		}
	}

	require.NoError(t, os.WriteFile(path, []byte("t_ms,W\n"), 0o600))
	_, err = LoadTrace(path)
	require.ErrorContains(t, err, "no points")
	require.NoError(t, os.WriteFile(path, []byte("1,2\n3,W\n"), 0o600))
	_, err = LoadTrace(path)
	require.ErrorContains(t, err, "row 2")
}

// fieldOf is the value of a field of 32 bits.
func fieldOf(t *testing.T, d nvml.Device, field, scope uint32) uint32 {
	t.Helper()
	values := []nvml.FieldValue{{FieldId: field, ScopeId: scope}}
	require.Equal(t, nvml.SUCCESS, d.GetFieldValues(values))
	require.Equal(t, nvml.SUCCESS, nvml.Return(values[0].NvmlReturn))
	v := values[0].Value
	return uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24
}

func fieldReturn(t *testing.T, d nvml.Device, field, scope uint32) nvml.Return {
	t.Helper()
	values := []nvml.FieldValue{{FieldId: field, ScopeId: scope}}
	require.Equal(t, nvml.SUCCESS, d.GetFieldValues(values))
	return nvml.Return(values[0].NvmlReturn)
}

func TestArchitectures(t *testing.T) {
	for arch, want := range map[string]struct {
		number           nvml.DeviceArchitecture
		counts, averages bool
		usage            uint32 // mW, at the end of a second of which the last half was idle
		migMode, gpm     bool
	}{
		"pascal":    {number: nvml.DEVICE_ARCH_PASCAL, usage: 100_000},
		"volta":     {number: nvml.DEVICE_ARCH_VOLTA, counts: true, usage: 100_000},
		"ga100":     {number: nvml.DEVICE_ARCH_AMPERE, counts: true, usage: 100_000, migMode: true},
		"ampere":    {number: nvml.DEVICE_ARCH_AMPERE, counts: true, averages: true, usage: 200_000, migMode: true},
		"":          {number: nvml.DEVICE_ARCH_HOPPER, counts: true, averages: true, usage: 200_000, migMode: true, gpm: true},
		"blackwell": {number: nvml.DEVICE_ARCH_BLACKWELL, counts: true, averages: true, usage: 200_000, migMode: true, gpm: true},
	} {
		t.Run(arch, func(t *testing.T) {
			lib, clock := play(t, Scenario{GPUs: []GPU{{
				UUID: "GPU-0", Name: "Fake", Arch: arch, Power: Square{Low: 100, High: 300, Period: time.Second, Duty: 0.5},
			}}})
			require.NoError(t, clock.Set(1999*time.Millisecond))
			d := device(t, lib, 0)
			number, _ := d.GetArchitecture()
			assert.Equal(t, want.number, number)
			major, minor, _ := d.GetCudaComputeCapability()
			assert.Equal(t, arch == "ga100", major == 8 && minor == 0)
			_, ret := d.GetTotalEnergyConsumption()
			assert.Equal(t, want.counts, ret == nvml.SUCCESS)
			assert.Equal(t, want.averages, fieldReturn(t, d, 185, 0) == nvml.SUCCESS)
			usage, _ := d.GetPowerUsage()
			assert.InDelta(t, want.usage, usage, 20_000)
			_, _, ret = d.GetMigMode()
			assert.Equal(t, want.migMode, ret == nvml.SUCCESS)
			support, ret := d.GpmQueryDeviceSupport()
			assert.Equal(t, nvml.SUCCESS, ret)
			assert.Equal(t, want.gpm, support.IsSupportedDevice == 1)
		})
	}
}

func TestScopes(t *testing.T) {
	lib, clock := play(t, Scenario{
		Unsupported: []string{"field:186:1"},
		GPUs: []GPU{
			{UUID: "GPU-0", Name: "Fake", Power: Const{300}, Module: Const{700}, MemoryPower: Const{80}, ModuleID: 3, CountsModule: true},
			{UUID: "GPU-1", Name: "Fake", Power: Const{300}, Module: Const{700}, MemoryPower: Const{80}},
		},
	})
	require.NoError(t, clock.Set(10*time.Second))
	d := device(t, lib, 0)
	id, _ := d.GetModuleId()
	assert.Equal(t, 3, id)
	assert.EqualValues(t, 300_000, fieldOf(t, d, 185, 0))
	assert.EqualValues(t, 700_000, fieldOf(t, d, 185, 1))
	assert.EqualValues(t, 80_000, fieldOf(t, d, 185, 2))
	assert.Equal(t, nvml.ERROR_NOT_SUPPORTED, fieldReturn(t, d, 185, 3))
	assert.Equal(t, nvml.ERROR_NOT_SUPPORTED, fieldReturn(t, d, 186, 1))
	assert.EqualValues(t, 80_000, fieldOf(t, d, 186, 2))
	assert.EqualValues(t, 7_000_000, fieldOf(t, d, 191, 0), "the counter covers the module")
	assert.EqualValues(t, 7_000_000, fieldOf(t, d, 191, 1))
	assert.EqualValues(t, 3_000_000, fieldOf(t, device(t, lib, 1), 191, 0))
	_, samples, ret := d.GetSamples(nvml.MODULE_POWER_SAMPLES, 0)
	require.Equal(t, nvml.SUCCESS, ret)
	assert.Equal(t, [8]byte{0x60, 0xAE, 0x0A}, samples[0].SampleValue)
}

func TestSensorSamplesAndAverages(t *testing.T) {
	lib, clock := play(t, Scenario{GPUs: []GPU{{
		UUID: "GPU-0", Name: "Fake", Sensor: 25 * time.Millisecond, SampleSpacing: 50 * time.Millisecond, SampleRing: 10,
		Power: Square{Low: 100, High: 500, Period: 200 * time.Millisecond, Duty: 0.5},
	}}})
	require.NoError(t, clock.Set(2*time.Second))
	d := device(t, lib, 0)
	assert.EqualValues(t, 100_000, fieldOf(t, d, 186, 0))
	assert.EqualValues(t, 300_000, fieldOf(t, d, 185, 0))
	_, samples, ret := d.GetSamples(nvml.TOTAL_POWER_SAMPLES, 0)
	require.Equal(t, nvml.SUCCESS, ret)
	require.Len(t, samples, 10)
	assert.EqualValues(t, 1_000_000_000_000_000+2_000_000, samples[9].TimeStamp)
}
