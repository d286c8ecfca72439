// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// A call to a function that the library lacks would end the process: each case has one of its own.
func TestMissingSymbols(t *testing.T) {
	const child, lacks = "NVML_TEST_LIBRARY", "NVML_TEST_LACKS"
	if library := os.Getenv(child); library != "" {
		callAll(t, library, strings.Fields(os.Getenv(lacks)))
		return
	}
	var all []string
	for _, symbol := range symbols {
		all = append(all, symbol)
	}
	for _, versions := range optional {
		all = append(all, versions...)
	}
	for _, list := range []string{SymbolComputeProcesses, SymbolGraphicsProcesses, SymbolMPSProcesses} {
		all = append(all, list+"_v3")
	}
	slices.Sort(all)
	all = slices.Compact(all)
	cases := map[string][]string{"all optional ones": all, "nvmlErrorString": {"nvmlErrorString"}}
	for _, symbol := range slices.Concat(required, all) {
		cases[symbol] = []string{symbol}
	}
	for name, missing := range cases {
		t.Run(name, func(t *testing.T) {
			library := without(t, missing)
			command := exec.Command(os.Args[0], "-test.run=^TestMissingSymbols$", "-test.v")
			// The race detector waits a second at each exit.
			command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", child+"="+library, lacks+"="+strings.Join(missing, " "))
			output, err := command.CombinedOutput()
			require.NoError(t, err, "%s", output)
			require.Contains(t, string(output), "--- PASS: TestMissingSymbols")
		})
	}
}

// without is a copy of the library that lacks symbols: their names are others. That is faster than to link one.
func without(t *testing.T, missing []string) string {
	t.Helper()
	path, err := build()
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, symbol := range missing {
		content = bytes.ReplaceAll(content, []byte("\x00"+symbol+"\x00"), []byte("\x00N"+symbol[1:]+"\x00"))
	}
	path = filepath.Join(t.TempDir(), fakenvml.LibraryName)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// symbols that calls need, by the call. Calls that have another way are not here.
var symbols = map[string]string{
	"Minor": SymbolMinor, "ModuleID": SymbolModuleID, "Energy": SymbolEnergy, "MaxPowerLimit": SymbolMaxPowerLimit, "EnforcedPowerLimit": SymbolEnforcedPowerLimit,
	"PowerSamples": SymbolSamples, "ProcessUtilization": SymbolProcessUtilization,
	"MIG": SymbolMIGMode, "MaxInstances": SymbolMaxInstances, "Utilization": SymbolUtilization, "EncoderUtilization": SymbolEncoder,
	"DecoderUtilization": SymbolDecoder, "Memory": SymbolMemory, "Temperature": SymbolTemperature, "Clock": SymbolClock, "Version": SymbolVersion,
}

func callAll(t *testing.T, library string, lacks []string) {
	t.Helper()
	s := newStageFor(t, library)
	for _, symbol := range required {
		if slices.Contains(lacks, symbol) {
			require.ErrorContains(t, New(library).Open(), "it lacks "+symbol)
			return
		}
	}
	d := s.playOne(t, parted("hopper"))
	s.at(t, 10*time.Second)
	failed := map[string]error{}
	calls := map[string]func() error{
		"Version":            func() error { _, err := s.driver.Version(); return err },
		"UUID":               func() error { _, err := d.UUID(); return err },
		"Name":               func() error { _, err := d.Name(); return err },
		"Minor":              func() error { _, err := d.Minor(); return err },
		"ModuleID":           func() error { _, err := d.ModuleID(); return err },
		"Energy":             func() error { _, err := d.Energy(); return err },
		"MaxPowerLimit":      func() error { _, err := d.MaxPowerLimit(); return err },
		"EnforcedPowerLimit": func() error { _, err := d.EnforcedPowerLimit(); return err },
		"AveragePower":       func() error { _, err := d.AveragePower(GPU); return err },
		"InstantPower":       func() error { _, err := d.InstantPower(GPU); return err },
		"PowerSamples":       func() error { _, err := d.PowerSamples(nil, 0); return err },
		"Processes":          func() error { _, err := d.Processes(nil); return err },
		"ProcessUtilization": func() error { _, err := d.ProcessUtilization(nil, 0); return err },
		"MIG":                func() error { _, _, err := d.MIG(); return err },
		"MaxInstances":       func() error { _, err := d.MaxInstances(); return err },
		"Instances":          func() error { return activity(d) },
		"Events":             func() error { _, err := d.Events(); return err },
		"Utilization":        func() error { _, err := d.Utilization(); return err },
		"EncoderUtilization": func() error { _, err := d.EncoderUtilization(); return err },
		"DecoderUtilization": func() error { _, err := d.DecoderUtilization(); return err },
		"Memory":             func() error { _, err := d.Memory(); return err },
		"Temperature":        func() error { _, err := d.Temperature(); return err },
		"Clock":              func() error { _, err := d.Clock(MemoryClock); return err },
		"Throttling":         func() error { _, err := d.Throttling(); return err },
	}
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		failed[name] = calls[name]()
	}
	for name, symbol := range symbols {
		if slices.Contains(lacks, symbol) {
			assert.ErrorIs(t, failed[name], FunctionNotFound, name)
		} else {
			assert.NotErrorIs(t, failed[name], FunctionNotFound, name)
		}
	}
	if len(lacks) < 2 {
		assert.NoError(t, failed["Throttling"], "either name does")
		assert.NoError(t, failed["Processes"], "the other lists do")
		assert.NoError(t, failed["InstantPower"], "there is nvmlDeviceGetPowerUsage")
		assert.NoError(t, failed["AveragePower"], "there is nvmlDeviceGetPowerUsage")
	}
}

func activity(d *device) error {
	all, err := d.Instances()
	for _, i := range all {
		_, err = i.Activity()
		i.Close()
	}
	return err
}
