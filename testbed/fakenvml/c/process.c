// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The processes of a GPU, and what each has used of it.

#include "call.h"

#include <string.h>

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } nvmlProcessInfo_t;
typedef struct { unsigned pid; unsigned long long memory; } nvmlProcessInfo_v1_t;
typedef struct { nvmlProcessInfo_t info; unsigned long long protected_memory; } wide_info;
typedef struct {
	unsigned pid;
	unsigned long long timestamp;
	unsigned sm, memory, encoder, decoder;
} nvmlProcessUtilizationSample_t;

_Static_assert(sizeof(nvmlProcessInfo_t) == 24, "nvmlProcessInfo_t");
_Static_assert(sizeof(nvmlProcessInfo_v1_t) == 16, "nvmlProcessInfo_v1_t");
_Static_assert(sizeof(wide_info) == 32, "what drivers 535.43 to 535.86 took for nvmlProcessInfo_t");
_Static_assert(sizeof(nvmlProcessUtilizationSample_t) == 32, "nvmlProcessUtilizationSample_t");

enum { GROWTH = 4, UTIL_RING = 100 };

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

// buffer is what a caller has for a list: room for so many entries of the size that the header gives them.
struct buffer {
	void *infos;
	unsigned room, entry_size;
};

// put writes the nth entry as one of that size, but nothing behind the buffer.
static void put(struct buffer b, unsigned n, const wide_info *entry, unsigned size)
{
	unsigned long from = (unsigned long)n * size, end = (unsigned long)b.room * b.entry_size;
	if (from < end)
		memcpy((char *)b.infos + from, entry, least(size, (unsigned)(end - from)));
}

static bool in_view(const struct view *v, const struct process *p, enum process_kind kind)
{
	if (p->kind != kind || !running(p, v->now))
		return false;
	return !v->instance || (p->instance >= 0 && &v->gpu->instance[p->instance] == v->instance);
}

// The entries of all versions begin alike, and only those of the third have been written too wide.
static nvmlReturn_t list(const struct view *v, enum process_kind kind, const char *symbol, int version, unsigned *count, void *infos)
{
	if (!count || (*count && !infos))
		return INVALID_ARGUMENT;
	struct buffer b = {infos, *count, version == 1 ? sizeof(nvmlProcessInfo_v1_t) : sizeof(nvmlProcessInfo_t)};
	unsigned room = *count, n = 0, size = v->gpu->wide_process_info && version == 3 ? sizeof(wide_info) : b.entry_size;
	for (int i = 0; i < v->gpu->processes; i++)
		n += in_view(v, &v->gpu->process[i], kind);
	*count = n + (room && n && growing(v, symbol) && room < n + GROWTH ? GROWTH : 0);
	if (*count > room)
		return INSUFFICIENT_SIZE;
	n = 0;
	for (int i = 0; i < v->gpu->processes; i++) {
		const struct process *p = &v->gpu->process[i];
		if (!in_view(v, p, kind))
			continue;
		wide_info entry = {.info = {p->pid, p->memory, ~0u, ~0u}};
		if (p->instance >= 0)
			entry.info.gpu_instance = p->gpu_instance, entry.info.compute_instance = p->compute_instance;
		put(b, n++, &entry, size);
	}
	return SUCCESS;
}

#define LIST(symbol, kind, version, type)                            \
	NVML symbol(nvmlDevice_t device, unsigned *count, type *infos) \
	{                                                              \
		LOOK(symbol);                                          \
		return list(&v, kind, #symbol, version, count, infos); \
	}

LIST(nvmlDeviceGetComputeRunningProcesses, COMPUTE, 1, nvmlProcessInfo_v1_t)
LIST(nvmlDeviceGetComputeRunningProcesses_v2, COMPUTE, 2, nvmlProcessInfo_t)
LIST(nvmlDeviceGetComputeRunningProcesses_v3, COMPUTE, 3, nvmlProcessInfo_t)
LIST(nvmlDeviceGetGraphicsRunningProcesses, GRAPHICS, 1, nvmlProcessInfo_v1_t)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, GRAPHICS, 2, nvmlProcessInfo_t)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, GRAPHICS, 3, nvmlProcessInfo_t)
LIST(nvmlDeviceGetMPSComputeRunningProcesses, MPS, 1, nvmlProcessInfo_v1_t)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v2, MPS, 2, nvmlProcessInfo_t)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, MPS, 3, nvmlProcessInfo_t)

// share is the SM share of the process in the period that ends at the time, in whole percent.
static int64_t share(const struct process *p, int64_t period, int64_t end)
{
	return (int64_t)((sm_time(p, end - period, end) / period + 500) / 1000);
}

// sample averages the samples of the process that are in the ring and newer than what was last seen. It
// is false if there is none.
static bool sample(const struct view *v, const struct process *p, uint64_t last_seen, nvmlProcessUtilizationSample_t *s)
{
	int64_t period = v->gpu->util_period, visible = v->now - v->gpu->util_lag, sum = 0, n = 0;
	int64_t newest = visible < 0 ? 0 : visible / period;
	for (int64_t k = newest; k > newest - UTIL_RING && k > 0; k--) {
		uint64_t timestamp = scenario_wall(v->scenario, k * period);
		if (timestamp <= last_seen || k * period <= p->start)
			break;
		int64_t percent = share(p, period, k * period);
		if (!percent)
			continue;
		if (!n++)
			*s = (nvmlProcessUtilizationSample_t){.pid = p->pid, .timestamp = timestamp};
		sum += percent;
	}
	if (!n)
		return false;
	s->sm = (unsigned)((sum + n / 2) / n);
	s->memory = s->sm / 2;
	return true;
}

// garbage is what drivers have been seen to return besides the samples: see the comments on nvtop #110.
static nvmlProcessUtilizationSample_t garbage(unsigned n, unsigned real_pid, uint64_t timestamp)
{
	switch (n % 4) {
	case 0: return (nvmlProcessUtilizationSample_t){0, timestamp, 4294967295u, 4294967295u, 0, 0};
	case 1: return (nvmlProcessUtilizationSample_t){real_pid, timestamp, 101 + n, 250, 0, 0};
	case 2: return (nvmlProcessUtilizationSample_t){1u << 30 | n, timestamp, 50, 7, 0, 0};
	}
	return (nvmlProcessUtilizationSample_t){4000000000u + n, 0, 32767, 0, 0, 1u << 20};
}

NVML nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples, unsigned *count,
	unsigned long long last_seen)
{
	LOOK_GPU(nvmlDeviceGetProcessUtilization);
	const struct gpu *g = v.gpu;
	nvmlProcessUtilizationSample_t s;
	if (!count)
		return INVALID_ARGUMENT;
	if (v.condition.mig || g->architecture < MAXWELL)
		return NOT_SUPPORTED;
	unsigned room = samples ? *count : 0, n = 0;
	bool rubbish = g->garbage_start <= v.now && v.now < g->garbage_end;
	for (int i = 0; i < g->processes; i++)
		n += sample(&v, &g->process[i], last_seen, &s);
	if (!samples) {
		*count = n > UTIL_RING ? n : UTIL_RING;
		return INSUFFICIENT_SIZE;
	}
	if (!n && !rubbish) {
		*count = 0;
		return NOT_FOUND;
	}
	unsigned need = growing(&v, "nvmlDeviceGetProcessUtilization") ? UTIL_RING + GROWTH : n;
	if (room < need) {
		*count = need;
		return INSUFFICIENT_SIZE;
	}
	n = 0;
	for (int i = 0; i < g->processes; i++)
		n += sample(&v, &g->process[i], last_seen, &samples[n < room ? n : 0]);
	for (; rubbish && n < UTIL_RING && n < room; n++)
		samples[n] = garbage(n, g->processes ? g->process[0].pid : 1, scenario_wall(v.scenario, v.now));
	*count = n;
	return SUCCESS;
}
