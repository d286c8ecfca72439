// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The library: its beginning and end, and what a call sees of the scenario.

#include "call.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // over all below
static struct scenario *current;
static int users;
static int64_t monotonic_start = -1, wall_start;

enum { GENERATIONS = MAX_EVENTS + MAX_RELOADS + 1 };

// A handle is the address of a cell: which GPU, which of its MIG devices (0 is none), and how often its
// handles had become stale before.
static char handles[MAX_GPUS][MAX_INSTANCES + 1][GENERATIONS];

static void release(struct scenario *s)
{
	if (s && !--s->references)
		scenario_free(s);
}

void leave(struct view *v)
{
	pthread_mutex_lock(&mutex);
	release(v->scenario);
	pthread_mutex_unlock(&mutex);
	v->scenario = NULL;
}

nvmlReturn_t again(struct view *v)
{
	pthread_mutex_lock(&mutex);
	release(v->scenario);
	v->scenario = users ? current : NULL;
	if (v->scenario)
		v->scenario->references++;
	pthread_mutex_unlock(&mutex);
	if (!v->scenario)
		return UNINITIALIZED;
	v->now = scenario_now(v->scenario);
	if (v->scenario->mismatch >= 0 && v->now >= v->scenario->mismatch)
		return LIB_RM_VERSION_MISMATCH;
	return scenario_reloading(v->scenario, v->now) ? DRIVER_NOT_LOADED : SUCCESS;
}

static int scope(const struct view *v) { return v->gpu ? v->index : -1; }

nvmlReturn_t scripted(const struct view *v, const char *name)
{
	const struct fault *f = fault_at(v->scenario, scope(v), name, FAIL, v->now);
	if (f)
		return (nvmlReturn_t)f->code;
	return listed(&v->scenario->unsupported, name) ? NOT_SUPPORTED : SUCCESS;
}

bool growing(const struct view *v, const char *symbol) { return listed(&v->gpu->growing, symbol); }

static void delay(const struct view *v, const char *symbol)
{
	const struct fault *f = fault_at(v->scenario, scope(v), symbol, DELAY, v->now);
	if (f)
		usleep((useconds_t)(f->delay / microsecond));
}

// see brings the view of the GPU to the present, and waits for as long as the call hangs.
static nvmlReturn_t see(struct view *v, const char *symbol)
{
	for (;; usleep(1000)) {
		nvmlReturn_t result = again(v);
		if (result)
			return result;
		if (v->index >= v->scenario->gpus)
			return INVALID_ARGUMENT;
		v->gpu = v->index < 0 ? NULL : &v->scenario->gpu[v->index];
		v->condition = v->gpu ? condition_at(v->scenario, v->gpu, v->now) : (struct condition){0};
		if (!v->condition.hung && !fault_at(v->scenario, scope(v), symbol, BLOCK, v->now))
			return SUCCESS;
	}
}

static nvmlReturn_t begin(struct view *v, int index, const char *symbol)
{
	v->index = index;
	nvmlReturn_t result = see(v, symbol);
	if (result)
		return result;
	delay(v, symbol);
	result = see(v, symbol);
	return result ? result : scripted(v, symbol);
}

nvmlReturn_t enter(const char *symbol, struct view *v)
{
	calls_count(symbol);
	return begin(v, -1, symbol);
}

nvmlReturn_t look_at(int index, const char *symbol, struct view *v)
{
	nvmlReturn_t result = begin(v, index, symbol);
	if (result)
		return result;
	return v->condition.lost || v->condition.absent ? GPU_IS_LOST : SUCCESS;
}

nvmlReturn_t look(nvmlDevice_t device, const char *symbol, struct view *v)
{
	calls_count(symbol);
	const char *first = &handles[0][0][0];
	if (device < first || device >= first + sizeof handles)
		return INVALID_ARGUMENT;
	long cell = device - first;
	int generation = (int)(cell % GENERATIONS), instance = (int)(cell / GENERATIONS % (MAX_INSTANCES + 1)) - 1;
	nvmlReturn_t result = look_at((int)(cell / GENERATIONS / (MAX_INSTANCES + 1)), symbol, v);
	if (result)
		return result;
	if (instance < 0)
		return v->condition.generation == generation ? SUCCESS : GPU_IS_LOST;
	if (instance >= v->gpu->instances)
		return INVALID_ARGUMENT;
	v->instance = &v->gpu->instance[instance];
	bool live = v->condition.mig && v->condition.mig_generation == generation && instance_live(v->instance, v->now);
	return live ? SUCCESS : INVALID_ARGUMENT;
}

nvmlDevice_t handle_of(const struct view *v, const struct gpu *g, const struct instance *instance)
{
	struct condition c = condition_at(v->scenario, g, v->now);
	long index = g - v->scenario->gpu;
	return instance ? &handles[index][1 + (instance - g->instance)][c.mig_generation] : &handles[index][0][c.generation];
}

nvmlReturn_t copy(char *to, unsigned length, const char *text)
{
	if (!to)
		return INVALID_ARGUMENT;
	if (strlen(text) >= length)
		return INSUFFICIENT_SIZE;
	strcpy(to, text);
	return SUCCESS;
}

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * second + now.tv_nsec;
}

// init has the mutex.
static nvmlReturn_t init(const char *path, const char *symbol)
{
	struct scenario *next = scenario_read(path);
	if (!next)
		return UNKNOWN;
	if (monotonic_start < 0) {
		monotonic_start = nanoseconds(CLOCK_MONOTONIC);
		wall_start = nanoseconds(CLOCK_REALTIME);
	}
	next->references = 1;
	next->monotonic_start = monotonic_start;
	next->wall_start = wall_start;
	int64_t now = scenario_now(next);
	nvmlReturn_t result = SUCCESS;
	const struct fault *f = fault_at(next, -1, symbol, FAIL, now);
	if (next->mismatch >= 0 && now >= next->mismatch)
		result = LIB_RM_VERSION_MISMATCH;
	else if (scenario_reloading(next, now))
		result = DRIVER_NOT_LOADED;
	else if (f)
		result = (nvmlReturn_t)f->code;
	if (result) {
		release(next);
		return result;
	}
	release(current);
	current = next;
	users++;
	return SUCCESS;
}

static nvmlReturn_t start(const char *symbol)
{
	calls_open();
	calls_count(symbol);
	const char *path = getenv("FAKENVML_SCENARIO");
	if (!path || access(path, R_OK))
		return DRIVER_NOT_LOADED;
	pthread_mutex_lock(&mutex);
	nvmlReturn_t result = init(path, symbol);
	pthread_mutex_unlock(&mutex);
	return result;
}

NVML nvmlInitWithFlags(unsigned flags)
{
	(void)flags;
	return start("nvmlInitWithFlags");
}

NVML nvmlInit_v2(void) { return start("nvmlInit_v2"); }

NVML nvmlShutdown(void)
{
	calls_count("nvmlShutdown");
	pthread_mutex_lock(&mutex);
	nvmlReturn_t result = users ? SUCCESS : UNINITIALIZED;
	if (users && !--users) {
		release(current);
		current = NULL;
	}
	pthread_mutex_unlock(&mutex);
	return result;
}
