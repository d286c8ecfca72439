// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package driver

import (
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Library is NVML.
const Library = "libnvidia-ml.so.1"

// Driver is the library, initialised. Several goroutines may use it.
type Driver struct {
	lib nvml.Interface
	// Present are the symbols of the library.
	Present map[string]bool

	mu       sync.Mutex
	answers  map[string]map[string]int // by symbol and name of the return value
	inFlight map[*pending]struct{}
}

// pending is a call without an answer yet. Several threads may wait for the same function.
type pending struct {
	symbol string
	since  time.Time
}

// elsewhere is where the library is in containers, on WSL and NixOS, if the loader does not find it.
var elsewhere = []string{
	"/usr/local/nvidia/lib64/", "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/", "/run/nvidia/driver/usr/lib/aarch64-linux-gnu/",
	"/usr/lib/wsl/lib/", "/run/opengl-driver/lib/",
}

// Open loads and initialises the library.
func Open() (*Driver, error) {
	path := Library
	library := dl.New(path, dl.RTLD_LAZY|dl.RTLD_GLOBAL)
	err := library.Open()
	for _, dir := range elsewhere {
		if err == nil {
			break
		}
		if _, missing := os.Stat(dir + Library); missing == nil {
			path = dir + Library
			library = dl.New(path, dl.RTLD_LAZY|dl.RTLD_GLOBAL)
			err = library.Open()
		}
	}
	if err != nil {
		return nil, err
	}
	d := &Driver{
		lib: nvml.New(nvml.WithLibraryPath(path)), Present: map[string]bool{},
		answers: map[string]map[string]int{}, inFlight: map[*pending]struct{}{},
	}
	for _, symbol := range Symbols {
		d.Present[symbol] = library.Lookup(symbol) == nil
	}
	for _, symbol := range required {
		if !d.Present[symbol] {
			return nil, fmt.Errorf("%s has no %s", path, symbol)
		}
	}
	return d, d.Init()
}

// Init may be called again after Shutdown.
func (d *Driver) Init() error { return d.call("nvmlInit_v2", d.lib.Init) }

// Shutdown makes all devices invalid.
func (d *Driver) Shutdown() error { return d.call("nvmlShutdown", d.lib.Shutdown) }

// Versions of the kernel driver and of the library; empty if unknown.
func (d *Driver) Versions() (kernel, library string) {
	_ = d.call("nvmlSystemGetDriverVersion", func() (r nvml.Return) { kernel, r = d.lib.SystemGetDriverVersion(); return r })
	_ = d.call("nvmlSystemGetNVMLVersion", func() (r nvml.Return) { library, r = d.lib.SystemGetNVMLVersion(); return r })
	return kernel, library
}

// Count is the number of GPUs.
func (d *Driver) Count() (n int, err error) {
	err = d.call("nvmlDeviceGetCount_v2", func() (r nvml.Return) { n, r = d.lib.DeviceGetCount(); return r })
	return n, err
}

// Device opens the GPU with an index.
func (d *Driver) Device(index int) (*Device, error) {
	device := &Device{d: d}
	err := d.call("nvmlDeviceGetHandleByIndex_v2", func() (r nvml.Return) { device.raw, r = d.lib.DeviceGetHandleByIndex(index); return r })
	return device, err
}

// Answers are how often each symbol gave what, so far.
func (d *Driver) Answers() map[string]map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	copied := map[string]map[string]int{}
	for symbol, counts := range d.answers {
		copied[symbol] = maps.Clone(counts)
	}
	return copied
}

// InFlight is the call that has been waiting longest for its answer, if any.
func (d *Driver) InFlight() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var oldest pending
	for p := range d.inFlight {
		if oldest.symbol == "" || p.since.Before(oldest.since) {
			oldest = *p
		}
	}
	return oldest.symbol
}

func (d *Driver) call(symbol string, f func() nvml.Return) error {
	if !d.Present[symbol] {
		return &Failure{symbol, functionNotFound}
	}
	p := &pending{symbol, time.Now()}
	d.mu.Lock()
	d.inFlight[p] = struct{}{}
	d.mu.Unlock()
	result := int(guard(f))
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inFlight, p)
	if d.answers[symbol] == nil {
		d.answers[symbol] = map[string]int{}
	}
	d.answers[symbol][ReturnName(result)]++
	if result != success {
		return &Failure{symbol, result}
	}
	return nil
}

// guard survives go-nvml's GetProcessUtilization, which panics if samples arrive between its two calls.
func guard(f func() nvml.Return) (result nvml.Return) {
	result = unknown
	defer func() { _ = recover() }()
	return f()
}
