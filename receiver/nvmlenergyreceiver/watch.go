// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// patience is how long an answer of the driver is waited for. Calls take microseconds, the first
// ones up to seconds; those that took longer hung for hours (open-gpu-kernel-modules #1333, go-nvml #152).
const patience = 5 * time.Second

// watch knows the call that the driver has not yet answered. Others than the caller may look.
type watch struct{ current atomic.Pointer[call] }

type call struct {
	symbol, gpu string
	since       time.Time
}

// left is how much patience there still is with the call in flight.
func (w *watch) left() time.Duration {
	if c := w.current.Load(); c != nil {
		return patience - time.Since(c.since)
	}
	return patience
}

// overdue says which call is in flight and for how long.
func (w *watch) overdue() error {
	c := w.current.Load()
	if c == nil {
		return errors.New("the NVIDIA driver answers too slowly")
	}
	symbol := c.symbol
	if c.gpu != "" {
		symbol += " of " + c.gpu
	}
	return fmt.Errorf("the NVIDIA driver does not answer: %s has been running for %v", symbol, time.Since(c.since).Round(time.Millisecond))
}

// watched makes a call, and names it in its error.
func watched[T any](w *watch, symbol, gpu string, function func() (T, error)) (T, error) {
	w.current.Store(&call{symbol, gpu, time.Now()})
	value, err := function()
	w.current.Store(nil)
	if err != nil {
		err = fmt.Errorf("%s: %w", symbol, err)
	}
	return value, err
}

// watchedDriver is a driver whose calls are watched.
type watchedDriver struct {
	driver
	watch *watch
}

// open fails for more reasons than the one call; its errors name theirs.
func (d watchedDriver) open() (err error) {
	_, _ = watched(d.watch, symbolInit, "", func() (any, error) {
		err = d.driver.open()
		return nil, nil
	})
	return err
}

func (d watchedDriver) close() error {
	_, err := watched(d.watch, symbolShutdown, "", func() (any, error) { return nil, d.driver.close() })
	return err
}

func (d watchedDriver) count() (int, error) {
	return watched(d.watch, symbolCount, "", d.driver.count)
}

func (d watchedDriver) device(index int) (device, error) {
	gpu := fmt.Sprintf("GPU %d", index)
	handle, err := watched(d.watch, symbolHandle, gpu, func() (device, error) { return d.driver.device(index) })
	if err != nil {
		return nil, err
	}
	id, err := watched(d.watch, symbolUUID, gpu, handle.uuid)
	return watchedDevice{handle, d.watch, id}, err
}

type watchedDevice struct {
	handle device
	watch  *watch
	id     string
}

func (d watchedDevice) uuid() (string, error) { return d.id, nil }

func (d watchedDevice) name() (string, error) {
	return watched(d.watch, symbolName, d.id, d.handle.name)
}

func (d watchedDevice) energy() (uint64, error) {
	return watched(d.watch, symbolEnergy, d.id, d.handle.energy)
}

func (d watchedDevice) maxPowerLimit() (uint32, error) {
	return watched(d.watch, symbolMaxPowerLimit, d.id, d.handle.maxPowerLimit)
}

func (d watchedDevice) enforcedPowerLimit() (uint32, error) {
	return watched(d.watch, symbolEnforcedPowerLimit, d.id, d.handle.enforcedPowerLimit)
}

func (d watchedDevice) utilization() (uint32, error) {
	return watched(d.watch, symbolUtilization, d.id, d.handle.utilization)
}

func (d watchedDevice) memory() (memory, error) {
	return watched(d.watch, symbolMemory, d.id, d.handle.memory)
}

func (d watchedDevice) temperature() (uint32, error) {
	return watched(d.watch, symbolTemperature, d.id, d.handle.temperature)
}
