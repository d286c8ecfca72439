// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package fakenvml

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// base is the Unix time in µs at which a scenario with a clock and no epoch begins.
const base = 1_000_000_000_000_000

func TestUtilization(t *testing.T) {
	const ms = time.Millisecond
	lib, clock := play(t, Scenario{GPUs: []GPU{{
		UUID: "GPU-0", Name: "Fake", Power: Const{100}, UtilPeriod: 200 * ms, UtilLag: 300 * ms,
		Processes: []Process{
			{PID: 1, SMPercent: 60, End: time.Hour},
			{PID: 2, SMPercent: 30, Start: 500 * ms, End: 900 * ms},
			{PID: 3, SM: Square{Low: 0, High: 80, Period: 400 * ms, Duty: 0.5}, End: time.Hour},
			{PID: 4, End: time.Hour}, // idle: no sample
		},
	}}})
	d := device(t, lib, 0)
	type sample struct{ pid, sm, us int }
	for _, tt := range []struct {
		at       time.Duration
		lastSeen int
		want     []sample // none is NOT_FOUND
	}{
		{499 * ms, 0, nil},
		{500 * ms, 0, []sample{{1, 60, 200_000}, {3, 80, 200_000}}},
		{700 * ms, 200_000, []sample{{1, 60, 400_000}}},
		{700 * ms, 400_000, nil},
		{1100 * ms, 400_000, []sample{{1, 60, 800_000}, {2, 23, 800_000}, {3, 80, 600_000}}}, // 2: 15 % and 30 %
		{5 * time.Second, 0, []sample{{1, 60, 4_600_000}, {2, 20, 1_000_000}, {3, 80, 4_600_000}}},
		{5 * time.Second, 1_000_000, []sample{{1, 60, 4_600_000}, {3, 80, 4_600_000}}},
		{time.Minute, 0, []sample{{1, 60, 59_600_000}, {3, 80, 59_400_000}}}, // 2 has left the ring
	} {
		require.NoError(t, clock.Set(tt.at))
		lastSeen := uint64(0)
		if tt.lastSeen > 0 {
			lastSeen = base + uint64(tt.lastSeen)
		}
		samples, ret := d.GetProcessUtilization(lastSeen)
		if tt.want == nil {
			assert.Equal(t, nvml.ERROR_NOT_FOUND, ret, tt.at)
			continue
		}
		require.Equal(t, nvml.SUCCESS, ret, tt.at)
		var got []sample
		for _, s := range samples {
			got = append(got, sample{int(s.Pid), int(s.SmUtil), int(s.TimeStamp - base)})
		}
		assert.Equal(t, tt.want, got, "%v since %d", tt.at, tt.lastSeen)
	}
}

func TestGarbageAndGrowth(t *testing.T) {
	run := []Process{{PID: 1, SMPercent: 60, End: time.Hour}}
	lib, clock := play(t, Scenario{GPUs: []GPU{
		{UUID: "GPU-0", Name: "Fake", Power: Const{100}, Processes: run, GarbageUtil: true},
		{UUID: "GPU-1", Name: "Fake", Power: Const{100}, Processes: run, Grow: []string{"nvmlDeviceGetProcessUtilization"}},
	}})
	require.NoError(t, clock.Set(10*time.Second))
	samples, ret := device(t, lib, 0).GetProcessUtilization(0)
	require.Equal(t, nvml.SUCCESS, ret)
	require.Len(t, samples, 100)
	assert.EqualValues(t, 60, samples[0].SmUtil)
	var above, unborn int
	for _, s := range samples[1:] {
		if s.SmUtil > 100 {
			above++
		}
		if s.Pid == 0 || s.Pid > 1<<22 {
			unborn++
		}
	}
	assert.Greater(t, above, 50)
	assert.Greater(t, unborn, 50)
	assert.Panics(t, func() { _, _ = device(t, lib, 1).GetProcessUtilization(0) }, "a bug of go-nvml that growth shows")
}

// On a GPU in parts, GPM says of each part the share that its processes had between the two samples.
func TestActivityEqualsItsTwin(t *testing.T) {
	lib, clock := play(t, Scenario{GPUs: []GPU{{UUID: "GPU-0", Name: "Fake", Power: Const{1}}}})
	dir := filepath.Dir(clock.path)
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Map(rapid.IntRange(0, 20_000), func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond })
		instances := []Instance{
			{UUID: "MIG-1", GI: 1, Slices: 3, SMs: 60, End: time.Hour},
			{UUID: "MIG-2", GI: 2, CI: 0, Slices: 4, SMs: 30, End: time.Hour},
			{UUID: "MIG-3", GI: 2, CI: 1, Slices: 4, SMs: 10, End: time.Hour},
		}
		g := GPU{UUID: "GPU-0", Name: "Fake", Power: Const{1}, SMs: 100, Instances: instances}
		share := rapid.Map(rapid.IntRange(0, 50), func(n int) float64 { return float64(n) })
		for i := range rapid.IntRange(0, 6).Draw(t, "processes") {
			p := Process{PID: i + 1, Start: moment.Draw(t, "start"), End: moment.Draw(t, "end"), On: &instances[i%3]}
			p.SM = Square{share.Draw(t, "low"), share.Draw(t, "high"), max(moment.Draw(t, "period"), time.Millisecond), 0.25}
			g.Processes = append(g.Processes, p)
		}
		require.NoError(t, Scenario{Clock: clock, GPUs: []GPU{g}}.WriteFile(filepath.Join(dir, "scenario")))
		require.Equal(t, nvml.SUCCESS, lib.Init())
		defer func() { assert.Equal(t, nvml.SUCCESS, lib.Shutdown()) }()
		from := moment.Draw(t, "from")
		to := from + 100*time.Millisecond + moment.Draw(t, "to")

		expected := func(on ...int) (weighted, sms float64) { // per SM of those instances
			for _, i := range on {
				sms += float64(instances[i].SMs)
				for _, p := range g.Processes {
					if p.On == &instances[i] {
						weighted += p.SMSeconds(from, to) * float64(instances[i].SMs)
					}
				}
			}
			return weighted / (to - from).Seconds() * 100, sms
		}
		first, second := alloc(t, lib), alloc(t, lib)
		defer func() { assert.Equal(t, []nvml.Return{0, 0}, []nvml.Return{first.Free(), second.Free()}) }()
		check := func(name string, sample func(nvml.Device, nvml.GpmSample) nvml.Return, divisor float64, on ...int) {
			for _, moment := range []struct {
				at     time.Duration
				sample nvml.GpmSample
			}{{from, first}, {to, second}} {
				require.NoError(t, clock.Set(moment.at))
				d, _ := lib.DeviceGetHandleByIndex(0)
				require.Equal(t, nvml.SUCCESS, sample(d, moment.sample))
			}
			get := nvml.GpmMetricsGetType{NumMetrics: 1, Sample1: first, Sample2: second}
			get.Metrics[0].MetricId = uint32(nvml.GPM_METRIC_SM_UTIL)
			require.Equal(t, nvml.SUCCESS, lib.GpmMetricsGet(&get))
			weighted, sms := expected(on...)
			if divisor > 0 {
				sms = divisor
			}
			require.InDelta(t, min(weighted/sms, 100), get.Metrics[0].Value, 1e-6, name)
		}
		instance := func(index int) func(nvml.Device, nvml.GpmSample) nvml.Return {
			return func(d nvml.Device, s nvml.GpmSample) nvml.Return {
				m, ret := d.GetMigDeviceHandleByIndex(index)
				require.Equal(t, nvml.SUCCESS, ret)
				return lib.GpmSampleGet(m, s)
			}
		}
		gpuInstance := func(d nvml.Device, s nvml.GpmSample) nvml.Return { return lib.GpmMigSampleGet(d, 2, s) }
		whole := func(d nvml.Device, s nvml.GpmSample) nvml.Return { return lib.GpmSampleGet(d, s) }
		check("MIG-1", instance(0), 0, 0)
		check("MIG-3", instance(2), 0, 2)
		check("GPU instance 2", gpuInstance, 0, 1, 2)
		check("GPU", whole, 100, 0, 1, 2)
	})
}

func alloc(t require.TestingT, lib nvml.Interface) nvml.GpmSample {
	sample, ret := lib.GpmSampleAlloc()
	require.Equal(t, nvml.SUCCESS, ret)
	return sample
}

func TestInstances(t *testing.T) {
	const second = time.Second
	instances := []Instance{
		{UUID: "MIG-a", GI: 1, Slices: 1, SMs: 16, End: 10 * second},
		{UUID: "MIG-b", GI: 2, Slices: 3, SMs: 60, End: 100 * second},
		{UUID: "MIG-c", GI: 1, Slices: 2, SMs: 32, Start: 20 * second, End: 100 * second}, // takes the hole
	}
	lib, clock := play(t, Scenario{GPUs: []GPU{{
		UUID: "GPU-0", Name: "Fake", Power: Const{100}, Instances: instances,
		Processes: []Process{
			{PID: 7, SMPercent: 50, Memory: 1 << 30, End: 90 * second, On: &instances[0]}, // ends with its instance
			{PID: 8, SMPercent: 50, Memory: 2 << 30, End: 90 * second, On: &instances[1], Kind: MPS},
		},
		Events: []Event{{30 * second, MIGPending}, {40 * second, MIGOff}, {50 * second, MIGOn}},
	}}})
	d := device(t, lib, 0)
	for _, tt := range []struct {
		at               time.Duration
		current, pending int
		uuids            [3]string // by slot
	}{
		{0, 1, 1, [3]string{"MIG-a", "MIG-b", ""}},
		{10 * second, 1, 1, [3]string{"", "MIG-b", ""}},
		{20 * second, 1, 1, [3]string{"MIG-c", "MIG-b", ""}},
		{30 * second, 1, 0, [3]string{"MIG-c", "MIG-b", ""}},
		{40 * second, 0, 0, [3]string{}},
		{50 * second, 1, 1, [3]string{"MIG-c", "MIG-b", ""}},
	} {
		require.NoError(t, clock.Set(tt.at))
		current, pending, ret := d.GetMigMode()
		require.Equal(t, nvml.SUCCESS, ret)
		assert.Equal(t, [2]int{tt.current, tt.pending}, [2]int{current, pending}, tt.at)
		for slot, want := range tt.uuids {
			m, ret := d.GetMigDeviceHandleByIndex(slot)
			if want == "" {
				assert.Equal(t, nvml.ERROR_NOT_FOUND, ret, "%v slot %d", tt.at, slot)
				continue
			}
			uuid, _ := m.GetUUID()
			assert.Equal(t, want, uuid, "%v slot %d", tt.at, slot)
			_, ret = lib.DeviceGetHandleByUUID(uuid)
			assert.Equal(t, nvml.SUCCESS, ret)
		}
	}

	require.NoError(t, clock.Set(0))
	b, _ := d.GetMigDeviceHandleByIndex(1)
	gi, _ := b.GetGpuInstanceId()
	ci, _ := b.GetComputeInstanceId()
	assert.Equal(t, [2]int{2, 0}, [2]int{gi, ci})
	compute, ret := b.GetComputeRunningProcesses()
	assert.Equal(t, nvml.SUCCESS, ret)
	assert.Empty(t, compute)
	mps, _ := b.GetMPSComputeRunningProcesses()
	assert.Equal(t, []nvml.ProcessInfo{{Pid: 8, UsedGpuMemory: 2 << 30, GpuInstanceId: 2}}, mps)
	compute, _ = d.GetComputeRunningProcesses()
	assert.Equal(t, []nvml.ProcessInfo{{Pid: 7, UsedGpuMemory: 1 << 30, GpuInstanceId: 1}}, compute)
	memory, _ := b.GetMemoryInfo()
	assert.Equal(t, nvml.Memory{Total: 40 << 30, Used: 2 << 30, Free: 38 << 30}, memory)
	_, ret = b.GetPowerUsage()
	assert.Equal(t, nvml.ERROR_NOT_SUPPORTED, ret)
	_, ret = d.GetUtilizationRates()
	assert.Equal(t, nvml.ERROR_NOT_SUPPORTED, ret)

	require.NoError(t, clock.Set(50*second))
	_, ret = b.GetUUID()
	assert.Equal(t, nvml.ERROR_INVALID_ARGUMENT, ret, "MIG was off in between")
	require.NoError(t, clock.Set(15*second))
	compute, _ = d.GetComputeRunningProcesses()
	assert.Empty(t, compute)
}
