// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvmlenergyreceiver

import (
	"fmt"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

func newDriver(libraryPath string) driver { return &nvmlDriver{libraryPath: libraryPath} }

// nvmlDriver is a receiver's share of the library that the process has loaded.
type nvmlDriver struct{ libraryPath string }

// process holds the one library that a process can use: calls once bound stay with the first that
// was loaded, even after it is closed. go-nvml writes package variables when it opens and closes a
// library, so all receivers share one and take turns at that.
var process struct {
	sync.Mutex
	library *library // nil until one has been found
	nvml    nvml.Interface
	users   int
}

func (d *nvmlDriver) open() error {
	process.Lock()
	defer process.Unlock()
	switch {
	case process.library == nil:
		found, err := findLibrary(d.libraryPath)
		if err != nil {
			return err
		}
		process.library = found
		process.nvml = nvml.New(nvml.WithLibraryPath(found.path))
	case d.libraryPath != "" && d.libraryPath != process.library.path:
		return fmt.Errorf("library_path: %q cannot be used, since this process has loaded %q; give all nvmlenergy receivers the same path, and restart the collector to change it",
			d.libraryPath, process.library.path)
	}
	if process.users == 0 {
		if err := result(process.nvml.Init()); err != nil {
			return fmt.Errorf("%s of %s: %w", symbolInit, process.library.path, err)
		}
	}
	process.users++
	return nil
}

func (d *nvmlDriver) close() error {
	process.Lock()
	defer process.Unlock()
	if process.users--; process.users > 0 {
		return nil
	}
	return result(process.nvml.Shutdown())
}

func (d *nvmlDriver) count() (int, error) {
	count, ret := process.nvml.DeviceGetCount()
	return count, result(ret)
}

func (d *nvmlDriver) device(index int) (device, error) {
	handle, ret := process.nvml.DeviceGetHandleByIndex(index)
	return nvmlDevice{handle, process.library}, result(ret)
}

type nvmlDevice struct {
	handle  nvml.Device
	library *library
}

func (d nvmlDevice) uuid() (string, error) {
	uuid, ret := d.handle.GetUUID()
	return uuid, result(ret)
}

func (d nvmlDevice) name() (string, error) {
	name, ret := d.handle.GetName()
	return name, result(ret)
}

func (d nvmlDevice) energy() (uint64, error) {
	return optional(d.library, symbolEnergy, d.handle.GetTotalEnergyConsumption)
}

func (d nvmlDevice) maxPowerLimit() (uint32, error) {
	return optional(d.library, symbolMaxPowerLimit, func() (uint32, nvml.Return) {
		_, most, ret := d.handle.GetPowerManagementLimitConstraints()
		return most, ret
	})
}

func (d nvmlDevice) enforcedPowerLimit() (uint32, error) {
	return optional(d.library, symbolEnforcedPowerLimit, d.handle.GetEnforcedPowerLimit)
}

func (d nvmlDevice) utilization() (uint32, error) {
	return optional(d.library, symbolUtilization, func() (uint32, nvml.Return) {
		utilization, ret := d.handle.GetUtilizationRates()
		return utilization.Gpu, ret
	})
}

func (d nvmlDevice) memory() (memory, error) {
	return optional(d.library, symbolMemory, func() (memory, nvml.Return) {
		info, ret := d.handle.GetMemoryInfo()
		return memory{used: info.Used, total: info.Total}, ret
	})
}

func (d nvmlDevice) temperature() (uint32, error) {
	return optional(d.library, symbolTemperature, func() (uint32, nvml.Return) {
		// Its successor nvmlDeviceGetTemperatureV is missing in many drivers in use.
		return d.handle.GetTemperature(nvml.TEMPERATURE_GPU)
	})
}

// optional makes a call if the library has it: one to a function that it lacks ends the process.
func optional[T any](l *library, symbol string, call func() (T, nvml.Return)) (value T, err error) {
	if !l.has[symbol] {
		return value, functionNotFound
	}
	value, ret := call()
	return value, result(ret)
}

// result keeps nvml.Return away from fmt: its Error calls into the library, or races with its closing.
func result(ret nvml.Return) error {
	if ret == nvml.SUCCESS {
		return nil
	}
	return failure(ret)
}
