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
	NOT_FOUND = 6,
	INSUFFICIENT_SIZE = 7,
	DRIVER_NOT_LOADED = 9,
	GPU_IS_LOST = 15,
	UNKNOWN = 999,
} nvmlReturn_t;

typedef const char *nvmlDevice_t;

// view is what one call sees: a copy, so that the call holds no lock.
struct view {
	struct gpu gpu;
	int index;
	int64_t now;
};

// look waits while the GPU hangs, and fails if it is lost.
nvmlReturn_t look(nvmlDevice_t device, const char *symbol, struct view *v);
// supported tells what the scenario says of a symbol, or of "field:N".
nvmlReturn_t supported(const char *name);
nvmlReturn_t copy(char *to, unsigned length, const char *text);

#define LOOK(symbol)                                      \
	struct view v;                                    \
	nvmlReturn_t result = look(device, #symbol, &v); \
	if (result)                                       \
		return result

#endif
