// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmltest

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// ErrCrash is the answer to a call that would end the process.
var ErrCrash = errors.New("the test would crash: a handle was used after its driver was closed")

type device struct {
	driver  *Driver
	gpu     *GPU
	watch   *nvml.Watch
	session int
	detachs int
	busy    string // the call in flight
	queue   []nvml.Event
}

// call makes a call on the GPU and returns what the function does, which has the lock.
func call[T any](d *device, symbol string, function func() (T, error)) (value T, err error) {
	d.watch.Begin(symbol)
	defer d.watch.End()
	d.driver.mu.Lock()
	defer d.driver.mu.Unlock()
	d.driver.count(symbol)
	if d.busy != "" {
		d.driver.misuse("%s of %s was called while %s was in flight", symbol, d.gpu.ID, d.busy)
	}
	d.busy = symbol
	d.driver.inFlight++
	defer func() {
		d.busy = ""
		d.driver.inFlight--
	}()
	if err = d.usable(symbol); err == nil {
		d.driver.wait(d.gpu)
		err = d.usable(symbol) // the driver may have been closed in the meantime
	}
	if err == nil && d.detachs != d.gpu.detachs {
		err = nvml.GPUIsLost
	}
	if err == nil {
		err = d.gpu.failure(symbol)
	}
	if err == nil {
		value, err = function()
	}
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", symbol, err)
	}
	return value, nil
}

func (d *device) usable(symbol string) error {
	if d.driver.opened && d.session == d.driver.session {
		return nil
	}
	d.driver.misuse("%s of %s was called after the driver was closed", symbol, d.gpu.ID)
	return ErrCrash
}

func known[T any](value T, supported bool) (T, error) {
	if !supported {
		return value, nvml.NotSupported
	}
	return value, nil
}

func (d *device) UUID() (string, error) {
	return call(d, nvml.SymbolUUID, func() (string, error) { return d.gpu.ID, nil })
}

func (d *device) Name() (string, error) {
	return call(d, nvml.SymbolName, func() (string, error) { return cmp.Or(d.gpu.Model, "NVIDIA Fake"), nil })
}

func (d *device) Minor() (int, error) {
	return call(d, nvml.SymbolMinor, func() (int, error) { return d.gpu.Minor, nil })
}

func (d *device) ModuleID() (uint32, error) {
	return call(d, nvml.SymbolModuleID, func() (uint32, error) {
		if d.gpu.Module == nil {
			return 0, nvml.NotSupported
		}
		return *d.gpu.Module, nil
	})
}

func (d *device) MIG() (current, pending bool, err error) {
	both, err := call(d, nvml.SymbolMIGMode, func() ([2]bool, error) {
		return known([2]bool{d.gpu.MIGCurrent, d.gpu.MIGPending}, d.gpu.Slices > 0)
	})
	return both[0], both[1], err
}

func (d *device) MaxInstances() (int, error) {
	return call(d, nvml.SymbolMaxInstances, func() (int, error) {
		if !d.gpu.MIGCurrent {
			return 0, nil
		}
		return d.gpu.Slices, nil
	})
}

func (d *device) Instances() ([]nvml.Instance, error) {
	return call(d, nvml.SymbolInstance, func() (all []nvml.Instance, err error) {
		if d.gpu.MIGCurrent {
			for _, instance := range d.gpu.Instances {
				all = append(all, newShare(d, instance))
			}
		}
		return all, nil
	})
}

// Events misses what happened before its first call.
func (d *device) Events() ([]nvml.Event, error) {
	return call(d, nvml.SymbolEventWait, func() ([]nvml.Event, error) {
		if d.gpu.listeners == nil {
			d.gpu.listeners = map[*device]struct{}{}
		}
		d.gpu.listeners[d] = struct{}{}
		events := d.queue
		d.queue = nil
		return events, nil
	})
}

// Close is safe after the driver was closed, and on a GPU that hangs.
func (d *device) Close() {
	d.driver.mu.Lock()
	defer d.driver.mu.Unlock()
	delete(d.gpu.listeners, d)
	d.queue = nil
}
