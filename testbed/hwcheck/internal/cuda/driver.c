// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

#include "driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int result;
typedef void *handle;
typedef unsigned long long address;

// Types are those of NVIDIA's cuda.h; names ending in _v2 are what its macros make of the plain ones.
#define FUNCTIONS(F)                                                                                          \
	F(cuInit, (unsigned flags))                                                                           \
	F(cuGetErrorName, (result error, const char **name))                                                  \
	F(cuDriverGetVersion, (int *version))                                                                 \
	F(cuDeviceGetCount, (int *count))                                                                     \
	F(cuDeviceGet, (int *device, int ordinal))                                                            \
	F(cuDeviceGetName, (char *name, int length, int device))                                              \
	F(cuDeviceGetUuid, (unsigned char *uuid, int device))                                                 \
	F(cuDeviceGetAttribute, (int *value, int attribute, int device))                                      \
	F(cuDevicePrimaryCtxRetain, (handle *context, int device))                                            \
	F(cuDevicePrimaryCtxRelease_v2, (int device))                                                         \
	F(cuCtxSetCurrent, (handle context))                                                                  \
	F(cuModuleLoadData, (handle *module, const void *image))                                              \
	F(cuModuleGetFunction, (handle *function, handle module, const char *name))                           \
	F(cuMemAlloc_v2, (address *memory, size_t bytes))                                                     \
	F(cuMemFree_v2, (address memory))                                                                     \
	F(cuStreamCreate, (handle *stream, unsigned flags))                                                   \
	F(cuEventCreate, (handle *event, unsigned flags))                                                     \
	F(cuEventRecord, (handle event, handle stream))                                                       \
	F(cuEventSynchronize, (handle event))                                                                 \
	F(cuEventElapsedTime, (float *milliseconds, handle begin, handle end))                                \
	F(cuLaunchKernel, (handle function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, \
			   unsigned bz, unsigned shared, handle stream, void **parameters, void **extra))

enum {
	MULTIPROCESSOR_COUNT = 16, // CUdevice_attribute
	STREAM_NON_BLOCKING = 1,
	EVENT_BLOCKING_SYNC = 1,
};

struct gpu {
#define MEMBER(name, parameters) result (*name) parameters;
	FUNCTIONS(MEMBER)
	char name[256];
	int device, version, multiprocessors, retained;
	handle context, module, kernel[2], stream, begin, end;
	address buffer, bytes;
};

static int load(gpu *g, const char *library, char *why, size_t room)
{
	void *lib = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
	if (!lib) {
		snprintf(why, room, "%s", dlerror());
		return 0;
	}
#define LOOK_UP(name, parameters)                                               \
	*(void **)&g->name = dlsym(lib, #name);                                 \
	if (!g->name) {                                                         \
		snprintf(why, room, "%s has no " #name, library);               \
		return 0;                                                       \
	}
	FUNCTIONS(LOOK_UP)
	return 1;
}

static int pick(gpu *g, const unsigned char *uuid)
{
	unsigned char other[16];
	int count = 0;
	if (g->cuDeviceGetCount(&count))
		return 0;
	for (int i = 0; i < count; i++)
		if (!g->cuDeviceGet(&g->device, i) && uuid && !g->cuDeviceGetUuid(other, g->device) && !memcmp(uuid, other, 16))
			return 1;
	return (!uuid || count == 1) && !g->cuDeviceGet(&g->device, 0);
}

gpu *gpu_open(const char *library, const unsigned char *uuid, const char *ptx, char *why, size_t room)
{
	result r = 0;
	gpu *g = calloc(1, sizeof *g);
	if (!g || !load(g, library, why, room)) {
		free(g);
		return NULL;
	}
#define TRY(call)                                                                     \
	if ((r = (call))) {                                                           \
		snprintf(why, room, "%.40s: %s", #call + 3, gpu_error(g, r));         \
		gpu_close(g);                                                         \
		return NULL;                                                          \
	}
	TRY(g->cuInit(0));
	TRY(g->cuDriverGetVersion(&g->version));
	if (!pick(g, uuid)) {
		snprintf(why, room, "CUDA does not see the GPU (CUDA_VISIBLE_DEVICES?)");
		gpu_close(g);
		return NULL;
	}
	TRY(g->cuDeviceGetName(g->name, sizeof g->name, g->device));
	TRY(g->cuDeviceGetAttribute(&g->multiprocessors, MULTIPROCESSOR_COUNT, g->device));
	TRY(g->cuDevicePrimaryCtxRetain(&g->context, g->device));
	g->retained = 1;
	TRY(g->cuCtxSetCurrent(g->context));
	TRY(g->cuModuleLoadData(&g->module, ptx));
	TRY(g->cuModuleGetFunction(&g->kernel[0], g->module, "burn"));
	TRY(g->cuModuleGetFunction(&g->kernel[1], g->module, "stream"));
	g->bytes = 256 << 20;
	TRY(g->cuMemAlloc_v2(&g->buffer, g->bytes));
	TRY(g->cuStreamCreate(&g->stream, STREAM_NON_BLOCKING));
	TRY(g->cuEventCreate(&g->begin, EVENT_BLOCKING_SYNC));
	TRY(g->cuEventCreate(&g->end, EVENT_BLOCKING_SYNC));
	return g;
}

// What the context holds goes with it.
void gpu_close(gpu *g)
{
	if (g->retained)
		g->cuDevicePrimaryCtxRelease_v2(g->device);
	free(g);
}

const char *gpu_name(const gpu *g) { return g->name; }
int gpu_cuda_version(const gpu *g) { return g->version; }
int gpu_multiprocessors(const gpu *g) { return g->multiprocessors; }

int gpu_begin(gpu *g) { return g->cuEventRecord(g->begin, g->stream); }

int gpu_launch(gpu *g, int memory, unsigned long long iterations)
{
	void *parameters[] = {&g->buffer, &g->bytes, &iterations};
	return g->cuLaunchKernel(g->kernel[!!memory], 8 * (unsigned)g->multiprocessors, 1, 1, 256, 1, 1, 0, g->stream, parameters, NULL);
}

int gpu_end(gpu *g, float *milliseconds)
{
	result r = g->cuEventRecord(g->end, g->stream);
	if (!r)
		r = g->cuEventSynchronize(g->end);
	return r ? r : g->cuEventElapsedTime(milliseconds, g->begin, g->end);
}

int gpu_allocate_and_free(gpu *g, size_t bytes)
{
	address memory;
	result r = g->cuMemAlloc_v2(&memory, bytes);
	return r ? r : g->cuMemFree_v2(memory);
}

const char *gpu_error(const gpu *g, int error)
{
	const char *name;
	return g->cuGetErrorName(error, &name) ? "unknown CUDA error" : name;
}
