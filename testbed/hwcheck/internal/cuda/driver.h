// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The few functions of libcuda.so.1 that the load needs. All of them concern this process only: none
// changes a setting of the GPU.

#ifndef DRIVER_H
#define DRIVER_H

#include <stddef.h>

typedef struct gpu gpu;

// gpu_open takes the device whose UUID has these 16 bytes, or, if uuid is NULL or no device has it and there
// is only one, the first. On failure it gives NULL, and what says why. Kernels come from the text.
gpu *gpu_open(const char *library, const unsigned char *uuid, const char *ptx, char *why, size_t room);
void gpu_close(gpu *g);

const char *gpu_name(const gpu *g);
int gpu_cuda_version(const gpu *g);
int gpu_multiprocessors(const gpu *g);

// All below give 0 or a CUresult, named by gpu_error.
// gpu_begin and gpu_end stand around launches; gpu_end waits, asleep, and gives the time on the GPU.
int gpu_begin(gpu *g);
int gpu_launch(gpu *g, int memory, unsigned long long iterations);
int gpu_end(gpu *g, float *milliseconds);
int gpu_allocate_and_free(gpu *g, size_t bytes);
const char *gpu_error(const gpu *g, int result);

#endif
