// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// parted is a GPU with a GPU instance that two compute instances share, and one of a single compute instance.
// One that ends leaves a hole.
func parted(arch string) fakenvml.GPU {
	half := &fakenvml.Instance{UUID: "MIG-a", GI: 1, CI: 0, Slices: 2, SMs: 16, End: time.Hour}
	other := &fakenvml.Instance{UUID: "MIG-b", GI: 1, CI: 1, Slices: 2, SMs: 16, End: time.Hour}
	hole := &fakenvml.Instance{UUID: "MIG-c", GI: 2, CI: 0, Slices: 1, SMs: 16, End: time.Second}
	whole := &fakenvml.Instance{UUID: "MIG-d", GI: 3, CI: 0, Slices: 3, SMs: 60, End: 30 * time.Second}
	return fakenvml.GPU{
		Arch:      arch,
		Instances: []fakenvml.Instance{*half, *other, *hole, *whole},
		Processes: []fakenvml.Process{
			{PID: 11, SMPercent: 80, Memory: 1 << 30, End: time.Hour, On: half},
			{PID: 12, SMPercent: 20, Memory: 1 << 30, End: time.Hour, On: other},
			{PID: 13, SMPercent: 50, Memory: 1 << 30, End: 30 * time.Second, On: whole},
		},
	}
}

func TestInstances(t *testing.T) {
	s := newStage(t)
	synctest.Test(t, func(t *testing.T) {
		d := s.playOne(t, parted("hopper"))
		s.at(t, 10*time.Second)
		current, pending, err := d.MIG()
		require.NoError(t, err)
		assert.True(t, current)
		assert.True(t, pending)
		most, err := d.MaxInstances()
		require.NoError(t, err)
		assert.Equal(t, 7, most)

		all, err := d.Instances()
		require.NoError(t, err)
		require.Len(t, all, 3)
		for n, want := range []struct {
			uuid                    string
			slices, multiprocessors int
			pid                     uint32
		}{{"MIG-a", 2, 16, 11}, {"MIG-b", 2, 16, 12}, {"MIG-d", 3, 60, 13}} {
			assert.Equal(t, want.uuid, all[n].UUID())
			assert.Equal(t, want.slices, all[n].Slices())
			assert.Equal(t, want.multiprocessors, all[n].Multiprocessors())
			processes, err := all[n].Processes(nil)
			require.NoError(t, err)
			assert.Equal(t, []Process{{PID: want.pid, Memory: 1 << 30}}, processes)
		}

		for _, i := range all {
			_, err := i.Activity()
			require.ErrorIs(t, err, NotFound, "it has no answer yet")
		}
		time.Sleep(99 * time.Millisecond)
		_, err = all[0].Activity()
		require.ErrorIs(t, err, NotFound, "too early")
		for at := 11 * time.Second; at < 15*time.Second; at += time.Second {
			time.Sleep(time.Second)
			s.at(t, at)
			var busy [3]float64
			for n, i := range all {
				busy[n], err = i.Activity()
				require.NoError(t, err)
			}
			assert.InDelta(t, 0.5, busy[0], 1e-9, "the mean over both that share the GPU instance")
			assert.InDelta(t, 0.5, busy[1], 1e-9)
			assert.InDelta(t, 0.5, busy[2], 1e-9)
		}

		s.at(t, 30*time.Second)
		time.Sleep(time.Second)
		_, err = all[2].Activity()
		require.ErrorIs(t, err, InvalidArgument, "it is gone")
		_, err = all[2].Processes(nil)
		require.Error(t, err)
		for _, i := range all {
			i.Close()
			i.Close()
		}
		require.Equal(t, uint64(6), s.called(t, SymbolGPMAlloc))
		require.Equal(t, uint64(6), s.called(t, SymbolGPMFree))
	})
}

func TestScaleOf(t *testing.T) {
	assert.InDelta(t, 1.0, scaleOf(3, 3), 0)
	assert.InDelta(t, 4.0, scaleOf(4, 1), 0, "a part of the GPU instance is unused and cannot be busy")
	assert.InDelta(t, 1.0, scaleOf(1, 2), 0)
	assert.InDelta(t, 1.0, scaleOf(1, 0), 0, "a driver that does not say how large compute instances are")
}

func TestActivityBeforeHopper(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, parted("ampere"))
	all, err := d.Instances()
	require.NoError(t, err)
	for range 2 {
		_, err = all[0].Activity()
		require.ErrorIs(t, err, NotSupported)
	}
	require.Equal(t, uint64(1), s.called(t, SymbolGPMSupport))
	require.Zero(t, s.called(t, SymbolGPMAlloc))
}

func TestDriverCloseFrees(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, parted("hopper"))
	all, err := d.Instances()
	require.NoError(t, err)
	for _, i := range all {
		_, err := i.Activity()
		require.ErrorIs(t, err, NotFound)
	}
	_, err = d.Events()
	require.NoError(t, err)
	other := New(s.library) // keeps the library open, so that it is us who have to free
	require.NoError(t, other.Open())
	require.NoError(t, s.driver.Close())
	require.Equal(t, uint64(2*len(all)), s.called(t, SymbolGPMFree))
	require.Equal(t, uint64(1), s.called(t, SymbolEventFree))
	for _, i := range all {
		i.Close()
		_, err := i.Activity()
		require.ErrorIs(t, err, Uninitialized)
	}
	d.Close()
	require.Equal(t, uint64(2*len(all)), s.called(t, SymbolGPMFree))
	require.Equal(t, uint64(1), s.called(t, SymbolEventFree))
	require.NoError(t, other.Close())
}

func TestNoMIG(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, fakenvml.GPU{Arch: "volta"})
	_, _, err := d.MIG()
	require.ErrorIs(t, err, NotSupported)
	all, err := d.Instances()
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestEvents(t *testing.T) {
	s := newStage(t)
	g := fakenvml.GPU{
		Arch:      "hopper",
		Events:    []fakenvml.Event{{At: time.Second, Kind: fakenvml.Xid(13)}, {At: 10 * time.Second, Kind: fakenvml.Xid(79)}, {At: 10 * time.Second, Kind: fakenvml.Xid(31)}},
		Instances: []fakenvml.Instance{{UUID: "MIG-a", GI: 1, Slices: 1, SMs: 16, Start: 20 * time.Second, End: time.Hour}},
	}
	for n := range 100 {
		g.Events = append(g.Events, fakenvml.Event{At: 30*time.Second + time.Duration(n)*time.Millisecond, Kind: fakenvml.Xid(n + 1)})
	}
	g.Events = append(g.Events, fakenvml.Event{At: 40 * time.Second, Kind: fakenvml.Lost})
	d := s.playOne(t, g)
	s.at(t, 5*time.Second)
	for _, test := range []struct {
		at   time.Duration
		want []Event
	}{
		{5 * time.Second, nil},
		{6 * time.Second, nil},
		{12 * time.Second, []Event{{Xid: 79}, {Xid: 31}}},
		{13 * time.Second, nil},
		{21 * time.Second, []Event{{MIGChanged: true}}},
	} {
		s.at(t, test.at)
		got, err := d.Events()
		require.NoError(t, err)
		require.Equal(t, test.want, got, "at %v", test.at)
	}
	s.at(t, 35*time.Second)
	for _, want := range []int{mostEvents, 100 - mostEvents} {
		got, err := d.Events()
		require.NoError(t, err)
		require.Len(t, got, want)
	}
	s.at(t, 41*time.Second)
	_, err := d.Events()
	require.ErrorIs(t, err, GPUIsLost)
	d.Close()
	d.Close()
	require.Equal(t, uint64(1), s.called(t, SymbolEventFree))
}

func TestEventsNotSupported(t *testing.T) {
	s := newStage(t)
	for _, symbol := range []string{SymbolEventTypes, SymbolEventCreate, SymbolEventRegister} {
		d := s.playOne(t, fakenvml.GPU{}, symbol)
		for range 2 {
			_, err := d.Events()
			require.ErrorIs(t, err, NotSupported)
		}
		require.Empty(t, d.session.held)
	}
	require.Equal(t, uint64(2), s.called(t, SymbolEventFree), "of the registrations that failed")
}
