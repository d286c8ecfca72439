// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// What a GPU is, and its state apart from power. Signatures and structures are those of NVIDIA's nvml.h.

#include "call.h"

#include <stdio.h>

typedef struct { unsigned version, sensor; int celsius; } nvmlTemperature_t;
typedef struct { unsigned gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct {
	char bus_id_legacy[16];
	unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
	char bus_id[32];
} nvmlPciInfo_t;

_Static_assert(sizeof(nvmlTemperature_t) == 12, "nvmlTemperature_t");
_Static_assert(sizeof(nvmlUtilization_t) == 8, "nvmlUtilization_t");
_Static_assert(sizeof(nvmlMemory_t) == 24, "nvmlMemory_t");
_Static_assert(sizeof(nvmlMemory_v2_t) == 40, "nvmlMemory_v2_t");
_Static_assert(sizeof(nvmlPciInfo_t) == 68, "nvmlPciInfo_t");

NVML nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length)
{
	LOOK(nvmlDeviceGetUUID);
	return copy(uuid, length, v.instance ? v.instance->uuid : v.gpu->uuid);
}

NVML nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length)
{
	char text[160];
	LOOK(nvmlDeviceGetName);
	if (!v.instance)
		return copy(name, length, v.gpu->name);
	snprintf(text, sizeof text, "%s MIG %ug", v.gpu->name, v.instance->slices);
	return copy(name, length, text);
}

NVML nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned length)
{
	char text[32];
	LOOK_GPU(nvmlDeviceGetSerial);
	snprintf(text, sizeof text, "%013d", v.index + 1);
	return copy(serial, length, text);
}

NVML nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	LOOK_GPU(nvmlDeviceGetPciInfo_v3);
	*pci = (nvmlPciInfo_t){.bus = (unsigned)v.index + 1, .pci_device_id = 0x233010de};
	snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "0000:%02X:00.0", pci->bus & 0xff);
	snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus & 0xff);
	return SUCCESS;
}

NVML nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned *architecture)
{
	LOOK(nvmlDeviceGetArchitecture);
	*architecture = v.gpu->architecture;
	return SUCCESS;
}

NVML nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
	LOOK(nvmlDeviceGetCudaComputeCapability);
	*major = (int)v.gpu->capability / 10;
	*minor = (int)v.gpu->capability % 10;
	return SUCCESS;
}

NVML nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned *minor)
{
	LOOK_GPU(nvmlDeviceGetMinorNumber);
	*minor = (unsigned)v.index;
	return SUCCESS;
}

NVML nvmlDeviceGetModuleId(nvmlDevice_t device, unsigned *id)
{
	LOOK_GPU(nvmlDeviceGetModuleId);
	*id = v.gpu->module_id;
	return SUCCESS;
}

NVML nvmlDeviceGetNumGpuCores(nvmlDevice_t device, unsigned *cores)
{
	LOOK_GPU(nvmlDeviceGetNumGpuCores);
	*cores = v.gpu->sms * 128;
	return SUCCESS;
}

// Nothing of this is supported while MIG is on: nvml.h says so for each.
NVML nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
	LOOK_GPU(nvmlDeviceGetUtilizationRates);
	if (v.condition.mig)
		return NOT_SUPPORTED;
	int64_t sum = 0;
	for (int i = 0; i < v.gpu->processes; i++)
		if (running(&v.gpu->process[i], v.now))
			sum += power(&v.gpu->process[i].sm, v.now);
	*utilization = (nvmlUtilization_t){.gpu = (unsigned)(sum < 100000 ? (sum + 500) / 1000 : 100)};
	return SUCCESS;
}

static nvmlReturn_t codec(const struct view *v, unsigned percent, unsigned *utilization, unsigned *period)
{
	if (v->condition.mig)
		return NOT_SUPPORTED;
	*utilization = percent;
	*period = 167000; // µs, as a driver says
	return SUCCESS;
}

NVML nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned *utilization, unsigned *period)
{
	LOOK_GPU(nvmlDeviceGetEncoderUtilization);
	return codec(&v, v.gpu->encoder, utilization, period);
}

NVML nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned *utilization, unsigned *period)
{
	LOOK_GPU(nvmlDeviceGetDecoderUtilization);
	return codec(&v, v.gpu->decoder, utilization, period);
}

// An instance has its part of the memory, and its own processes in it.
static nvmlMemory_t memory_of(const struct view *v)
{
	nvmlMemory_t m = {.total = v->gpu->memory};
	if (v->instance)
		m.total = m.total / 8 * memory_slices(v->instance);
	for (int i = 0; i < v->gpu->processes; i++) {
		const struct process *p = &v->gpu->process[i];
		if (running(p, v->now) && (!v->instance || (p->instance >= 0 && &v->gpu->instance[p->instance] == v->instance)))
			m.used += p->memory;
	}
	m.free = m.used < m.total ? m.total - m.used : 0;
	return m;
}

NVML nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	LOOK(nvmlDeviceGetMemoryInfo);
	*memory = memory_of(&v);
	return SUCCESS;
}

NVML nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	LOOK(nvmlDeviceGetMemoryInfo_v2);
	nvmlMemory_t m = memory_of(&v);
	memory->total = m.total, memory->reserved = 0, memory->free = m.free, memory->used = m.used;
	return SUCCESS;
}

static int temperature(const struct view *v)
{
	int64_t watts20 = mean_power(&v->gpu->power, last_update(v->gpu, v->now), second) / 20000;
	return (int)(v->gpu->temperature < 0 ? 30 + watts20 : v->gpu->temperature);
}

NVML nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *celsius)
{
	LOOK_GPU(nvmlDeviceGetTemperature);
	if (sensor)
		return INVALID_ARGUMENT;
	*celsius = (unsigned)temperature(&v);
	return SUCCESS;
}

NVML nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *t)
{
	LOOK_GPU(nvmlDeviceGetTemperatureV);
	if (t->version != (sizeof *t | 1u << 24))
		return ARGUMENT_VERSION_MISMATCH;
	if (t->sensor)
		return INVALID_ARGUMENT;
	t->celsius = temperature(&v);
	return SUCCESS;
}

NVML nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned type, unsigned *megahertz)
{
	LOOK_GPU(nvmlDeviceGetClockInfo);
	if (type > 3)
		return INVALID_ARGUMENT;
	*megahertz = type == 2 ? v.gpu->memory_clock : v.gpu->graphics_clock; // memory; graphics, SM, video
	return SUCCESS;
}

// A GPU on which no SM is busy is idle, and that is a reason of its own.
static nvmlReturn_t clock_reasons(const struct view *v, unsigned long long *reasons)
{
	bool idle = true;
	*reasons = 0;
	for (int i = 0; i < v->gpu->processes; i++)
		idle &= !running(&v->gpu->process[i], v->now) || !power(&v->gpu->process[i].sm, v->now);
	for (int i = 0; i < v->gpu->reasons; i++)
		if (v->gpu->reason[i].start <= v->now && v->now < v->gpu->reason[i].end)
			*reasons |= v->gpu->reason[i].mask;
	*reasons |= idle;
	return SUCCESS;
}

NVML nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
	LOOK_GPU(nvmlDeviceGetCurrentClocksEventReasons);
	return clock_reasons(&v, reasons);
}

NVML nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons)
{
	LOOK_GPU(nvmlDeviceGetCurrentClocksThrottleReasons);
	return clock_reasons(&v, reasons);
}
