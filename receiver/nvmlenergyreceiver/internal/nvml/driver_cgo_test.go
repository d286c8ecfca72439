// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

func TestDriver(t *testing.T) {
	s := newStage(t)
	d := s.play(t, fakenvml.Scenario{
		Driver: "580.65.06",
		GPUs:   []fakenvml.GPU{{UUID: idA, Name: "Fake A", Power: fakenvml.Const{Watts: 100}}, {UUID: idB, Name: "Fake B", Power: fakenvml.Const{Watts: 100}}},
	})
	version, err := d.Version()
	require.NoError(t, err)
	assert.Equal(t, "580.65.06", version)
	count, err := d.Count()
	require.NoError(t, err)
	assert.Equal(t, 2, count)
	handle, err := d.Device(1, &Watch{})
	require.NoError(t, err)
	uuid, err := handle.UUID()
	require.NoError(t, err)
	assert.Equal(t, idB, uuid)
	_, err = d.Device(2, &Watch{})
	require.EqualError(t, err, "nvmlDeviceGetHandleByIndex_v2: invalid argument (NVML error 2)")
	require.ErrorIs(t, d.Open(), InUse)
	require.NoError(t, d.Close())
	require.Zero(t, process.users)

	for name, call := range map[string]func() error{
		"Close":   d.Close,
		"Version": func() error { _, err := d.Version(); return err },
		"Count":   func() error { _, err := d.Count(); return err },
		"Device":  func() error { _, err := d.Device(0, &Watch{}); return err },
		"Energy":  func() error { _, err := handle.Energy(); return err },
		"Events":  func() error { _, err := handle.Events(); return err },
	} {
		require.ErrorIs(t, call(), Uninitialized, name)
	}
	handle.Close()
}

func TestDriverAppears(t *testing.T) {
	s := newStage(t)
	d := New(s.library)
	require.EqualError(t, d.Open(), "nvmlInit_v2 of "+s.library+": the NVIDIA kernel driver is not loaded (NVML error 9)")
	require.ErrorIs(t, d.Close(), Uninitialized)
	s.playOne(t, fakenvml.GPU{})
	require.NoError(t, d.Open())
	require.NoError(t, d.Close())
}

// The race detector watches this one: go-nvml writes package variables when it opens and closes.
func TestReceiversShareTheLibrary(t *testing.T) {
	s := newStage(t)
	s.playOne(t, fakenvml.GPU{})
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			var err error
			for n := 0; n < 50 && err == nil; n++ {
				err = openReadClose(s.library)
			}
			done <- err
		}()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
	require.Equal(t, 1, process.users)

	require.ErrorContains(t, New("/opt/other/libnvidia-ml.so.1").Open(),
		`library_path: "/opt/other/libnvidia-ml.so.1" cannot be used, since this process has loaded "`+s.library)
}

func openReadClose(library string) error {
	d := New(library)
	if err := d.Open(); err != nil {
		return err
	}
	handle, err := d.Device(0, &Watch{})
	if err != nil {
		return err
	}
	if _, err := handle.Energy(); err != nil {
		return err
	}
	return d.Close()
}

// A hang in C is out of reach of synctest.
func TestWatchShowsAHang(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, fakenvml.GPU{Events: []fakenvml.Event{{At: time.Second, Kind: fakenvml.Hang}, {At: time.Minute, Kind: fakenvml.Unhang}}})
	s.at(t, time.Second)
	answered := make(chan error)
	go func() {
		_, err := d.Energy()
		answered <- err
	}()
	require.Eventually(t, func() bool { symbol, _ := d.watch.InFlight(); return symbol == SymbolEnergy }, time.Minute, time.Millisecond)
	s.at(t, time.Minute)
	require.NoError(t, <-answered)
	symbol, running := d.watch.InFlight()
	assert.Empty(t, symbol)
	assert.Zero(t, running)
}

func TestLost(t *testing.T) {
	s := newStage(t)
	d := s.playOne(t, fakenvml.GPU{Events: []fakenvml.Event{{At: time.Second, Kind: fakenvml.Lost}, {At: time.Minute, Kind: fakenvml.Back}}})
	_, err := d.Energy()
	require.NoError(t, err)
	s.at(t, time.Second)
	_, err = d.Energy()
	require.ErrorIs(t, err, GPUIsLost)
	require.EqualError(t, err, "nvmlDeviceGetTotalEnergyConsumption: the GPU is lost (NVML error 15)")
	_, err = d.Processes(nil)
	require.ErrorIs(t, err, GPUIsLost)
	s.at(t, time.Minute)
	_, err = d.Energy()
	require.NoError(t, err)
}

func TestNoLibrary(t *testing.T) {
	noLibrary := filepath.Join(t.TempDir(), libraryName)
	_, err := findLibrary(noLibrary)
	require.EqualError(t, err, "library_path: "+noLibrary+": cannot open shared object file: No such file or directory")

	require.NoError(t, os.WriteFile(noLibrary, []byte("no ELF file"), 0o600))
	_, err = findLibrary(noLibrary)
	require.ErrorContains(t, err, "library_path: "+noLibrary+": ")
	require.NotContains(t, err.Error(), "\n")

	_, err = openLibrary("libc.so.6")
	require.EqualError(t, err, "libc.so.6 is no NVML that can be used: it lacks nvmlInit_v2")
}
