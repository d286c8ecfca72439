// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The driver, its errors, and which GPUs there are.

#include "call.h"

#include <string.h>

__attribute__((visibility("default"))) const char *nvmlErrorString(nvmlReturn_t result)
{
	static const char *const texts[] = {
		"The operation was successful", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions",
		"Already Initialized", "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded",
		"Timeout", "Interrupt Request Issue", "NVML Shared Library Not Found", "Function Not Found",
		"Corrupted infoROM", "GPU is lost", "GPU requires reset", "GPU access blocked by the operating system",
		"Driver/library version mismatch", "In use by another client", "Insufficient Memory", "No data",
		"Not supported when vGPU ECC is enabled", "Insufficient resources", "Frequency not supported",
		"Argument version mismatch", "Deprecated", "Not Ready", "No GPUs found", "Invalid State",
	};
	unsigned code = (unsigned)result;
	return code < sizeof texts / sizeof *texts ? texts[code] : "Unknown Error";
}

NVML nvmlSystemGetDriverVersion(char *version, unsigned length)
{
	ENTER(nvmlSystemGetDriverVersion);
	return copy(version, length, v.scenario->driver);
}

static bool present(const struct view *v, const struct gpu *g) { return !condition_at(v->scenario, g, v->now).absent; }

NVML nvmlDeviceGetCount_v2(unsigned *count)
{
	ENTER(nvmlDeviceGetCount_v2);
	*count = 0;
	for (int i = 0; i < v.scenario->gpus; i++)
		*count += present(&v, &v.scenario->gpu[i]);
	return SUCCESS;
}

// attach gives the handle, and the error that a call with it would return.
static nvmlReturn_t attach(int index, const char *symbol, nvmlDevice_t *device)
{
	VIEW;
	nvmlReturn_t result = look_at(index, symbol, &v);
	if (v.gpu)
		*device = handle_of(&v, v.gpu, NULL);
	return result;
}

NVML nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device)
{
	ENTER(nvmlDeviceGetHandleByIndex_v2);
	for (int i = 0; i < v.scenario->gpus; i++)
		if (present(&v, &v.scenario->gpu[i]) && !index--)
			return attach(i, "nvmlDeviceGetHandleByIndex_v2", device);
	return INVALID_ARGUMENT;
}

// mig_device is the live MIG device with the UUID, on any GPU.
static nvmlReturn_t mig_device(const struct view *v, const char *uuid, nvmlDevice_t *device)
{
	for (int i = 0; i < v->scenario->gpus; i++) {
		const struct gpu *g = &v->scenario->gpu[i];
		struct condition c = condition_at(v->scenario, g, v->now);
		for (int k = 0; c.mig && !c.absent && k < g->instances; k++) {
			if (instance_live(&g->instance[k], v->now) && !strcmp(g->instance[k].uuid, uuid)) {
				*device = handle_of(v, g, &g->instance[k]);
				return SUCCESS;
			}
		}
	}
	return NOT_FOUND;
}

NVML nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	ENTER(nvmlDeviceGetHandleByUUID);
	for (int i = 0; i < v.scenario->gpus; i++)
		if (present(&v, &v.scenario->gpu[i]) && !strcmp(v.scenario->gpu[i].uuid, uuid))
			return attach(i, "nvmlDeviceGetHandleByUUID", device);
	return mig_device(&v, uuid, device);
}
