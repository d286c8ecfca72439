// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// GPM: how busy a GPU or an instance was between two samples.

#include "call.h"

#include <stdlib.h>

typedef struct nvmlGpmSample_st {
	bool taken;
	int gpu, gpu_instance, compute_instance; // -1: all
	int generation;
	int64_t at;
	picojoules busy; // SM time up to then, in thousandths of a percent times ns
	picojoules parts; // of which there are so many
} *nvmlGpmSample_t;

typedef struct { unsigned version, supported; } nvmlGpmSupport_t;

typedef struct {
	unsigned id;
	nvmlReturn_t result;
	double value;
	const char *short_name, *long_name, *unit;
} nvmlGpmMetric_t;

enum { GRAPHICS_UTIL = 1, SM_UTIL = 2, SM_OCCUPANCY = 3, METRICS = 477, VERSION = 1 };

typedef struct {
	unsigned version, count;
	nvmlGpmSample_t sample1, sample2;
	nvmlGpmMetric_t metrics[METRICS];
} nvmlGpmMetricsGet_t;

_Static_assert(sizeof(nvmlGpmSupport_t) == 8, "nvmlGpmSupport_t");
_Static_assert(sizeof(nvmlGpmMetric_t) == 40, "nvmlGpmMetric_t");
_Static_assert(sizeof(nvmlGpmMetricsGet_t) == 24 + 40 * METRICS, "nvmlGpmMetricsGet_t");

static bool has_gpm(const struct gpu *g) { return g->has_gpm ? g->gpm : g->architecture >= HOPPER; }

NVML nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
	LOOK(nvmlGpmQueryDeviceSupport);
	if (support->version != VERSION)
		return ARGUMENT_VERSION_MISMATCH;
	support->supported = has_gpm(v.gpu);
	return SUCCESS;
}

NVML nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
	ENTER(nvmlGpmSampleAlloc);
	if (!sample)
		return INVALID_ARGUMENT;
	*sample = calloc(1, sizeof **sample);
	return *sample ? SUCCESS : OUT_OF_MEMORY;
}

// A sample can be freed at any time, even if the driver is gone.
NVML nvmlGpmSampleFree(nvmlGpmSample_t sample)
{
	calls_count("nvmlGpmSampleFree");
	free(sample);
	return sample ? SUCCESS : INVALID_ARGUMENT;
}

// weight is what part of what is sampled the process runs on, in SMs: of the compute instance or the GPU
// itself all of it.
static uint32_t weight(const struct gpu *g, const struct process *p, const struct nvmlGpmSample_st *s)
{
	const struct instance *m = p->instance < 0 ? NULL : &g->instance[p->instance];
	if (s->gpu_instance < 0)
		return m ? m->sms : g->sms;
	if (!m || m->gpu_instance != (uint32_t)s->gpu_instance)
		return 0;
	return s->compute_instance < 0 || m->compute_instance == (uint32_t)s->compute_instance ? m->sms : 0;
}

// take adds up to the present. The instances of the same ids that were there before do not matter: they
// are in both samples, and in the difference no more.
static void take(const struct view *v, const struct instance *m, bool whole_gpu_instance, nvmlGpmSample_t s)
{
	*s = (struct nvmlGpmSample_st){
		.taken = true, .gpu = v->index, .gpu_instance = m ? (int)m->gpu_instance : -1,
		.compute_instance = m && !whole_gpu_instance ? (int)m->compute_instance : -1,
		.generation = m ? v->condition.mig_generation : v->condition.generation, .at = v->now,
		.parts = m ? (whole_gpu_instance ? m->gi_sms : m->sms) : v->gpu->sms,
	};
	for (int i = 0; i < v->gpu->processes; i++)
		s->busy += sm_time(&v->gpu->process[i], 0, v->now) * weight(v->gpu, &v->gpu->process[i], s);
}

NVML nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
	LOOK(nvmlGpmSampleGet);
	if (!sample)
		return INVALID_ARGUMENT;
	if (!has_gpm(v.gpu))
		return NOT_SUPPORTED;
	take(&v, v.instance, false, sample);
	return SUCCESS;
}

NVML nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned gpu_instance, nvmlGpmSample_t sample)
{
	LOOK_GPU(nvmlGpmMigSampleGet);
	if (!sample)
		return INVALID_ARGUMENT;
	if (!has_gpm(v.gpu) || !v.condition.mig)
		return NOT_SUPPORTED;
	const struct instance *last = NULL; // the one that began last knows all that are there
	for (int i = 0; i < v.gpu->instances; i++) {
		const struct instance *m = &v.gpu->instance[i];
		if (m->gpu_instance == gpu_instance && instance_live(m, v.now) && (!last || m->start >= last->start))
			last = m;
	}
	if (!last)
		return INVALID_ARGUMENT;
	take(&v, last, true, sample);
	return SUCCESS;
}

static nvmlReturn_t metric(const struct nvmlGpmSample_st *a, const struct nvmlGpmSample_st *b, nvmlGpmMetric_t *m)
{
	static const char *const names[] = {"", "Graphics Util", "SM Util", "SM Occupancy"};
	m->short_name = m->long_name = m->unit = NULL;
	m->value = 0;
	if (m->id < GRAPHICS_UTIL || m->id > SM_OCCUPANCY)
		return NOT_SUPPORTED;
	double percent = (double)(b->busy - a->busy) / (double)b->parts / (double)(b->at - a->at) / 1e3;
	percent = percent < 100 ? percent : 100;
	m->value = m->id == SM_OCCUPANCY ? percent / 2 : percent;
	m->short_name = m->long_name = names[m->id];
	m->unit = "%";
	return SUCCESS;
}

NVML nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *get)
{
	if (!get)
		return INVALID_ARGUMENT;
	ENTER(nvmlGpmMetricsGet);
	if (get->version != VERSION)
		return ARGUMENT_VERSION_MISMATCH;
	const struct nvmlGpmSample_st *a = get->sample1, *b = get->sample2;
	if (!a || !b || !a->taken || !b->taken || get->count > METRICS)
		return INVALID_ARGUMENT;
	if (a->gpu != b->gpu || a->gpu_instance != b->gpu_instance || a->compute_instance != b->compute_instance ||
	    a->generation != b->generation || a->parts != b->parts || b->at - a->at < 100 * millisecond)
		return INVALID_ARGUMENT;
	for (unsigned i = 0; i < get->count; i++)
		get->metrics[i].result = metric(a, b, &get->metrics[i]);
	return SUCCESS;
}
