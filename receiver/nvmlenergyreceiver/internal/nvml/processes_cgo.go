// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdlib.h>
// typedef int (*list)(void *device, unsigned *count, void *infos);
// static int call(void *function, void *device, unsigned *count, void *infos)
// {
// 	return ((list)function)(device, count, infos);
// }
import "C"

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// processList is a function that lists processes. It is called past go-nvml, whose buffer has room for the
// entries that the header promises: drivers 535.43 to 535.86 write longer ones (nvitop #88), over the end.
type processList struct {
	function unsafe.Pointer
	entry    int // bytes
}

const (
	entryV1   = 16 // PID, memory
	entryV2   = 24 // and the ids of the instances. v3 has the same.
	entryWide = 32 // and protected memory, of the drivers that are wrong
	untouched = 0xa5
	firstRoom = 128
	mostRoom  = 1 << 16
	noMemory  = ^uint64(0) // NVML_VALUE_NOT_AVAILABLE
)

// lists is where a device's lists are written.
type lists struct{ infos []byte }

// findProcessLists looks for the newest version of each list in a library that has been loaded.
func findProcessLists(path string) map[string]processList {
	found := map[string]processList{}
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	library := C.dlopen(cPath, C.RTLD_LAZY|C.RTLD_NOLOAD)
	if library == nil {
		return found
	}
	defer C.dlclose(library) // openLibrary has it open for good
	for _, symbol := range []string{SymbolComputeProcesses, SymbolGraphicsProcesses, SymbolMPSProcesses} {
		for _, version := range []struct {
			suffix string
			entry  int
		}{{"_v3", entryV2}, {"_v2", entryV2}, {"", entryV1}} {
			name := C.CString(symbol + version.suffix)
			function := C.dlsym(library, name)
			C.free(unsafe.Pointer(name))
			if function != nil {
				found[symbol] = processList{function, version.entry}
				break
			}
		}
	}
	return found
}

func (d *device) Processes(buffer []Process) ([]Process, error) { return d.processes(d.handle, buffer) }

// processes merges the three lists. It fails with the first error if all fail, or if one fails in another way
// than that there is no such list.
func (d *device) processes(of nvml.Device, buffer []Process) ([]Process, error) {
	from, listed := len(buffer), false
	var missing error
	for _, symbol := range []string{SymbolComputeProcesses, SymbolGraphicsProcesses, SymbolMPSProcesses} {
		entries, count, err := d.list(symbol, of)
		switch {
		case isLacking(err):
			if missing == nil {
				missing = err
			}
			continue
		case err != nil:
			return buffer[:from], err
		}
		listed = true
		if buffer, err = merge(buffer, from, entries, count, d.session.library.lists[symbol].entry, symbol == SymbolMPSProcesses); err != nil {
			return buffer[:from], fmt.Errorf("%s: %w", symbol, err)
		}
	}
	if !listed {
		return buffer[:from], missing
	}
	return buffer, nil
}

// list gets a list with room to spare, so that a driver with longer entries has written all of them.
func (d *device) list(symbol string, of nvml.Device) (infos []byte, count int, err error) {
	if err := d.begin(symbol); err != nil {
		return nil, 0, err
	}
	function, device := d.session.library.lists[symbol].function, pointer(of)
	ret := nvml.ERROR_INSUFFICIENT_SIZE
	for room := firstRoom; room <= mostRoom; room *= 2 {
		if len(d.lists.infos) < room*entryWide {
			d.lists.infos = make([]byte, room*entryWide)
		}
		infos = d.lists.infos[:room*entryWide]
		for i := range infos {
			infos[i] = untouched
		}
		answer := C.uint(room)
		ret = nvml.Return(C.call(function, device, &answer, unsafe.Pointer(&infos[0])))
		count = int(answer)
		if ret == nvml.SUCCESS && count <= room/2 || ret != nvml.SUCCESS && ret != nvml.ERROR_INSUFFICIENT_SIZE {
			break
		}
		ret = nvml.ERROR_INSUFFICIENT_SIZE
	}
	return infos, count, d.end(symbol, ret)
}

// pointer is the handle as C knows it: go-nvml's type is a struct of just that.
func pointer(of nvml.Device) unsafe.Pointer { return reflect.ValueOf(of).Field(0).UnsafePointer() }

// merge adds processes that are not yet in the buffer behind from.
func merge(buffer []Process, from int, infos []byte, count, entry int, mps bool) ([]Process, error) {
	if entry == entryV2 && len(bytes.Trim(infos[count*entryV2:count*entryWide], string([]byte{untouched}))) > 0 {
		entry = entryWide
	}
	for i := range count {
		info := infos[i*entry:]
		p := Process{PID: binary.LittleEndian.Uint32(info), Memory: binary.LittleEndian.Uint64(info[8:]), MPS: mps}
		if !isPID(p.PID) {
			return buffer, fmt.Errorf("%w: it lists a process %d, which cannot be: the driver's list is broken, as in drivers 535.43 to 535.86; update the driver", Unknown, p.PID)
		}
		if p.Memory == noMemory {
			p.Memory = 0
		}
		buffer = mergeOne(buffer, from, p)
	}
	return buffer, nil
}

func mergeOne(buffer []Process, from int, p Process) []Process {
	for i := from; i < len(buffer); i++ {
		if known := &buffer[i]; known.PID == p.PID {
			known.Memory = max(known.Memory, p.Memory)
			known.MPS = known.MPS || p.MPS
			return buffer
		}
	}
	return append(buffer, p)
}
