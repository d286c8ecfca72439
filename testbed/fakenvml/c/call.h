// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// What every exported function needs.

#ifndef CALL_H
#define CALL_H

#include "fakenvml.h"

#define NVML __attribute__((visibility("default"))) nvmlReturn_t

typedef enum {
	SUCCESS = 0,
	UNINITIALIZED = 1,
	INVALID_ARGUMENT = 2,
	NOT_SUPPORTED = 3,
	NO_PERMISSION = 4,
	NOT_FOUND = 6,
	INSUFFICIENT_SIZE = 7,
	DRIVER_NOT_LOADED = 9,
	TIMEOUT = 10,
	GPU_IS_LOST = 15,
	LIB_RM_VERSION_MISMATCH = 18,
	OUT_OF_MEMORY = 20,
	ARGUMENT_VERSION_MISMATCH = 25,
	UNKNOWN = 999,
} nvmlReturn_t;

// NVML's own type is a struct of one pointer, which is passed in the same way.
typedef const char *nvmlDevice_t;

// view is what one call sees. It holds the scenario, so that another nvmlInit does not take it away, and
// no lock.
struct view {
	struct scenario *scenario;
	int64_t now;
	int index;
	const struct gpu *gpu;
	const struct instance *instance; // NULL if the handle is that of a GPU
	struct condition condition;
};

// enter begins a call that belongs to no GPU, look one that does: it waits while the GPU hangs, and fails
// if it is lost. Both count the call. leave ends it.
nvmlReturn_t enter(const char *symbol, struct view *v);
nvmlReturn_t look(nvmlDevice_t device, const char *symbol, struct view *v);
nvmlReturn_t look_at(int index, const char *symbol, struct view *v);
void leave(struct view *v);

// again brings the view to the present time, and to the present scenario.
nvmlReturn_t again(struct view *v);
// scripted is what the scenario makes of a name at the time of the view: a symbol or "field:N".
nvmlReturn_t scripted(const struct view *v, const char *name);
// growing tells whether the second call of a pair finds more than the first one said.
bool growing(const struct view *v, const char *symbol);

// handle_of is the handle of the GPU or, if instance is not NULL, of one of its MIG devices.
nvmlDevice_t handle_of(const struct view *v, const struct gpu *g, const struct instance *instance);
nvmlReturn_t copy(char *to, unsigned length, const char *text);

// calls_open begins to count the calls in the file that FAKENVML_CALLS names, if it does.
void calls_open(void);
void calls_count(const char *symbol);

#define VIEW struct view v __attribute__((cleanup(leave))) = {0}

#define ENTER(symbol)                                 \
	VIEW;                                         \
	nvmlReturn_t result = enter(#symbol, &v);     \
	if (result)                                   \
		return result

// LOOK is for functions of GPUs and MIG devices, LOOK_GPU for those of GPUs alone.
#define LOOK(symbol)                                      \
	VIEW;                                             \
	nvmlReturn_t result = look(device, #symbol, &v);  \
	if (result)                                       \
		return result

#define LOOK_GPU(symbol)    \
	LOOK(symbol);       \
	if (v.instance)     \
		return NOT_SUPPORTED

#endif
