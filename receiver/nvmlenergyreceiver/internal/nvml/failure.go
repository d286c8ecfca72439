// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"errors"
	"fmt"
	"runtime"
)

// Failure is what NVML answered: nvmlReturn_t of nvml.h.
type Failure int

// The failures that matter to somebody, as nvml.h numbers them.
const (
	Uninitialized    Failure = 1
	InvalidArgument  Failure = 2
	NotSupported     Failure = 3
	NoPermission     Failure = 4
	NotFound         Failure = 6
	InsufficientSize Failure = 7
	DriverNotLoaded  Failure = 9
	Timeout          Failure = 10
	LibraryNotFound  Failure = 12
	FunctionNotFound Failure = 13
	GPUIsLost        Failure = 15
	ResetRequired    Failure = 16
	OperatingSystem  Failure = 17
	LibraryMismatch  Failure = 18
	InUse            Failure = 19
	NoData           Failure = 21
	GPUNotFound      Failure = 28
	Unknown          Failure = 999
)

// Error has words of its own: NVML's are in the library, which may lack even the function that tells them.
func (f Failure) Error() string {
	text, known := texts[f]
	if !known {
		text = "failed"
	}
	return fmt.Sprintf("%s (NVML error %d)", text, int(f))
}

var texts = map[Failure]string{
	Uninitialized:    "not initialised",
	InvalidArgument:  "invalid argument",
	NotSupported:     "not supported by this GPU",
	NoPermission:     "no permission; give the collector access to /dev/nvidia*",
	NotFound:         "not found",
	InsufficientSize: "the answer grew while it was read, try again",
	DriverNotLoaded:  "the NVIDIA kernel driver is not loaded",
	Timeout:          "the driver gave up waiting",
	LibraryNotFound:  "the library is gone",
	FunctionNotFound: "this driver version lacks the function",
	GPUIsLost:        "the GPU is lost",
	ResetRequired:    "the GPU needs a reset",
	OperatingSystem:  "blocked by the operating system; give the collector access to /dev/nvidia*",
	LibraryMismatch:  "library and kernel driver differ in version, as after an update; restart the collector, and the machine if nvidia-smi fails too",
	InUse:            "in use",
	NoData:           "no data yet",
	GPUNotFound:      "no GPU found",
	Unknown:          "unknown error of the driver",
}

// ErrBuiltWithout is the permanent state of a binary that cannot call NVML.
var ErrBuiltWithout = errors.New("this binary was built without NVML, which needs Linux and cgo: build it with GOOS=linux CGO_ENABLED=1; this one is " +
	runtime.GOOS + "/" + runtime.GOARCH)
