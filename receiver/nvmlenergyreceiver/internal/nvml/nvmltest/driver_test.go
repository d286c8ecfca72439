// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmltest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

func open(t *testing.T, d *Driver, index int) nvml.Device {
	t.Helper()
	if !d.Opened() {
		require.NoError(t, d.Open())
	}
	handle, err := d.Device(index, &nvml.Watch{})
	require.NoError(t, err)
	return handle
}

func TestReadings(t *testing.T) {
	g := &GPU{
		ID: "GPU-a", Millijoules: 7, Average: map[nvml.Scope]uint32{nvml.Module: 3}, Power: func() uint32 { return 5 },
		Samples: []nvml.PowerSample{{At: 1, Milliwatts: 1}, {At: 2, Milliwatts: 2}},
		Running: []nvml.Process{{PID: 9}}, Busy: []nvml.ProcessSample{{At: 1, PID: 9, SM: 50}},
	}
	d := New(g)
	handle := open(t, d, 0)
	energy, err := handle.Energy()
	require.NoError(t, err)
	assert.Equal(t, uint64(7), energy)
	d.Set(func() { g.Counter = func() uint64 { return 8 } })
	energy, err = handle.Energy()
	require.NoError(t, err)
	assert.Equal(t, uint64(8), energy)
	assert.Equal(t, 2, d.Calls(nvml.SymbolEnergy))

	power, err := handle.AveragePower(nvml.GPU)
	require.NoError(t, err)
	assert.Equal(t, uint32(5), power)
	power, err = handle.AveragePower(nvml.Module)
	require.NoError(t, err)
	assert.Equal(t, uint32(3), power)
	_, err = handle.InstantPower(nvml.Module)
	require.ErrorIs(t, err, nvml.NotSupported)

	samples, err := handle.PowerSamples(nil, 1)
	require.NoError(t, err)
	assert.Equal(t, g.Samples[1:], samples)
	processes, err := handle.Processes(nil)
	require.NoError(t, err)
	assert.Equal(t, g.Running, processes)
	busy, err := handle.ProcessUtilization(nil, 0)
	require.NoError(t, err)
	assert.Equal(t, g.Busy, busy)
	_, _, err = handle.MIG()
	require.ErrorIs(t, err, nvml.NotSupported)

	d.Set(func() { g.Fail(nvml.SymbolEnergy, nvml.NoPermission) })
	_, err = handle.Energy()
	require.EqualError(t, err, "nvmlDeviceGetTotalEnergyConsumption: no permission; give the collector access to /dev/nvidia* (NVML error 4)")
	d.Set(func() {
		g.Fail(nvml.SymbolEnergy, nil)
		g.Fail(All, nvml.GPUIsLost)
	})
	_, err = handle.Energy()
	require.ErrorIs(t, err, nvml.GPUIsLost)
	require.Empty(t, d.Misuses())
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs, works := &GPU{ID: "GPU-a", Millijoules: 1}, &GPU{ID: "GPU-b"}
		d := New(hangs, works)
		require.NoError(t, d.Open())
		watch := &nvml.Watch{}
		handle, err := d.Device(0, watch)
		require.NoError(t, err)
		other := open(t, d, 1)
		d.Hang(hangs)
		answered := make(chan uint64)
		go func() {
			energy, err := handle.Energy()
			assert.NoError(t, err)
			answered <- energy
		}()
		time.Sleep(time.Hour)
		symbol, running := watch.InFlight()
		assert.Equal(t, nvml.SymbolEnergy, symbol)
		assert.Equal(t, time.Hour, running)
		_, err = other.Energy()
		require.NoError(t, err)
		d.Unhang(hangs)
		assert.Equal(t, uint64(1), <-answered)

		d.Hang(nil)
		counted := make(chan int)
		go func() {
			count, err := d.Count()
			assert.NoError(t, err)
			counted <- count
		}()
		synctest.Wait()
		_, err = other.Energy()
		require.NoError(t, err)
		d.Unhang(nil)
		assert.Equal(t, 2, <-counted)
		require.Empty(t, d.Misuses())
	})
}

func TestDetach(t *testing.T) {
	a, b := &GPU{ID: "GPU-a"}, &GPU{ID: "GPU-b"}
	d := New(a, b)
	old, stays := open(t, d, 0), open(t, d, 1)
	d.Detach(a)
	count, err := d.Count()
	require.NoError(t, err)
	require.Equal(t, 1, count)
	_, err = old.Energy()
	require.ErrorIs(t, err, nvml.GPUIsLost)
	_, err = stays.Energy()
	require.NoError(t, err)
	_, err = d.Device(1, &nvml.Watch{})
	require.ErrorIs(t, err, nvml.InvalidArgument)
	d.Attach(a, 1)
	_, err = old.Energy()
	require.ErrorIs(t, err, nvml.GPUIsLost, "for good")
	id, err := open(t, d, 1).UUID()
	require.NoError(t, err)
	require.Equal(t, "GPU-a", id)
}

func TestMisuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &GPU{ID: "GPU-a"}
		d := New(g)
		_, err := d.Count()
		require.ErrorIs(t, err, nvml.Uninitialized)
		handle := open(t, d, 0)
		require.NoError(t, d.Close())
		_, err = handle.Energy()
		require.ErrorIs(t, err, ErrCrash)
		require.NoError(t, d.Open())
		_, err = handle.Energy()
		require.ErrorIs(t, err, ErrCrash, "it belongs to the time before")
		handle.Close()

		handle = open(t, d, 0)
		d.Hang(g)
		done := make(chan error, 2)
		for range cap(done) {
			go func() { _, err := handle.Energy(); done <- err }()
		}
		synctest.Wait()
		require.NoError(t, d.Close())
		d.Unhang(g)
		require.ErrorIs(t, <-done, ErrCrash)
		require.ErrorIs(t, <-done, ErrCrash)
		require.Subset(t, d.Misuses(), []string{
			"nvmlDeviceGetTotalEnergyConsumption of GPU-a was called after the driver was closed",
			"nvmlDeviceGetTotalEnergyConsumption of GPU-a was called while nvmlDeviceGetTotalEnergyConsumption was in flight",
			"the driver was closed while a device had a call in flight",
		})
	})
}

func TestInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := 0.25
		part := &Instance{ID: "MIG-a", Slices: 3, Multiprocessors: 60, Running: []nvml.Process{{PID: 9}}, Activity: &busy}
		old := &Instance{ID: "MIG-b", Slices: 4, Multiprocessors: 72}
		g := &GPU{ID: "GPU-a", Slices: 7, MIGCurrent: true, Instances: []*Instance{part, old}}
		d := New(g)
		handle := open(t, d, 0)
		all, err := handle.Instances()
		require.NoError(t, err)
		require.Len(t, all, 2)
		assert.Equal(t, "MIG-a", all[0].UUID())
		assert.Equal(t, 3, all[0].Slices())
		assert.Equal(t, 60, all[0].Multiprocessors())
		_, err = all[1].Activity()
		require.ErrorIs(t, err, nvml.NotSupported)
		_, err = all[0].Activity()
		require.ErrorIs(t, err, nvml.NotFound)
		time.Sleep(99 * time.Millisecond)
		_, err = all[0].Activity()
		require.ErrorIs(t, err, nvml.NotFound)
		time.Sleep(time.Millisecond)
		got, err := all[0].Activity()
		require.NoError(t, err)
		assert.InDelta(t, busy, got, 0)
		assert.Equal(t, 1, d.Held())
		_, err = handle.ProcessUtilization(nil, 0)
		require.ErrorIs(t, err, nvml.NotSupported)

		d.Set(func() { g.Instances = []*Instance{old} })
		_, err = all[0].Activity()
		require.ErrorIs(t, err, nvml.InvalidArgument)
		_, err = all[0].Processes(nil)
		require.ErrorIs(t, err, nvml.InvalidArgument)
		all[0].Close()
		assert.Zero(t, d.Held())
		require.Empty(t, d.Misuses())
	})
}

func TestEvents(t *testing.T) {
	g := &GPU{ID: "GPU-a"}
	d := New(g)
	handle := open(t, d, 0)
	d.Push(g, nvml.Event{Xid: 13})
	events, err := handle.Events()
	require.NoError(t, err)
	require.Empty(t, events, "it begins to listen")
	d.Push(g, nvml.Event{Xid: 79}, nvml.Event{MIGChanged: true})
	events, err = handle.Events()
	require.NoError(t, err)
	require.Equal(t, []nvml.Event{{Xid: 79}, {MIGChanged: true}}, events)
	handle.Close()
	d.Push(g, nvml.Event{Xid: 31})
	events, err = handle.Events()
	require.NoError(t, err)
	require.Empty(t, events)
}
