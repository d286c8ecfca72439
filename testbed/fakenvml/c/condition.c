// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// What follows from the scenario at a time.

#include "fakenvml.h"

#include <string.h>
#include <time.h>

int64_t scenario_now(const struct scenario *s)
{
	struct timespec now;
	if (s->clock)
		return __atomic_load_n(s->clock, __ATOMIC_ACQUIRE);
	clock_gettime(s->has_epoch ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * second + now.tv_nsec - (s->has_epoch ? s->epoch : s->monotonic_start);
}

uint64_t scenario_wall(const struct scenario *s, int64_t t)
{
	// A time that a test drives is the same in each run: it begins on 2001-09-09 at 01:46:40 UTC.
	int64_t start = s->has_epoch ? s->epoch : s->clock ? second * second : s->wall_start;
	return (uint64_t)((start + t) / microsecond);
}

bool scenario_reloading(const struct scenario *s, int64_t t)
{
	for (int i = 0; i < s->reloads; i++)
		if (s->reload[i].at <= t && t < s->reload[i].until)
			return true;
	return false;
}

bool listed(const struct names *n, const char *name)
{
	for (int i = 0; i < n->count; i++)
		if (!strcmp(n->name[i], name))
			return true;
	return false;
}

const struct fault *fault_at(const struct scenario *s, int gpu, const char *symbol, int kind, int64_t t)
{
	for (int i = 0; i < s->faults; i++) {
		const struct fault *f = &s->fault[i];
		if ((int)f->kind == kind && (f->gpu < 0 || f->gpu == gpu) && f->start <= t && t < f->end &&
		    (!strcmp(f->symbol, "*") || !strcmp(f->symbol, symbol)))
			return f;
	}
	return NULL;
}

// What was so before the first event of a pair is the opposite of it: a GPU that is attached before it was
// ever detached was not there from the start.
static bool before_first(const struct gpu *g, int set, int clear, bool otherwise)
{
	for (int i = 0; i < g->events; i++)
		if ((int)g->event[i].kind == set || (int)g->event[i].kind == clear)
			return (int)g->event[i].kind == clear;
	return otherwise;
}

struct condition condition_at(const struct scenario *s, const struct gpu *g, int64_t t)
{
	struct condition c = {.absent = before_first(g, DETACH, ATTACH, false)};
	c.mig = c.mig_pending = before_first(g, MIG_ON, MIG_OFF, g->instances > 0);
	for (int i = 0; i < g->events && g->event[i].at <= t; i++) {
		switch (g->event[i].kind) {
		case LOST: c.lost = true; break;
		case BACK: c.lost = false; break;
		case DETACH: c.absent = true, c.generation++; break;
		case ATTACH: c.absent = false; break;
		case HANG: c.hung = true; break;
		case UNHANG: c.hung = false; break;
		case MIG_ON: c.mig = c.mig_pending = true; break;
		case MIG_OFF: c.mig = c.mig_pending = false, c.mig_generation++; break;
		case MIG_PENDING: c.mig_pending = !c.mig; break;
		default: break;
		}
	}
	for (int i = 0; i < s->reloads; i++)
		c.generation += s->reload[i].at <= t;
	c.mig_generation += c.generation;
	return c;
}

bool instance_live(const struct instance *i, int64_t t) { return i->start <= t && t < i->end; }

// As of the profiles of A100 and H100: 3g has as much memory as 4g, and 7g all of it.
uint32_t memory_slices(const struct instance *i)
{
	return i->slices == 3 ? 4 : i->slices == 7 ? 8 : i->slices;
}

bool running(const struct process *p, int64_t t) { return p->start <= t && t < p->end; }

picojoules sm_time(const struct process *p, int64_t from, int64_t to)
{
	from = from > p->start ? from : p->start;
	to = to < p->end ? to : p->end;
	return from < to ? energy(&p->sm, to) - energy(&p->sm, from) : 0;
}
