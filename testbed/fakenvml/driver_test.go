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
)

func TestReload(t *testing.T) {
	const second = time.Second
	s := Scenario{Driver: "595.71", Reloads: []Reload{{At: 10 * second, Until: 12 * second}}, GPUs: []GPU{{UUID: "GPU-0", Name: "Fake", Power: Const{100}}}}
	lib, clock := play(t, s)
	before := device(t, lib, 0)
	version, _ := lib.SystemGetDriverVersion()
	assert.Equal(t, "595.71", version)

	require.NoError(t, clock.Set(11*second))
	_, ret := before.GetTotalEnergyConsumption()
	assert.Equal(t, nvml.ERROR_DRIVER_NOT_LOADED, ret)
	_, ret = lib.DeviceGetCount()
	assert.Equal(t, nvml.ERROR_DRIVER_NOT_LOADED, ret)
	assert.Equal(t, nvml.ERROR_DRIVER_NOT_LOADED, lib.Init())

	require.NoError(t, clock.Set(15*second))
	_, ret = before.GetTotalEnergyConsumption()
	assert.Equal(t, nvml.ERROR_GPU_IS_LOST, ret)
	raw, ret := device(t, lib, 0).GetTotalEnergyConsumption()
	assert.Equal(t, nvml.SUCCESS, ret)
	assert.EqualValues(t, 500_000, raw)
	assert.EqualValues(t, 500_000, s.Counter(0, 15*second))
}

func TestMismatch(t *testing.T) {
	lib, clock := play(t, Scenario{Mismatch: time.Minute, GPUs: []GPU{{UUID: "GPU-0", Name: "Fake", Power: Const{100}}}})
	d := device(t, lib, 0)
	require.NoError(t, clock.Set(time.Minute))
	_, ret := d.GetTotalEnergyConsumption()
	assert.Equal(t, nvml.ERROR_LIB_RM_VERSION_MISMATCH, ret)
	_, ret = lib.DeviceGetCount()
	assert.Equal(t, nvml.ERROR_LIB_RM_VERSION_MISMATCH, ret)
	assert.Equal(t, nvml.ERROR_LIB_RM_VERSION_MISMATCH, lib.Init())
}

func TestFailuresOfSymbols(t *testing.T) {
	const second = time.Second
	lib, clock := play(t, Scenario{
		Failures: []Failure{{Symbol: "nvmlDeviceGetCount_v2", Code: 999, Start: 2 * second, End: 3 * second}},
		GPUs: []GPU{
			{
				UUID: "GPU-0", Name: "Fake", Power: Const{100},
				Failures: []Failure{
					{Symbol: "nvmlDeviceGetPowerUsage", Code: 4, Start: second, End: 2 * second},
					{Symbol: "field:185", Code: 21, Start: second, End: 2 * second},
					{Symbol: "nvmlDeviceGetTemperature", Code: Hangs, Start: 5 * second, End: 6 * second},
					{Symbol: "*", Code: 17, Start: 8 * second, End: 9 * second},
				},
				Latencies: []Latency{{Symbol: "nvmlDeviceGetName", Delay: 30 * time.Millisecond}},
			},
			{UUID: "GPU-1", Name: "Fake", Power: Const{100}},
		},
	})
	d, other := device(t, lib, 0), device(t, lib, 1)
	usage := func(d nvml.Device) nvml.Return {
		_, ret := d.GetPowerUsage()
		return ret
	}
	assert.Equal(t, nvml.SUCCESS, usage(d))
	require.NoError(t, clock.Set(second))
	assert.Equal(t, nvml.ERROR_NO_PERMISSION, usage(d))
	assert.Equal(t, nvml.SUCCESS, usage(other))
	assert.Equal(t, nvml.ERROR_NO_DATA, fieldReturn(t, d, 185, 0))
	assert.Equal(t, nvml.SUCCESS, fieldReturn(t, other, 185, 0))
	require.NoError(t, clock.Set(2*second))
	assert.Equal(t, nvml.SUCCESS, usage(d))
	_, ret := lib.DeviceGetCount()
	assert.Equal(t, nvml.ERROR_UNKNOWN, ret)

	require.NoError(t, clock.Set(5*second))
	answered := make(chan nvml.Return)
	go func() {
		_, ret := d.GetTemperature(nvml.TEMPERATURE_GPU)
		answered <- ret
	}()
	assert.Equal(t, nvml.SUCCESS, usage(d), "the others go on")
	select {
	case ret := <-answered:
		require.Fail(t, "the call did not hang", ret)
	case <-time.After(20 * time.Millisecond): // in C, out of reach of synctest
	}
	require.NoError(t, clock.Set(6*second))
	assert.Equal(t, nvml.SUCCESS, <-answered)

	begin := time.Now()
	_, ret = d.GetName()
	assert.Equal(t, nvml.SUCCESS, ret)
	assert.GreaterOrEqual(t, time.Since(begin), 30*time.Millisecond)
	require.NoError(t, clock.Set(8*second))
	_, ret = d.GetName()
	assert.Equal(t, nvml.ERROR_OPERATING_SYSTEM, ret)
	assert.Equal(t, "GPU access blocked by the operating system", lib.ErrorString(ret))
}

func TestEventsAreToldOnce(t *testing.T) {
	const second = time.Second
	lib, clock := play(t, Scenario{GPUs: []GPU{
		{UUID: "GPU-0", Name: "Fake", Power: Const{100}, Events: []Event{{second, Xid(31)}, {3 * second, Xid(79)}, {3 * second, Lost}, {9 * second, Xid(1)}}},
		{UUID: "GPU-1", Name: "Fake", Power: Const{100}, Events: []Event{{3 * second, Xid(13)}}},
	}})
	require.NoError(t, clock.Set(2*second)) // what was before is not told
	set, ret := lib.EventSetCreate()
	require.Equal(t, nvml.SUCCESS, ret)
	for i := range 2 {
		require.Equal(t, nvml.SUCCESS, device(t, lib, i).RegisterEvents(nvml.EventTypeXidCriticalError, set))
	}
	_, ret = set.Wait(1)
	require.Equal(t, nvml.ERROR_TIMEOUT, ret)

	told := make(chan nvml.EventData)
	go func() {
		data, _ := set.Wait(600_000)
		told <- data
	}()
	require.NoError(t, clock.Set(3*second))
	data := <-told
	assert.EqualValues(t, 79, data.EventData)
	assert.EqualValues(t, 0xFFFFFFFF, data.GpuInstanceId)
	data, ret = set.Wait(0)
	require.Equal(t, nvml.SUCCESS, ret)
	assert.EqualValues(t, 13, data.EventData)
	uuid, _ := data.Device.GetUUID()
	assert.Equal(t, "GPU-1", uuid)
	_, ret = set.Wait(600_000)
	assert.Equal(t, nvml.ERROR_GPU_IS_LOST, ret)
	require.Equal(t, nvml.SUCCESS, set.Free())
}

func TestState(t *testing.T) {
	const second = time.Second
	lib, clock := play(t, Scenario{GPUs: []GPU{{
		UUID: "GPU-0", Name: "Fake", Power: Const{100}, Temperature: 71, GraphicsClock: 1200, Encoder: 12, Decoder: 34, SMs: 10,
		Reasons:   []Reasons{{Mask: 0x4, Start: second, End: 3 * second}, {Mask: 0x40, Start: 2 * second, End: 3 * second}},
		Processes: []Process{{PID: 1, SMPercent: 5, Start: second, End: time.Hour}},
	}}})
	d := device(t, lib, 0)
	for at, want := range map[time.Duration]uint64{0: 0x1, second: 0x4, 2 * second: 0x44, 3 * second: 0} {
		require.NoError(t, clock.Set(at))
		reasons, ret := d.GetCurrentClocksEventReasons()
		assert.Equal(t, nvml.SUCCESS, ret)
		assert.Equal(t, want, reasons, at)
		reasons, _ = d.GetCurrentClocksThrottleReasons()
		assert.Equal(t, want, reasons, at)
	}
	celsius, _ := d.GetTemperature(nvml.TEMPERATURE_GPU)
	assert.EqualValues(t, 71, celsius)
	sensor, ret := d.GetTemperatureV().V1()
	assert.Equal(t, nvml.SUCCESS, ret)
	assert.EqualValues(t, 71, sensor.Temperature)
	mhz, _ := d.GetClockInfo(nvml.CLOCK_GRAPHICS)
	assert.EqualValues(t, 1200, mhz)
	mhz, _ = d.GetClockInfo(nvml.CLOCK_MEM)
	assert.EqualValues(t, 2619, mhz)
	encoder, _, _ := d.GetEncoderUtilization()
	decoder, _, _ := d.GetDecoderUtilization()
	assert.Equal(t, [2]uint32{12, 34}, [2]uint32{encoder, decoder})
	cores, _ := d.GetNumGpuCores()
	assert.Equal(t, 1280, cores)
}

func TestCalls(t *testing.T) {
	file := filepath.Join(t.TempDir(), "calls")
	t.Setenv(CallsEnv, file)
	calls, err := ReadCalls(file)
	require.NoError(t, err)
	assert.Empty(t, calls)
	lib, _ := play(t, Scenario{GPUs: []GPU{{UUID: "GPU-0", Name: "Fake", Power: Const{100}}}})
	d := device(t, lib, 0)
	for range 3 {
		_, _ = d.GetPowerUsage()
	}
	_ = fieldOf(t, d, 185, 0)
	calls, err = ReadCalls(file)
	require.NoError(t, err)
	assert.Equal(t, map[string]uint64{
		"nvmlInit_v2": 1, "nvmlDeviceGetHandleByIndex_v2": 1, "nvmlDeviceGetPowerUsage": 3,
		"nvmlDeviceGetFieldValues": 1, "field:185": 1,
	}, calls)
}

// A limit of the library is a line that it refuses, not a line that it forgets.
func TestLimits(t *testing.T) {
	path, err := library()
	require.NoError(t, err)
	lib := nvml.New(nvml.WithLibraryPath(path))
	file := filepath.Join(t.TempDir(), "scenario")
	t.Setenv(ScenarioEnv, file)
	many := func(n int, format string) string {
		var b strings.Builder
		b.WriteString("gpu 0 GPU-0 Fake\n")
		for i := 1; i <= n; i++ {
			if strings.Contains(format, "%") {
				fmt.Fprintf(&b, format+"\n", i)
			} else {
				b.WriteString(format + "\n")
			}
		}
		return b.String()
	}
	for _, tt := range []struct {
		most   int
		format string
	}{
		{63, "gpu %d GPU Fake"},
		{256, "at 0 %d reset"},
		{1024, "proc 0 %d 1 2 3 4"},
		{64, "mig 0 %d 0 1 1 MIG 5 5"}, // instances that never live
		{16, "reasons 0 1 2 3"},
		{16, "reload %d"},
		{256, "fail 0 x %d 1 2"},
		{64, "unsupported %d"},
		{64, "grow 0 %d"},
	} {
		require.NoError(t, os.WriteFile(file, []byte(many(tt.most, tt.format)), 0o600))
		if assert.Equal(t, nvml.SUCCESS, lib.Init(), tt.format) {
			require.Equal(t, nvml.SUCCESS, lib.Shutdown())
		}
		require.NoError(t, os.WriteFile(file, []byte(many(tt.most+1, tt.format)), 0o600))
		assert.Equal(t, nvml.ERROR_UNKNOWN, lib.Init(), tt.format)
	}
}
