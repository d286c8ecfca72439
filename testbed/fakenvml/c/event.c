// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// What the driver tells those who wait for it.

#include "call.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
	nvmlDevice_t device;
	unsigned long long type, data;
	unsigned gpu_instance, compute_instance;
} nvmlEventData_t;

_Static_assert(sizeof(nvmlEventData_t) == 32, "nvmlEventData_t");

enum { XID_CRITICAL_ERROR = 0x8, MIG_CONFIG_CHANGE = 0x100 };

struct registration {
	unsigned long long mask;
	int64_t after; // nothing before the registration is told
	nvmlDevice_t device;
};

typedef struct nvmlEventSet_st {
	int64_t told;   // the time of the event that was told last
	int told_count; // and how many of that time have been
	struct registration of[MAX_GPUS];
} *nvmlEventSet_t;

NVML nvmlEventSetCreate(nvmlEventSet_t *set)
{
	ENTER(nvmlEventSetCreate);
	if (!set)
		return INVALID_ARGUMENT;
	*set = calloc(1, sizeof **set);
	if (!*set)
		return OUT_OF_MEMORY;
	(*set)->told = INT64_MIN;
	return SUCCESS;
}

NVML nvmlEventSetFree(nvmlEventSet_t set)
{
	calls_count("nvmlEventSetFree");
	free(set);
	return set ? SUCCESS : INVALID_ARGUMENT;
}

static unsigned long long event_types(const struct gpu *g)
{
	return XID_CRITICAL_ERROR | (g->architecture >= AMPERE ? MIG_CONFIG_CHANGE : 0);
}

NVML nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
	LOOK_GPU(nvmlDeviceGetSupportedEventTypes);
	*types = event_types(v.gpu);
	return SUCCESS;
}

NVML nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
	LOOK_GPU(nvmlDeviceRegisterEvents);
	if (!set)
		return INVALID_ARGUMENT;
	if (types & ~event_types(v.gpu))
		return NOT_SUPPORTED;
	struct registration *r = &set->of[v.index];
	*r = (struct registration){r->mask | types, r->mask ? r->after : v.now, device};
	return SUCCESS;
}

// A search goes through all that happens, and keeps the first that has not been told.
struct search {
	const struct view *v;
	const struct nvmlEventSet_st *set;
	int64_t at;
	nvmlEventData_t data;
	int told_count; // of those at the time of the last one
};

static void happens(struct search *s, int gpu, int64_t at, nvmlEventData_t data)
{
	const struct registration *r = &s->set->of[gpu];
	if (!(r->mask & data.type) || at <= r->after || at > s->v->now || at < s->set->told)
		return;
	if (at == s->set->told && s->told_count++ < s->set->told_count)
		return;
	if (at >= s->at)
		return;
	data.device = r->device;
	s->at = at, s->data = data;
}

// An instance that begins or ends while MIG is off changes nothing.
static void changes(struct search *s, int gpu, int64_t at, nvmlEventData_t data)
{
	if (condition_at(s->v->scenario, &s->v->scenario->gpu[gpu], at).mig)
		happens(s, gpu, at, data);
}

static void search_gpu(struct search *s, int index)
{
	const struct gpu *g = &s->v->scenario->gpu[index];
	nvmlEventData_t change = {.type = MIG_CONFIG_CHANGE, .gpu_instance = ~0u, .compute_instance = ~0u};
	for (int i = 0; i < g->events; i++) {
		const struct event *e = &g->event[i];
		if (e->kind == XID)
			happens(s, index, e->at, (nvmlEventData_t){NULL, XID_CRITICAL_ERROR, e->value, e->gpu_instance, e->compute_instance});
		if (e->kind == MIG_ON || e->kind == MIG_OFF)
			happens(s, index, e->at, change);
	}
	for (int i = 0; i < g->instances; i++) {
		changes(s, index, g->instance[i].start, change);
		changes(s, index, g->instance[i].end, change);
	}
}

static bool tell(const struct view *v, nvmlEventSet_t set, nvmlEventData_t *data)
{
	struct search s = {.v = v, .set = set, .at = INT64_MAX};
	for (int i = 0; i < v->scenario->gpus; i++)
		if (set->of[i].mask)
			search_gpu(&s, i);
	if (s.at == INT64_MAX)
		return false;
	set->told_count = s.at == set->told ? set->told_count + 1 : 1;
	set->told = s.at;
	*data = s.data;
	return true;
}

static bool one_is_lost(const struct view *v, const struct nvmlEventSet_st *set)
{
	for (int i = 0; i < v->scenario->gpus; i++) {
		struct condition c = condition_at(v->scenario, &v->scenario->gpu[i], v->now);
		if (set->of[i].mask && (c.lost || c.absent))
			return true;
	}
	return false;
}

static int64_t monotonic(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * second + now.tv_nsec;
}

// The time is up when it is by either clock: a scripted one may stand still.
static nvmlReturn_t wait_for(struct view *v, nvmlEventSet_t set, nvmlEventData_t *data, unsigned timeout_ms)
{
	if (!set)
		return INVALID_ARGUMENT;
	int64_t timeout = timeout_ms * millisecond, scripted_start = v->now, real_start = monotonic();
	for (;; usleep(1000)) {
		if (tell(v, set, data))
			return SUCCESS;
		if (one_is_lost(v, set))
			return GPU_IS_LOST;
		if (v->now - scripted_start >= timeout || monotonic() - real_start >= timeout)
			return TIMEOUT;
		nvmlReturn_t result = again(v);
		if (result)
			return result;
	}
}

NVML nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned timeout_ms)
{
	ENTER(nvmlEventSetWait_v2);
	return data ? wait_for(&v, set, data, timeout_ms) : INVALID_ARGUMENT;
}

// The first version has no instances in its data.
NVML nvmlEventSetWait(nvmlEventSet_t set, void *data, unsigned timeout_ms)
{
	nvmlEventData_t whole;
	ENTER(nvmlEventSetWait);
	result = data ? wait_for(&v, set, &whole, timeout_ms) : INVALID_ARGUMENT;
	if (!result)
		memcpy(data, &whole, offsetof(nvmlEventData_t, gpu_instance));
	return result;
}
