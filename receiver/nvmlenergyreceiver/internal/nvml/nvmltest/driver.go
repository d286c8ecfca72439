// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package nvmltest is NVML in the process, for tests of what uses it. It waits on channels and for no time
// of its own, so it can be used in a bubble of testing/synctest.
package nvmltest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// Driver is a driver with GPUs. Change its fields, and those of its GPUs, through Set while it is in use.
type Driver struct {
	// GPUs by index. Detach and Attach change them too.
	GPUs []*GPU
	// VersionText is 580.65.06 if empty.
	VersionText string
	// Errors by symbol: nvml.SymbolInit, SymbolShutdown, SymbolVersion, SymbolCount.
	Errors map[string]error

	mu       sync.Mutex
	session  int // counts the times it was opened
	opened   bool
	calls    map[string]int
	misuses  []string
	inFlight int                    // calls on devices
	own      bool                   // a call of the driver itself is in flight
	gates    map[*GPU]chan struct{} // closed when the GPU hangs no more; nil is the driver itself
	held     map[*share]struct{}    // have samples that nobody has closed
}

var _ nvml.Driver = (*Driver)(nil)

// New makes a driver with GPUs.
func New(gpus ...*GPU) *Driver { return &Driver{GPUs: gpus} }

// Set changes fields of the driver and its GPUs. No other method may be called in it.
func (d *Driver) Set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// Calls is how many calls of a symbol have begun, on all devices.
func (d *Driver) Calls(symbol string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[symbol]
}

// Misuses are the things that would have ended the process, or worse, with the real library. A test
// should assert that there are none.
func (d *Driver) Misuses() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.misuses)
}

// Held is how many instances have had a call of Activity and none of Close.
func (d *Driver) Held() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.held)
}

// Opened says whether the driver is open.
func (d *Driver) Opened() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opened
}

// Hang makes all calls that begin from now on wait for Unhang: those on the GPU, or with nil those of the
// driver itself.
func (d *Driver) Hang(g *GPU) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gates == nil {
		d.gates = map[*GPU]chan struct{}{}
	}
	if d.gates[g] == nil {
		d.gates[g] = make(chan struct{})
	}
}

// Unhang lets the calls go that hang.
func (d *Driver) Unhang(g *GPU) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gate := d.gates[g]; gate != nil {
		close(gate)
		delete(d.gates, g)
	}
}

// Detach takes a GPU away: the count shrinks, indices shift, its handles are lost for good.
func (d *Driver) Detach(g *GPU) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g.detachs++
	d.GPUs = slices.DeleteFunc(slices.Clone(d.GPUs), func(other *GPU) bool { return other == g })
}

// Attach adds a GPU, or brings it back, at an index.
func (d *Driver) Attach(g *GPU, index int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.GPUs = slices.Insert(slices.Clone(d.GPUs), index, g)
}

// Push makes events happen to a GPU. Devices that do not listen yet miss them.
func (d *Driver) Push(g *GPU, events ...nvml.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for listener := range g.listeners {
		listener.queue = append(listener.queue, events...)
	}
}

// Open fails with Errors[nvml.SymbolInit].
func (d *Driver) Open() error {
	return d.call(nvml.SymbolInit, func() error {
		if d.opened {
			d.misuse("the driver was opened twice")
		}
		d.opened = true
		d.session++
		return nil
	})
}

// Close makes all devices crash.
func (d *Driver) Close() error {
	return d.call(nvml.SymbolShutdown, func() error {
		if !d.opened {
			return nvml.Uninitialized
		}
		if d.inFlight > 0 {
			d.misuse("the driver was closed while a device had a call in flight")
		}
		d.opened = false
		clear(d.held)
		return nil
	})
}

// Version is VersionText.
func (d *Driver) Version() (version string, err error) {
	err = d.call(nvml.SymbolVersion, func() error {
		version = d.VersionText
		if version == "" {
			version = "580.65.06"
		}
		return d.initialized()
	})
	return version, err
}

// Count is the number of GPUs that are attached.
func (d *Driver) Count() (count int, err error) {
	err = d.call(nvml.SymbolCount, func() error {
		count = len(d.GPUs)
		return d.initialized()
	})
	return count, err
}

// Device fails as the GPU does, and hangs with it.
func (d *Driver) Device(index int, watch *nvml.Watch) (handle nvml.Device, err error) {
	watch.Begin(nvml.SymbolHandle)
	defer watch.End()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count(nvml.SymbolHandle)
	if handle, err = d.handle(index, watch); err != nil {
		return nil, fmt.Errorf("%s: %w", nvml.SymbolHandle, err)
	}
	return handle, nil
}

func (d *Driver) handle(index int, watch *nvml.Watch) (nvml.Device, error) {
	d.wait(nil)
	if err := d.initialized(); err != nil {
		return nil, err
	}
	if index < 0 || index >= len(d.GPUs) {
		return nil, nvml.InvalidArgument
	}
	g := d.GPUs[index]
	d.wait(g)
	if err := g.failure(nvml.SymbolHandle); err != nil {
		return nil, err
	}
	return &device{driver: d, gpu: g, watch: watch, session: d.session, detachs: g.detachs}, nil
}

// call makes one of the driver's own calls, with the lock held.
func (d *Driver) call(symbol string, function func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count(symbol)
	if d.own {
		d.misuse("%s was called while the driver had another call in flight", symbol)
	}
	d.own = true
	defer func() { d.own = false }()
	d.wait(nil)
	err := d.Errors[symbol]
	if err == nil {
		err = function()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", symbol, err)
	}
	return nil
}

func (d *Driver) initialized() error {
	if !d.opened {
		return nvml.Uninitialized
	}
	return nil
}

// wait gives the lock away while a GPU hangs.
func (d *Driver) wait(g *GPU) {
	for d.gates[g] != nil {
		gate := d.gates[g]
		d.mu.Unlock()
		<-gate
		d.mu.Lock()
	}
}

func (d *Driver) count(symbol string) {
	if d.calls == nil {
		d.calls = map[string]int{}
	}
	d.calls[symbol]++
}

func (d *Driver) misuse(format string, arguments ...any) {
	d.misuses = append(d.misuses, fmt.Sprintf(format, arguments...))
}
