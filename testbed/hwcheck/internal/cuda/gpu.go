// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package cuda

// #cgo LDFLAGS: -ldl
// #include "driver.h"
// #include <stdlib.h>
import "C"

import (
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// Library is the CUDA driver.
const Library = "libcuda.so.1"

//go:embed kernels.ptx
var kernels string

// GPU runs kernels. It belongs to the goroutine that opened it, which stays on its thread.
type GPU struct{ gpu *C.gpu }

// Kernel is a kind of work.
type Kernel int

const (
	// Burn multiplies and adds.
	Burn Kernel = iota
	// Stream reads and writes memory.
	Stream
)

// Open takes the GPU that NVML knows under a UUID. If CUDA has another name for it, as for a MIG instance,
// it takes the only device that there is. An empty UUID is the first device.
func Open(uuid string) (*GPU, error) {
	runtime.LockOSThread()
	library, text := C.CString(Library), C.CString(kernels)
	defer C.free(unsafe.Pointer(library))
	defer C.free(unsafe.Pointer(text))
	var id *C.uchar
	if raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(uuid, "GPU-"), "-", "")); err == nil && len(raw) == 16 {
		bytes := C.CBytes(raw)
		defer C.free(bytes)
		id = (*C.uchar)(bytes)
	}
	const room = 512
	why := (*C.char)(C.calloc(1, room))
	defer C.free(unsafe.Pointer(why))
	gpu := C.gpu_open(library, id, text, why, room)
	if gpu == nil {
		runtime.UnlockOSThread()
		return nil, errors.New(C.GoString(why))
	}
	return &GPU{gpu}, nil
}

// Close gives the context back.
func (g *GPU) Close() {
	C.gpu_close(g.gpu)
	runtime.UnlockOSThread()
}

// Name of the device.
func (g *GPU) Name() string { return C.GoString(C.gpu_name(g.gpu)) }

// Version of CUDA that the driver speaks, such as 13000.
func (g *GPU) Version() int { return int(C.gpu_cuda_version(g.gpu)) }

// Multiprocessors of the device.
func (g *GPU) Multiprocessors() int { return int(C.gpu_multiprocessors(g.gpu)) }

// Run launches a kernel a number of times and waits for the end. The time is that on the GPU.
func (g *GPU) Run(kernel Kernel, launches int, iterations uint64) (time.Duration, error) {
	if err := g.check("cuEventRecord", C.gpu_begin(g.gpu)); err != nil {
		return 0, err
	}
	for range launches {
		if err := g.check("cuLaunchKernel", C.gpu_launch(g.gpu, C.int(kernel), C.ulonglong(iterations))); err != nil {
			return 0, err
		}
	}
	var milliseconds C.float
	if err := g.check("cuEventSynchronize", C.gpu_end(g.gpu, &milliseconds)); err != nil {
		return 0, err
	}
	return time.Duration(float64(milliseconds) * float64(time.Millisecond)), nil
}

// Allocate takes memory and gives it back.
func (g *GPU) Allocate(bytes int) error {
	return g.check("cuMemAlloc", C.gpu_allocate_and_free(g.gpu, C.size_t(bytes)))
}

func (g *GPU) check(call string, result C.int) error {
	if result == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", call, C.GoString(C.gpu_error(g.gpu, result)))
}
