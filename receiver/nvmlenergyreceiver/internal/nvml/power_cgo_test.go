// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

func TestEnergyAndPower(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, fakenvml.GPU{
		Power:  fakenvml.Square{Low: 100, High: 300, Period: 2 * time.Second, Duty: 0.5},
		Module: fakenvml.Const{Watts: 900}, Limit: 650, Initial: 1000,
	})
	s.at(t, 10500*time.Millisecond)
	for name, test := range map[string]struct {
		read func() (uint64, error)
		want uint64
	}{
		"energy":          {d.Energy, 2_151_000},
		"maximum limit":   {wide(d.MaxPowerLimit), 650_000},
		"enforced limit":  {wide(d.EnforcedPowerLimit), 650_000},
		"average":         {of(d.AveragePower, GPU), 200_000},
		"instant":         {of(d.InstantPower, GPU), 300_000},
		"average, module": {of(d.AveragePower, Module), 900_000},
		"instant, module": {of(d.InstantPower, Module), 900_000},
	} {
		got, err := test.read()
		require.NoError(t, err, name)
		assert.Equal(t, test.want, got, name)
	}
}

func wide(read func() (uint32, error)) func() (uint64, error) {
	return func() (uint64, error) { value, err := read(); return uint64(value), err }
}

func of(read func(Scope) (uint32, error), scope Scope) func() (uint64, error) {
	return wide(func() (uint32, error) { return read(scope) })
}

func TestNoModule(t *testing.T) {
	s := newStage(t)
	for name, module := range map[string]fakenvml.Waveform{"not supported": nil, "0 W": fakenvml.Const{}} {
		d := s.playOne(t, fakenvml.GPU{Module: module})
		_, err := d.AveragePower(Module)
		require.ErrorIs(t, err, NotSupported, name)
		_, err = d.InstantPower(Module)
		require.ErrorIs(t, err, NotSupported, name)
	}
}

func TestPowerOfADriverWithoutFields(t *testing.T) {
	for name, test := range map[string]struct {
		arch    string
		average error
	}{"Ampere": {"ampere", nil}, "Hopper": {"hopper", nil}, "GA100": {"ga100", NotSupported}, "Volta": {"volta", NotSupported}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			d := s.playOne(t, fakenvml.GPU{Arch: test.arch}, "field:185", "field:186")
			s.at(t, 10*time.Second)
			for range 3 {
				value, err := d.InstantPower(GPU)
				require.NoError(t, err)
				assert.Equal(t, uint32(100_000), value)
				value, err = d.AveragePower(GPU)
				require.ErrorIs(t, err, test.average)
				if err == nil {
					assert.Equal(t, uint32(100_000), value)
				}
			}
			assert.Equal(t, uint64(2), s.called(t, SymbolFields), "what a driver lacks is asked for once")
		})
	}
}

// https://developer.nvidia.com/cuda-gpus
func TestUsageOf(t *testing.T) {
	for name, test := range map[string]struct {
		major, minor int
		want         meaning
	}{
		"V100": {7, 0, instant}, "T4": {7, 5, instant}, "A100, A30": {8, 0, instant}, "A10, A40": {8, 6, mean},
		"L4, L40": {8, 9, mean}, "H100": {9, 0, mean}, "B200": {10, 0, mean}, "RTX PRO 6000": {12, 0, mean},
	} {
		assert.Equal(t, test.want, usageOf(test.major, test.minor), name)
	}
}

func TestMilliwatts(t *testing.T) {
	for name, test := range map[string]struct {
		kind nvml.ValueType
		bits uint64
		want uint32
		ok   bool
	}{
		"unsigned int":          {nvml.VALUE_TYPE_UNSIGNED_INT, 700_000, 700_000, true},
		"unsigned int, garbage": {nvml.VALUE_TYPE_UNSIGNED_INT, 0xdead_beef_0000_0001, 1, true},
		"unsigned short":        {nvml.VALUE_TYPE_UNSIGNED_SHORT, 0xbeef_0001, 1, true},
		"unsigned long":         {nvml.VALUE_TYPE_UNSIGNED_LONG, 700_000, 700_000, true},
		"unsigned long long":    {nvml.VALUE_TYPE_UNSIGNED_LONG_LONG, 1 << 32, 0, false},
		"signed":                {nvml.VALUE_TYPE_SIGNED_LONG_LONG, 700_000, 700_000, true},
		"negative":              {nvml.VALUE_TYPE_SIGNED_LONG_LONG, math.MaxUint64, 0, false},
		"int":                   {nvml.VALUE_TYPE_SIGNED_INT, 700_000, 700_000, true},
		"negative int":          {nvml.VALUE_TYPE_SIGNED_INT, math.MaxUint32, 0, false},
		"double":                {nvml.VALUE_TYPE_DOUBLE, math.Float64bits(699_999.6), 700_000, true},
		"no number":             {nvml.VALUE_TYPE_DOUBLE, math.Float64bits(math.NaN()), 0, false},
		"negative double":       {nvml.VALUE_TYPE_DOUBLE, math.Float64bits(-1), 0, false},
		"of no known type":      {nvml.ValueType(99), 1, 0, false},
	} {
		var value [8]byte
		binary.LittleEndian.PutUint64(value[:], test.bits)
		got, err := milliwatts(test.kind, value)
		if !test.ok {
			require.ErrorIs(t, err, Unknown, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, test.want, got, name)
	}
}

func TestPowerSamples(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, fakenvml.GPU{Power: fakenvml.Const{Watts: 123}})
	s.at(t, 10*time.Second)
	kept := PowerSample{At: 1, Milliwatts: 1}
	all, err := d.PowerSamples([]PowerSample{kept}, 0)
	require.NoError(t, err)
	require.Len(t, all, 121)
	require.Equal(t, kept, all[0])
	samples := all[1:]
	for i, sample := range samples {
		require.Equal(t, uint32(123_000), sample.Milliwatts)
		if i > 0 {
			require.Equal(t, samples[i-1].At+20_000, sample.At)
		}
	}
	since, err := d.PowerSamples(nil, samples[99].At)
	require.NoError(t, err)
	require.Equal(t, samples[100:], since)
	none, err := d.PowerSamples(nil, samples[119].At)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestReadingsAllocateNothing(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, fakenvml.GPU{})
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = d.Energy() }), 1.0, "go-nvml's own")
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = d.AveragePower(GPU) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = d.InstantPower(GPU) }))
}

func BenchmarkDevice(b *testing.B) {
	s := newStage(b)
	d := s.playOne(b, fakenvml.GPU{Processes: []fakenvml.Process{{PID: 1, SMPercent: 10, End: time.Hour}, {PID: 2, SMPercent: 10, End: time.Hour}}})
	s.at(b, 10*time.Second)
	var processes []Process
	var busy []ProcessSample
	var samples []PowerSample
	for name, call := range map[string]func() error{
		"Energy":             func() error { _, err := d.Energy(); return err },
		"AveragePower":       func() error { _, err := d.AveragePower(GPU); return err },
		"InstantPower":       func() error { _, err := d.InstantPower(GPU); return err },
		"PowerSamples":       func() (err error) { samples, err = d.PowerSamples(samples[:0], 0); return err },
		"Processes":          func() (err error) { processes, err = d.Processes(processes[:0]); return err },
		"ProcessUtilization": func() (err error) { busy, err = d.ProcessUtilization(busy[:0], 0); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
