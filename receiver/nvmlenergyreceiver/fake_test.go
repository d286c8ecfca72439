// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"slices"
	"sync"
)

// fakeDriver is NVML in the process. Its fields may be changed through set while the receiver runs.
type fakeDriver struct {
	mu       sync.Mutex
	openErr  error
	countErr error
	gpus     []*fakeGPU // by index
	opened   int
	calls    map[string]int
	// unhang lets the calls go that hang, while it is not nil.
	unhang chan struct{}
}

type fakeGPU struct {
	id      string
	raw     uint64           // mJ
	errs    map[string]error // by symbol
	hangs   bool
	detachs int
}

func (d *fakeDriver) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *fakeDriver) called(symbol string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[symbol]
}

// call counts a call and returns with the lock held.
func (d *fakeDriver) call(symbol string) {
	d.mu.Lock()
	if d.calls == nil {
		d.calls = map[string]int{}
	}
	d.calls[symbol]++
}

func (d *fakeDriver) open() error {
	d.call(symbolInit)
	defer d.mu.Unlock()
	if d.openErr == nil {
		d.opened++
	}
	return d.openErr
}

func (d *fakeDriver) close() error {
	d.call(symbolShutdown)
	defer d.mu.Unlock()
	if d.opened--; d.opened < 0 {
		return uninitialized
	}
	return nil
}

func (d *fakeDriver) count() (int, error) {
	d.call(symbolCount)
	defer d.mu.Unlock()
	return len(d.gpus), d.countErr
}

func (d *fakeDriver) device(index int) (device, error) {
	d.call(symbolHandle)
	defer d.mu.Unlock()
	if index >= len(d.gpus) {
		return nil, invalidArgument
	}
	g := d.gpus[index]
	return &fakeDevice{d, g, d.opened, g.detachs}, g.errs[symbolHandle]
}

// detach takes a GPU away, for good as far as its handles are concerned.
func (d *fakeDriver) detach(g *fakeGPU) {
	g.detachs++
	d.gpus = slices.DeleteFunc(d.gpus, func(other *fakeGPU) bool { return other == g })
}

type fakeDevice struct {
	driver  *fakeDriver
	gpu     *fakeGPU
	session int
	detachs int
}

func answer[T any](d *fakeDevice, symbol string, value func() T) (T, error) {
	d.driver.call(symbol)
	defer d.driver.mu.Unlock()
	if d.gpu.hangs {
		unhang := d.driver.unhang
		d.driver.mu.Unlock()
		<-unhang
		d.driver.mu.Lock()
	}
	err := d.gpu.errs[symbol]
	switch {
	case d.driver.opened != d.session:
		err = errors.New("the test would crash: a handle was used after its driver was closed")
	case d.detachs != d.gpu.detachs:
		err = gpuIsLost
	}
	return value(), err
}

func (d *fakeDevice) uuid() (string, error) {
	return answer(d, symbolUUID, func() string { return d.gpu.id })
}

func (d *fakeDevice) name() (string, error) {
	return answer(d, symbolName, func() string { return "NVIDIA Fake" })
}

func (d *fakeDevice) energy() (uint64, error) {
	return answer(d, symbolEnergy, func() uint64 { return d.gpu.raw })
}

func (d *fakeDevice) maxPowerLimit() (uint32, error) {
	return answer(d, symbolMaxPowerLimit, func() uint32 { return 700_000 })
}

func (d *fakeDevice) enforcedPowerLimit() (uint32, error) {
	return answer(d, symbolEnforcedPowerLimit, func() uint32 { return 500_000 })
}

func (d *fakeDevice) utilization() (uint32, error) {
	return answer(d, symbolUtilization, func() uint32 { return 42 })
}

func (d *fakeDevice) memory() (memory, error) {
	return answer(d, symbolMemory, func() memory { return memory{used: 2 << 30, total: 8 << 30} })
}

func (d *fakeDevice) temperature() (uint32, error) {
	return answer(d, symbolTemperature, func() uint32 { return 55 })
}
