// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

func TestProcesses(t *testing.T) {
	one := fakenvml.Process{PID: 11, Memory: 1 << 30, End: time.Hour}
	also := fakenvml.Process{PID: 11, Memory: 3 << 30, End: time.Hour, Kind: fakenvml.Graphics}
	client := fakenvml.Process{PID: 12, Memory: 2 << 30, End: time.Hour, Kind: fakenvml.MPS}
	gone := fakenvml.Process{PID: 13, End: time.Millisecond}
	merged := []Process{{PID: 11, Memory: 3 << 30}, {PID: 12, Memory: 2 << 30, MPS: true}}
	for name, test := range map[string]struct {
		gpu         fakenvml.GPU
		unsupported []string
		want        []Process
		err         error
	}{
		"none":     {},
		"merged":   {gpu: fakenvml.GPU{Processes: []fakenvml.Process{one, also, client, gone}}, want: merged},
		"too wide": {gpu: fakenvml.GPU{Processes: []fakenvml.Process{one, also, client, gone}, WideProcessInfo: true}, want: merged},
		"grown":    {gpu: fakenvml.GPU{Processes: []fakenvml.Process{one, also, client, gone}, Grow: []string{SymbolComputeProcesses + "_v3"}}, want: merged},
		"in a list that comes first, and a client": {
			gpu:  fakenvml.GPU{Processes: []fakenvml.Process{one, {PID: 11, Memory: 1, End: time.Hour, Kind: fakenvml.MPS}}},
			want: []Process{{PID: 11, Memory: 1 << 30, MPS: true}},
		},
		"one list is not supported": {
			gpu: fakenvml.GPU{Processes: []fakenvml.Process{one, also, client}}, unsupported: []string{SymbolMPSProcesses + "_v3"}, want: merged[:1],
		},
		"no list is supported": {
			unsupported: []string{SymbolComputeProcesses + "_v3", SymbolGraphicsProcesses + "_v3", SymbolMPSProcesses + "_v3"}, err: NotSupported,
		},
		"a list fails": {
			gpu: fakenvml.GPU{Processes: []fakenvml.Process{one}, Failures: []fakenvml.Failure{{Symbol: SymbolGraphicsProcesses + "_v3", Code: 4, End: time.Hour}}},
			err: NoPermission,
		},
		"no PID": {gpu: fakenvml.GPU{Processes: []fakenvml.Process{{PID: maxPID + 1, End: time.Hour}}}, err: Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			d := s.playOne(t, test.gpu, test.unsupported...)
			s.at(t, time.Second)
			kept := Process{PID: 11, Memory: 5}
			got, err := d.Processes([]Process{kept})
			require.ErrorIs(t, err, test.err)
			require.Equal(t, append([]Process{kept}, test.want...), got)
		})
	}
}

func TestManyProcesses(t *testing.T) {
	s := newStage(t)
	for _, wide := range []bool{false, true} {
		for _, count := range []int{1, 2, 63, 64, 65, 127, 128, 129, 500} {
			g := fakenvml.GPU{WideProcessInfo: wide}
			var want []Process
			for i := range count {
				p := fakenvml.Process{PID: 1000 + i, Memory: uint64(1+i) << 20, End: time.Hour}
				g.Processes = append(g.Processes, p)
				want = append(want, Process{PID: uint32(p.PID), Memory: p.Memory})
			}
			d := s.playOne(t, g)
			got, err := d.Processes(nil)
			require.NoError(t, err)
			require.Equal(t, want, got, "%d, wide: %v", count, wide)
		}
	}
}

func TestMergeOfTheOldestList(t *testing.T) {
	infos := make([]byte, firstRoom*entryWide)
	for i := range infos {
		infos[i] = untouched
	}
	for i, pid := range []uint32{7, 8} {
		binary.LittleEndian.PutUint32(infos[i*entryV1:], pid)
		binary.LittleEndian.PutUint64(infos[i*entryV1+8:], noMemory)
	}
	got, err := merge(nil, 0, infos, 2, entryV1, true)
	require.NoError(t, err)
	require.Equal(t, []Process{{PID: 7, MPS: true}, {PID: 8, MPS: true}}, got, "memory that is not known is 0")
}

func TestBrokenList(t *testing.T) {
	infos := make([]byte, firstRoom*entryWide)
	for i := range infos {
		infos[i] = untouched
	}
	clear(infos[:2*entryV2])
	binary.LittleEndian.PutUint32(infos, 7)
	_, err := merge(nil, 0, infos, 2, entryV2, false)
	require.ErrorIs(t, err, Unknown)
	require.ErrorContains(t, err, "it lists a process 0, which cannot be: the driver's list is broken, as in drivers 535.43 to 535.86; update the driver")
}

func TestProcessUtilization(t *testing.T) {
	two := []fakenvml.Process{{PID: 11, SMPercent: 30, End: time.Hour}, {PID: 12, SMPercent: 20, Start: 3 * time.Second, End: time.Hour}}
	s := newStage(t)
	for _, garbage := range []bool{false, true} {
		d := s.playOne(t, fakenvml.GPU{Processes: two, GarbageUtil: garbage})
		s.at(t, 10*time.Second)
		kept := ProcessSample{At: 99, PID: 99, SM: 99}
		got, err := d.ProcessUtilization([]ProcessSample{kept}, 0)
		require.NoError(t, err)
		answered := len(got)
		got = slices.DeleteFunc(got, func(s ProcessSample) bool { return !s.Sensible() })
		require.Equal(t, garbage, len(got) < answered)
		require.Len(t, got, 3)
		require.Equal(t, kept, got[0])
		assert.Equal(t, map[uint32]uint32{11: 30, 12: 20}, map[uint32]uint32{got[1].PID: got[1].SM, got[2].PID: got[2].SM})
		assert.Equal(t, got[1].At, got[2].At)
		newest := got[1].At

		got, err = d.ProcessUtilization(nil, newest)
		require.NoError(t, err)
		require.Empty(t, got, "none is no error")
		s.at(t, 11*time.Second)
		got, err = d.ProcessUtilization(nil, newest)
		require.NoError(t, err)
		require.True(t, garbage || len(got) == 2)
		require.Equal(t, newest+1_000_000, got[0].At)
	}
}

// go-nvml panics.
func TestProcessUtilizationGrows(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, fakenvml.GPU{Processes: []fakenvml.Process{{PID: 11, SMPercent: 30, End: time.Hour}}, Grow: []string{SymbolProcessUtilization}})
	s.at(t, 10*time.Second)
	_, err := d.ProcessUtilization(nil, 0)
	require.EqualError(t, err, "nvmlDeviceGetProcessUtilization: the answer grew while it was read, try again (NVML error 7)")
	symbol, _ := d.watch.InFlight()
	require.Empty(t, symbol)
}
