// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// driver is what the receiver uses of NVML. One goroutine makes all calls.
type driver interface {
	// open loads the library and initialises it. After an error or close it may be called again.
	open() error
	close() error
	count() (int, error)
	device(index int) (device, error)
}

// device is a handle of a GPU. A call that the library lacks fails like one that the GPU does not support.
type device interface {
	uuid() (string, error)
	name() (string, error)
	// energy is the GPU's counter, in mJ since the driver was loaded.
	energy() (uint64, error)
	// maxPowerLimit is the highest limit that can be set, in mW.
	maxPowerLimit() (uint32, error)
	// enforcedPowerLimit is the limit in force, in mW.
	enforcedPowerLimit() (uint32, error)
	// utilization is how much of the last sample period a kernel was running, in percent.
	utilization() (uint32, error)
	memory() (memory, error)
	// temperature of the die, in degrees Celsius.
	temperature() (uint32, error)
}

// memory is in bytes.
type memory struct{ used, total uint64 }

// The functions of NVML behind the interfaces above.
const (
	symbolInit               = "nvmlInit_v2"
	symbolShutdown           = "nvmlShutdown"
	symbolCount              = "nvmlDeviceGetCount_v2"
	symbolHandle             = "nvmlDeviceGetHandleByIndex_v2"
	symbolUUID               = "nvmlDeviceGetUUID"
	symbolName               = "nvmlDeviceGetName"
	symbolEnergy             = "nvmlDeviceGetTotalEnergyConsumption"
	symbolMaxPowerLimit      = "nvmlDeviceGetPowerManagementLimitConstraints"
	symbolEnforcedPowerLimit = "nvmlDeviceGetEnforcedPowerLimit"
	symbolUtilization        = "nvmlDeviceGetUtilizationRates"
	symbolMemory             = "nvmlDeviceGetMemoryInfo"
	symbolTemperature        = "nvmlDeviceGetTemperature"
)

// errBuiltWithout is the permanent state of a binary that cannot call NVML.
var errBuiltWithout = errors.New("this binary was built without NVML, which needs Linux and cgo: build it with GOOS=linux CGO_ENABLED=1; this one is " +
	runtime.GOOS + "/" + runtime.GOARCH)

var (
	errNoGPU   = errors.New("the NVIDIA driver has no GPU")
	errAllLost = errors.New("all GPUs are lost")
)

// failure is what NVML answered: nvmlReturn_t of nvml.h.
type failure int

const (
	uninitialized      failure = 1
	invalidArgument    failure = 2
	notSupported       failure = 3
	noPermission       failure = 4
	driverNotLoaded    failure = 9
	functionNotFound   failure = 13
	gpuIsLost          failure = 15
	resetRequired      failure = 16
	operatingSystem    failure = 17
	libVersionMismatch failure = 18
	gpuNotFound        failure = 28
)

// Error has words of its own: NVML's are in the library, which may lack even the function that tells them.
func (f failure) Error() string {
	text := map[failure]string{
		uninitialized:      "not initialised",
		invalidArgument:    "invalid argument",
		notSupported:       "not supported by this GPU",
		noPermission:       "no permission; give the collector access to /dev/nvidia*",
		driverNotLoaded:    "the NVIDIA kernel driver is not loaded",
		functionNotFound:   "this driver version lacks the function",
		gpuIsLost:          "the GPU is lost",
		resetRequired:      "the GPU needs a reset",
		operatingSystem:    "blocked by the operating system; give the collector access to /dev/nvidia*",
		libVersionMismatch: "library and kernel driver differ in version, as after an update; restart the collector, and the machine if nvidia-smi fails too",
		gpuNotFound:        "no GPU found",
	}[f]
	if text == "" {
		text = "failed"
	}
	return fmt.Sprintf("%s (NVML error %d)", text, int(f))
}

// reasonOf sorts an error by what is to be done: nothing, look for the GPU again, or try again.
func reasonOf(err error) metadata.AttributeReason {
	var f failure
	_ = errors.As(err, &f)
	switch f {
	case notSupported, functionNotFound:
		return metadata.AttributeReasonUnsupported
	case uninitialized, invalidArgument, gpuIsLost, resetRequired, gpuNotFound:
		return metadata.AttributeReasonLost
	default:
		return metadata.AttributeReasonUnreadable
	}
}
