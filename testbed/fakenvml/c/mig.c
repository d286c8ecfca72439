// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// MIG: a GPU in parts.

#include "call.h"

#include <stddef.h>

typedef struct {
	unsigned sms, copy_engines, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
	unsigned long long memory_mib;
} nvmlDeviceAttributes_t;

_Static_assert(sizeof(nvmlDeviceAttributes_t) == 40, "nvmlDeviceAttributes_t");

NVML nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending)
{
	LOOK_GPU(nvmlDeviceGetMigMode);
	if (v.gpu->architecture < AMPERE)
		return NOT_SUPPORTED;
	*current = v.condition.mig;
	*pending = v.condition.mig_pending;
	return SUCCESS;
}

NVML nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count)
{
	LOOK_GPU(nvmlDeviceGetMaxMigDeviceCount);
	*count = v.condition.mig ? MAX_SLOTS : 0;
	return SUCCESS;
}

NVML nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index, nvmlDevice_t *mig_device)
{
	LOOK_GPU(nvmlDeviceGetMigDeviceHandleByIndex);
	if (v.gpu->architecture < AMPERE)
		return NOT_SUPPORTED;
	if (index >= MAX_SLOTS)
		return INVALID_ARGUMENT;
	for (int i = 0; v.condition.mig && i < v.gpu->instances; i++) {
		const struct instance *m = &v.gpu->instance[i];
		if (m->slot == (int)index && instance_live(m, v.now)) {
			*mig_device = handle_of(&v, v.gpu, m);
			return SUCCESS;
		}
	}
	return NOT_FOUND;
}

NVML nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned *is_mig)
{
	LOOK(nvmlDeviceIsMigDeviceHandle);
	*is_mig = v.instance != NULL;
	return SUCCESS;
}

NVML nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned *id)
{
	LOOK(nvmlDeviceGetGpuInstanceId);
	if (!v.instance)
		return NOT_SUPPORTED;
	*id = v.instance->gpu_instance;
	return SUCCESS;
}

NVML nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned *id)
{
	LOOK(nvmlDeviceGetComputeInstanceId);
	if (!v.instance)
		return NOT_SUPPORTED;
	*id = v.instance->compute_instance;
	return SUCCESS;
}

NVML nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t device, nvmlDevice_t *parent)
{
	LOOK(nvmlDeviceGetDeviceHandleFromMigDeviceHandle);
	if (!v.instance)
		return INVALID_ARGUMENT;
	*parent = handle_of(&v, v.gpu, NULL);
	return SUCCESS;
}

static nvmlReturn_t attributes_of(const struct view *v, nvmlDeviceAttributes_t *attributes)
{
	const struct instance *m = v->instance;
	if (!m)
		return NOT_SUPPORTED;
	unsigned slices = (m->slices * m->sms + m->gi_sms / 2) / m->gi_sms;
	*attributes = (nvmlDeviceAttributes_t){
		.sms = m->sms,
		.copy_engines = m->slices,
		.gpu_slices = m->slices,
		.compute_slices = slices ? slices : 1,
		.memory_mib = (v->gpu->memory >> 20) / 8 * memory_slices(m),
	};
	return SUCCESS;
}

NVML nvmlDeviceGetAttributes(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
	LOOK(nvmlDeviceGetAttributes);
	return attributes_of(&v, attributes);
}

NVML nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
	LOOK(nvmlDeviceGetAttributes_v2);
	return attributes_of(&v, attributes);
}
