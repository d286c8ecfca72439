// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// New makes a driver that loads the library at a path, or where drivers put it if the path is empty.
func New(libraryPath string) Driver { return &driver{libraryPath: libraryPath} }

// driver is a receiver's share of the library that the process has loaded.
type driver struct {
	libraryPath string
	session     *session // nil while closed
}

// process holds the one library that a process can use: calls once bound stay with the first that
// was loaded, even after it is closed. go-nvml writes package variables when it opens and closes a
// library, so all receivers share one and take turns at that.
var process struct {
	sync.Mutex
	library *library // nil until one has been found
	nvml    nvml.Interface
	users   int
}

func (d *driver) Open() error {
	process.Lock()
	defer process.Unlock()
	switch {
	case d.session != nil:
		return fmt.Errorf("%s: %w: it is open already", SymbolInit, InUse)
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
		if ret := process.nvml.Init(); ret != nvml.SUCCESS {
			return fmt.Errorf("%s of %s: %w", SymbolInit, process.library.path, Failure(ret))
		}
	}
	process.users++
	d.session = &session{library: process.library, nvml: process.nvml, held: map[resource]struct{}{}}
	return nil
}

func (d *driver) Close() error {
	process.Lock()
	defer process.Unlock()
	if d.session == nil {
		return result(SymbolShutdown, nvml.ERROR_UNINITIALIZED)
	}
	d.session.close()
	d.session = nil
	if process.users--; process.users > 0 {
		return nil
	}
	return result(SymbolShutdown, process.nvml.Shutdown())
}

func (d *driver) Version() (string, error) {
	if err := d.session.lacks(SymbolVersion); err != nil {
		return "", err
	}
	version, ret := d.session.nvml.SystemGetDriverVersion()
	return version, result(SymbolVersion, ret)
}

func (d *driver) Count() (int, error) {
	if err := d.session.lacks(SymbolCount); err != nil {
		return 0, err
	}
	count, ret := d.session.nvml.DeviceGetCount()
	return count, result(SymbolCount, ret)
}

func (d *driver) Device(index int, watch *Watch) (Device, error) {
	if err := d.session.lacks(SymbolHandle); err != nil {
		return nil, err
	}
	watch.Begin(SymbolHandle)
	defer watch.End()
	handle, ret := d.session.nvml.DeviceGetHandleByIndex(index)
	if err := result(SymbolHandle, ret); err != nil {
		return nil, err
	}
	return newDevice(d.session, watch, handle), nil
}

// session is the time from Open to Close. Handles are good for one session.
type session struct {
	library *library
	nvml    nvml.Interface
	closed  atomic.Bool

	mu   sync.Mutex
	held map[resource]struct{}
}

// resource is memory of the library that has to be given back to it.
type resource interface{ free() }

func (s *session) hold(r resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[r] = struct{}{}
}

// release frees what has not been freed yet.
func (s *session) release(r resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.held[r]; held {
		delete(s.held, r)
		r.free()
	}
}

func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed.Store(true)
	for r := range s.held {
		r.free()
	}
	clear(s.held)
}

// lacks tells why a function cannot be called: one that the library lacks would end the process.
func (s *session) lacks(symbol string) error {
	switch {
	case s == nil || s.closed.Load():
		return fmt.Errorf("%s: %w", symbol, Uninitialized)
	case !s.library.has[symbol]:
		return fmt.Errorf("%s: %w", symbol, FunctionNotFound)
	}
	return nil
}

// result keeps nvml.Return away from fmt: its Error calls into the library, or races with its closing.
func result(symbol string, ret nvml.Return) error {
	if ret == nvml.SUCCESS {
		return nil
	}
	return fmt.Errorf("%s: %w", symbol, Failure(ret))
}
