// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The library and its handles.

#include "call.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // over all below
static struct scenario scenario;
static int users;
static int64_t monotonic_start = -1;

// A handle is the address of a cell: which GPU, and how often it had been detached before.
static const char handles[MAX_GPUS][MAX_EVENTS + 1];

static nvmlReturn_t ready(const char *symbol)
{
	if (!users)
		return UNINITIALIZED;
	return scenario_unsupported(&scenario, symbol) ? NOT_SUPPORTED : SUCCESS;
}

nvmlReturn_t supported(const char *name)
{
	pthread_mutex_lock(&mutex);
	nvmlReturn_t result = ready(name);
	pthread_mutex_unlock(&mutex);
	return result;
}

static nvmlReturn_t look_at(int index, int generation, const char *symbol, struct view *v)
{
	for (;; usleep(1000)) {
		struct condition c = {0};
		pthread_mutex_lock(&mutex);
		nvmlReturn_t result = ready(symbol);
		if (!result && index >= scenario.gpus)
			result = INVALID_ARGUMENT;
		if (!result) {
			v->index = index;
			v->now = scenario_now(&scenario, monotonic_start);
			v->gpu = scenario.gpu[index];
			c = condition_at(&v->gpu, v->now);
		}
		pthread_mutex_unlock(&mutex);
		if (result)
			return result;
		if (!c.hung)
			return c.lost || c.absent || c.generation != generation ? GPU_IS_LOST : SUCCESS;
	}
}

nvmlReturn_t look(nvmlDevice_t device, const char *symbol, struct view *v)
{
	if (device < handles[0] || device >= handles[0] + sizeof handles)
		return INVALID_ARGUMENT;
	long cell = device - handles[0];
	return look_at((int)(cell / (MAX_EVENTS + 1)), (int)(cell % (MAX_EVENTS + 1)), symbol, v);
}

nvmlReturn_t copy(char *to, unsigned length, const char *text)
{
	if (strlen(text) >= length)
		return INSUFFICIENT_SIZE;
	strcpy(to, text);
	return SUCCESS;
}

NVML nvmlInitWithFlags(unsigned flags)
{
	(void)flags;
	struct timespec now;
	const char *path = getenv("FAKENVML_SCENARIO");
	if (!path || access(path, R_OK))
		return DRIVER_NOT_LOADED;
	pthread_mutex_lock(&mutex);
	static struct scenario next;
	bool usable = scenario_read(path, &next);
	if (usable) {
		scenario_free(&scenario);
		scenario = next;
		users++;
		memset(&next, 0, sizeof next);
	}
	scenario_free(&next);
	if (monotonic_start < 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		monotonic_start = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	}
	pthread_mutex_unlock(&mutex);
	return usable ? SUCCESS : UNKNOWN;
}

NVML nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

NVML nvmlShutdown(void)
{
	pthread_mutex_lock(&mutex);
	nvmlReturn_t result = users ? SUCCESS : UNINITIALIZED;
	if (users)
		users--;
	pthread_mutex_unlock(&mutex);
	return result;
}

__attribute__((visibility("default"))) const char *nvmlErrorString(nvmlReturn_t result)
{
	switch (result) {
	case SUCCESS: return "The operation was successful";
	case UNINITIALIZED: return "Uninitialized";
	case INVALID_ARGUMENT: return "Invalid Argument";
	case NOT_SUPPORTED: return "Not Supported";
	case NOT_FOUND: return "Not Found";
	case INSUFFICIENT_SIZE: return "Insufficient Size";
	case DRIVER_NOT_LOADED: return "Driver Not Loaded";
	case GPU_IS_LOST: return "GPU is lost";
	case UNKNOWN: break;
	}
	return "Unknown Error";
}

NVML nvmlSystemGetDriverVersion(char *version, unsigned length)
{
	nvmlReturn_t result = supported("nvmlSystemGetDriverVersion");
	return result ? result : copy(version, length, "580.0.0-fakenvml");
}

NVML nvmlDeviceGetCount_v2(unsigned *count)
{
	pthread_mutex_lock(&mutex);
	nvmlReturn_t result = ready("nvmlDeviceGetCount_v2");
	int64_t now = result ? 0 : scenario_now(&scenario, monotonic_start);
	*count = 0;
	for (int i = 0; !result && i < scenario.gpus; i++)
		*count += !condition_at(&scenario.gpu[i], now).absent;
	pthread_mutex_unlock(&mutex);
	return result;
}

static nvmlReturn_t handle_of(int index, const char *symbol, nvmlDevice_t *device)
{
	struct view v;
	pthread_mutex_lock(&mutex);
	int generation = condition_at(&scenario.gpu[index], scenario_now(&scenario, monotonic_start)).generation;
	pthread_mutex_unlock(&mutex);
	*device = &handles[index][generation];
	return look_at(index, generation, symbol, &v);
}

// find is the position in the scenario of the GPU with that index or, if uuid is given, that UUID
// among those that are there; -1 if there is none.
static int find(unsigned index, const char *uuid)
{
	int64_t now = scenario_now(&scenario, monotonic_start);
	for (int i = 0; i < scenario.gpus; i++) {
		if (condition_at(&scenario.gpu[i], now).absent)
			continue;
		if (uuid ? !strcmp(scenario.gpu[i].uuid, uuid) : !index--)
			return i;
	}
	return -1;
}

NVML nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device)
{
	pthread_mutex_lock(&mutex);
	nvmlReturn_t result = ready("nvmlDeviceGetHandleByIndex_v2");
	int i = result ? -1 : find(index, NULL);
	pthread_mutex_unlock(&mutex);
	if (result || i < 0)
		return result ? result : INVALID_ARGUMENT;
	return handle_of(i, "nvmlDeviceGetHandleByIndex_v2", device);
}

NVML nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	pthread_mutex_lock(&mutex);
	nvmlReturn_t result = ready("nvmlDeviceGetHandleByUUID");
	int i = result ? -1 : find(0, uuid);
	pthread_mutex_unlock(&mutex);
	if (result || i < 0)
		return result ? result : NOT_FOUND;
	return handle_of(i, "nvmlDeviceGetHandleByUUID", device);
}

