// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// What a GPU answers. Signatures and structures are those of NVIDIA's nvml.h.

#include "call.h"

#include <stdio.h>
#include <time.h>

typedef struct { unsigned gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } nvmlProcessInfo_t;
typedef struct {
	char bus_id_legacy[16];
	unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
	char bus_id[32];
} nvmlPciInfo_t;
typedef struct {
	unsigned field, scope;
	long long timestamp, latency;
	unsigned type;
	nvmlReturn_t result;
	union { unsigned ui; unsigned long long ull; } value;
} nvmlFieldValue_t;

NVML nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length)
{
	LOOK(nvmlDeviceGetUUID);
	return copy(uuid, length, v.gpu.uuid);
}

NVML nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length)
{
	LOOK(nvmlDeviceGetName);
	return copy(name, length, v.gpu.name);
}

NVML nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned length)
{
	char text[32];
	LOOK(nvmlDeviceGetSerial);
	snprintf(text, sizeof text, "%013d", v.index + 1);
	return copy(serial, length, text);
}

NVML nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	LOOK(nvmlDeviceGetPciInfo_v3);
	*pci = (nvmlPciInfo_t){.bus = (unsigned)v.index + 1, .pci_device_id = 0x233010de};
	snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "0000:%02X:00.0", pci->bus & 0xff);
	snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus & 0xff);
	return SUCCESS;
}

NVML nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned *architecture)
{
	LOOK(nvmlDeviceGetArchitecture);
	*architecture = 9; // NVML_DEVICE_ARCH_HOPPER
	return SUCCESS;
}

NVML nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending)
{
	LOOK(nvmlDeviceGetMigMode);
	*current = *pending = 0;
	return SUCCESS;
}

NVML nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy)
{
	LOOK(nvmlDeviceGetTotalEnergyConsumption);
	*energy = published_energy(&v.gpu, v.now);
	return SUCCESS;
}

NVML nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts)
{
	LOOK(nvmlDeviceGetPowerUsage);
	*milliwatts = (unsigned)mean_power(&v.gpu.power, last_update(&v.gpu, v.now));
	return SUCCESS;
}

NVML nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned *limit)
{
	LOOK(nvmlDeviceGetEnforcedPowerLimit);
	*limit = v.gpu.limit;
	return SUCCESS;
}

NVML nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned *least, unsigned *most)
{
	LOOK(nvmlDeviceGetPowerManagementLimitConstraints);
	*least = v.gpu.limit / 4;
	*most = v.gpu.limit;
	return SUCCESS;
}

NVML nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	struct timespec wall;
	LOOK(nvmlDeviceGetFieldValues);
	int64_t update = last_update(&v.gpu, v.now);
	clock_gettime(CLOCK_REALTIME, &wall);
	for (int i = 0; i < count; i++) {
		nvmlFieldValue_t *f = &values[i];
		char name[32];
		snprintf(name, sizeof name, "field:%u", f->field);
		f->result = supported(name);
		f->timestamp = (long long)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - (v.now - update) / 1000;
		f->latency = 0;
		f->type = 1; // 32 bits
		switch (f->field) {
		case 83: case 191: // NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, NVML_FI_DEV_ENERGY
			f->type = 3; // 64 bits
			f->value.ull = published_energy(&v.gpu, v.now);
			break;
		case 185: // NVML_FI_DEV_POWER_AVERAGE
			f->value.ui = (unsigned)mean_power(&v.gpu.power, update);
			break;
		case 186: // NVML_FI_DEV_POWER_INSTANT
			f->value.ui = (unsigned)power(&v.gpu.power, update);
			break;
		default:
			f->result = NOT_SUPPORTED;
		}
		if (f->scope) // only the GPU itself has sensors
			f->result = NOT_SUPPORTED;
	}
	return SUCCESS;
}

static bool running(const struct process *p, int64_t now) { return p->start <= now && now < p->end; }

NVML nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
	LOOK(nvmlDeviceGetUtilizationRates);
	*utilization = (nvmlUtilization_t){0};
	for (int i = 0; i < v.gpu.processes; i++)
		if (running(&v.gpu.process[i], v.now))
			utilization->gpu += v.gpu.process[i].sm;
	if (utilization->gpu > 100)
		utilization->gpu = 100;
	return SUCCESS;
}

static nvmlMemory_t memory_of(const struct view *v)
{
	nvmlMemory_t m = {.total = v->gpu.memory};
	for (int i = 0; i < v->gpu.processes; i++)
		if (running(&v->gpu.process[i], v->now))
			m.used += v->gpu.process[i].memory;
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

NVML nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *celsius)
{
	LOOK(nvmlDeviceGetTemperature);
	if (sensor)
		return INVALID_ARGUMENT;
	*celsius = 30 + (unsigned)(mean_power(&v.gpu.power, last_update(&v.gpu, v.now)) / 20000);
	return SUCCESS;
}

NVML nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned type, unsigned *megahertz)
{
	LOOK(nvmlDeviceGetClockInfo);
	if (type > 3)
		return INVALID_ARGUMENT;
	*megahertz = type == 2 ? 2619 : 1980; // memory; graphics, SM, video
	return SUCCESS;
}

NVML nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *infos)
{
	LOOK(nvmlDeviceGetComputeRunningProcesses_v3);
	unsigned room = *count, n = 0;
	for (int i = 0; i < v.gpu.processes; i++) {
		const struct process *p = &v.gpu.process[i];
		if (!running(p, v.now))
			continue;
		if (infos && n < room)
			infos[n] = (nvmlProcessInfo_t){p->pid, p->memory, ~0u, ~0u};
		n++;
	}
	*count = n;
	return n > room ? INSUFFICIENT_SIZE : SUCCESS;
}
