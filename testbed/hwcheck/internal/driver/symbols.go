// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package driver

import "errors"

// Symbols are all functions of NVML that the check may call. None of them changes a setting.
var Symbols = []string{
	"nvmlInit_v2",
	"nvmlShutdown",
	"nvmlSystemGetDriverVersion",
	"nvmlSystemGetNVMLVersion",
	"nvmlDeviceGetCount_v2",
	"nvmlDeviceGetHandleByIndex_v2",
	"nvmlDeviceGetUUID",
	"nvmlDeviceGetName",
	"nvmlDeviceGetArchitecture",
	"nvmlDeviceGetPersistenceMode",
	"nvmlDeviceGetAccountingMode",
	"nvmlDeviceGetComputeMode",
	"nvmlDeviceGetVirtualizationMode",
	"nvmlDeviceGetMigMode",
	"nvmlDeviceGetPowerManagementLimit",
	"nvmlDeviceGetPowerManagementLimitConstraints",
	"nvmlDeviceGetEnforcedPowerLimit",
	"nvmlDeviceGetSupportedEventTypes",
	"nvmlDeviceGetTotalEnergyConsumption",
	"nvmlDeviceGetPowerUsage",
	"nvmlDeviceGetFieldValues",
	"nvmlDeviceGetSamples",
	"nvmlDeviceGetProcessUtilization",
	"nvmlDeviceGetComputeRunningProcesses_v3",
	"nvmlGpmQueryDeviceSupport",
	"nvmlGpmSampleAlloc",
	"nvmlGpmSampleFree",
	"nvmlGpmSampleGet",
	"nvmlGpmMetricsGet",
}

// required are those without which there is nothing to check.
var required = []string{
	"nvmlInit_v2", "nvmlShutdown", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetName",
}

// Failure is an answer of the driver other than success.
type Failure struct {
	Symbol string
	Return int
}

func (f *Failure) Error() string { return f.Symbol + ": " + ReturnName(f.Return) }

// IsNotSupported tells whether the GPU, or this version of the driver, cannot do what was asked.
func IsNotSupported(err error) bool {
	var f *Failure
	return errors.As(err, &f) && (f.Return == notSupported || f.Return == functionNotFound)
}

// IsNotFound tells whether there is nothing newer than what was asked for.
func IsNotFound(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Return == notFound
}

// isInsufficientSize is also the answer of go-nvml when the driver's ring of samples is empty.
func isInsufficientSize(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Return == insufficientSize
}

// Values of nvmlReturn_t.
const (
	success          = 0
	notSupported     = 3
	notFound         = 6
	insufficientSize = 7
	functionNotFound = 13
	unknown          = 999
)

// ReturnName has no call of nvmlErrorString behind it, as go-nvml's has.
func ReturnName(r int) string {
	names := map[int]string{
		success: "SUCCESS", 1: "UNINITIALIZED", 2: "INVALID_ARGUMENT", notSupported: "NOT_SUPPORTED", 4: "NO_PERMISSION", notFound: "NOT_FOUND",
		insufficientSize: "INSUFFICIENT_SIZE", 9: "DRIVER_NOT_LOADED", 10: "TIMEOUT", 11: "IRQ_ISSUE", 12: "LIBRARY_NOT_FOUND",
		functionNotFound: "FUNCTION_NOT_FOUND", 15: "GPU_IS_LOST", 16: "RESET_REQUIRED", 17: "OPERATING_SYSTEM",
		18: "LIB_RM_VERSION_MISMATCH", 19: "IN_USE", 20: "MEMORY", 21: "NO_DATA", 25: "ARGUMENT_VERSION_MISMATCH", unknown: "UNKNOWN",
	}
	if name, ok := names[r]; ok {
		return name
	}
	return "OTHER"
}
