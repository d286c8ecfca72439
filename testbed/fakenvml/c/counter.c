// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// What a GPU publishes of its power and energy.

#include "fakenvml.h"

#include <pthread.h>

static pthread_mutex_t progress_mutex = PTHREAD_MUTEX_INITIALIZER;

int64_t last_update(const struct gpu *g, int64_t t) { return g->update > 0 ? t / g->update * g->update : t; }

int64_t instant_power(const struct gpu *g, const struct waveform *w, int64_t u)
{
	return g->window ? mean_power(w, u, g->window) : power(w, u);
}

// seen_energy is what a sensor counts up to t that looks only during the last window of each update period,
// and takes that for the whole period.
static picojoules seen_energy(const struct gpu *g, const struct waveform *w, int64_t t)
{
	pthread_mutex_lock(&progress_mutex);
	struct progress p = g->seen->at <= t ? *g->seen : (struct progress){0};
	for (; p.at + g->update <= t; p.at += g->update)
		p.sum += energy(w, p.at + g->update) - energy(w, p.at + g->update - g->window);
	if (p.at > g->seen->at)
		*g->seen = p;
	pthread_mutex_unlock(&progress_mutex);
	picojoules sum = p.sum * g->update;
	int64_t u = p.at + g->update;
	sum += (energy(w, u) - energy(w, u - g->window)) * (t - (u - g->update));
	return sum / g->window;
}

int64_t average_power(const struct gpu *g, const struct waveform *w, int64_t u)
{
	if (!g->averages)
		return instant_power(g, w, u);
	if (!g->window || u < g->update)
		return mean_power(w, u, second);
	__int128 sum = 0;
	int readings = 0;
	for (int64_t at = u; at > 0 && at > u - second; at -= g->update, readings++)
		sum += mean_power(w, at, g->window);
	return (int64_t)(sum / readings);
}

static picojoules counted(const struct gpu *g, int64_t from, int64_t to)
{
	const struct waveform *w = g->counts_module ? &g->module : &g->power;
	if (g->counts_sensor)
		return seen_energy(g, w, to) - seen_energy(g, w, from);
	return energy(w, to) - energy(w, from);
}

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// A counter since it last began: base mJ at a time, and the energy from then on, less what it missed.
struct count {
	uint64_t base;
	int64_t from, stuck; // stuck is when it stopped; -1 if it moves
	picojoules missed;
};

static void restart(struct count *c, int64_t at)
{
	if (at >= c->from)
		*c = (struct count){.from = at, .stuck = -1};
}

// A reload is a reset of all GPUs.
static void restart_by_reload(const struct scenario *s, struct count *c, int64_t after, int64_t until)
{
	for (int i = 0; i < s->reloads; i++)
		if (s->reload[i].at > after && s->reload[i].at <= until)
			restart(c, s->reload[i].at);
}

uint64_t published_energy(const struct scenario *s, const struct gpu *g, int64_t t)
{
	struct count c = {.base = g->counter, .stuck = -1};
	int64_t before = -1;
	for (int i = 0; i < g->events && g->event[i].at <= t; i++) {
		const struct event *e = &g->event[i];
		restart_by_reload(s, &c, before, e->at);
		before = e->at;
		switch (e->kind) {
		case RESET:
			restart(&c, e->at);
			break;
		case STUCK:
			if (c.stuck < 0)
				c.stuck = e->at;
			break;
		case UNSTUCK:
			c.stuck = -1;
			break;
		case RESUME:
			if (c.stuck >= 0)
				c.missed += counted(g, most(last_update(g, c.stuck), c.from), most(last_update(g, e->at), c.from));
			c.stuck = -1;
			break;
		case GLITCH:
			if (t - e->at < (g->update > 0 ? g->update : 100 * millisecond))
				return e->value;
			break;
		default:
			break;
		}
	}
	restart_by_reload(s, &c, before, t);
	int64_t until = most(last_update(g, c.stuck < 0 ? t : c.stuck), c.from);
	return c.base + (uint64_t)((counted(g, c.from, until) - c.missed) * g->gain / 1000000 / second);
}

uint64_t module_energy(const struct gpu *g, int64_t t)
{
	return (uint64_t)(energy(&g->module, last_update(g, t)) / second);
}
