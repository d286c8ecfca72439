// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvml

// The functions of NVML behind the interfaces, as errors and the Watch name them.
const (
	SymbolInit     = "nvmlInit_v2"
	SymbolShutdown = "nvmlShutdown"
	SymbolVersion  = "nvmlSystemGetDriverVersion"
	SymbolCount    = "nvmlDeviceGetCount_v2"
	SymbolHandle   = "nvmlDeviceGetHandleByIndex_v2"

	SymbolUUID     = "nvmlDeviceGetUUID"
	SymbolName     = "nvmlDeviceGetName"
	SymbolMinor    = "nvmlDeviceGetMinorNumber"
	SymbolModuleID = "nvmlDeviceGetModuleId"

	SymbolEnergy             = "nvmlDeviceGetTotalEnergyConsumption"
	SymbolMaxPowerLimit      = "nvmlDeviceGetPowerManagementLimitConstraints"
	SymbolEnforcedPowerLimit = "nvmlDeviceGetEnforcedPowerLimit"
	SymbolFields             = "nvmlDeviceGetFieldValues"
	SymbolAveragePower       = SymbolFields + "(POWER_AVERAGE)"
	SymbolInstantPower       = SymbolFields + "(POWER_INSTANT)"
	SymbolPowerUsage         = "nvmlDeviceGetPowerUsage"
	SymbolComputeCapability  = "nvmlDeviceGetCudaComputeCapability"
	SymbolSamples            = "nvmlDeviceGetSamples"

	SymbolComputeProcesses   = "nvmlDeviceGetComputeRunningProcesses"
	SymbolGraphicsProcesses  = "nvmlDeviceGetGraphicsRunningProcesses"
	SymbolMPSProcesses       = "nvmlDeviceGetMPSComputeRunningProcesses"
	SymbolProcessUtilization = "nvmlDeviceGetProcessUtilization"

	SymbolMIGMode       = "nvmlDeviceGetMigMode"
	SymbolMaxInstances  = "nvmlDeviceGetMaxMigDeviceCount"
	SymbolInstance      = "nvmlDeviceGetMigDeviceHandleByIndex"
	SymbolAttributes    = "nvmlDeviceGetAttributes_v2"
	SymbolGPUInstanceID = "nvmlDeviceGetGpuInstanceId"
	SymbolGPMSupport    = "nvmlGpmQueryDeviceSupport"
	SymbolGPMAlloc      = "nvmlGpmSampleAlloc"
	SymbolGPMFree       = "nvmlGpmSampleFree"
	SymbolGPMSample     = "nvmlGpmMigSampleGet"
	SymbolGPMMetrics    = "nvmlGpmMetricsGet"

	SymbolEventTypes      = "nvmlDeviceGetSupportedEventTypes"
	SymbolEventCreate     = "nvmlEventSetCreate"
	SymbolEventRegister   = "nvmlDeviceRegisterEvents"
	SymbolEventWait       = "nvmlEventSetWait_v2"
	SymbolEventFree       = "nvmlEventSetFree"
	SymbolUtilization     = "nvmlDeviceGetUtilizationRates"
	SymbolEncoder         = "nvmlDeviceGetEncoderUtilization"
	SymbolDecoder         = "nvmlDeviceGetDecoderUtilization"
	SymbolMemory          = "nvmlDeviceGetMemoryInfo"
	SymbolTemperature     = "nvmlDeviceGetTemperature"
	SymbolClock           = "nvmlDeviceGetClockInfo"
	SymbolEventReasons    = "nvmlDeviceGetCurrentClocksEventReasons"
	SymbolThrottleReasons = "nvmlDeviceGetCurrentClocksThrottleReasons"
)
