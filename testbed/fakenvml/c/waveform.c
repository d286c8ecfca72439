// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// How much energy a GPU has used, in closed form.

#include "fakenvml.h"

#include <math.h>

static const int64_t second = 1000000000;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

picojoules energy(const struct waveform *w, int64_t t)
{
	if (t <= 0)
		return 0;
	switch (w->shape) {
	case CONSTANT:
		return (picojoules)w->high * t;
	case SQUARE: {
		int64_t periods = t / w->period, rest = t % w->period;
		int64_t on = least(rest, w->on), off = rest - on;
		picojoules whole = (picojoules)w->high * w->on + (picojoules)w->low * (w->period - w->on);
		return periods * whole + (picojoules)w->high * on + (picojoules)w->low * off;
	}
	case SINE: {
		// The integral of the sine over whole periods is 0, so only the rest needs floating point.
		double phase = 2 * M_PI * (double)(t % w->period) / (double)w->period;
		double swing = (double)(w->high - w->low) / 2 * (double)w->period / (2 * M_PI) * (1 - cos(phase));
		return (picojoules)(w->low + w->high) * t / 2 + llround(swing);
	}
	}
	return 0;
}

int64_t power(const struct waveform *w, int64_t t)
{
	switch (w->shape) {
	case CONSTANT:
		return w->high;
	case SQUARE:
		return t % w->period < w->on ? w->high : w->low;
	case SINE: {
		double phase = 2 * M_PI * (double)(t % w->period) / (double)w->period;
		return llround((double)(w->low + w->high) / 2 + (double)(w->high - w->low) / 2 * sin(phase));
	}
	}
	return 0;
}

int64_t mean_power(const struct waveform *w, int64_t t)
{
	int64_t window = least(t, second);
	if (window <= 0)
		return power(w, 0);
	return (int64_t)((energy(w, t) - energy(w, t - window)) / window);
}

int64_t last_update(const struct gpu *g, int64_t t) { return g->update > 0 ? t / g->update * g->update : t; }

uint64_t published_energy(const struct gpu *g, int64_t t)
{
	int64_t update = last_update(g, t), reset = condition_at(g, t).reset;
	picojoules mJ = second;
	if (reset < 0)
		return g->counter + (uint64_t)(energy(&g->power, update) / mJ);
	if (update <= reset)
		return 0;
	return (uint64_t)((energy(&g->power, update) - energy(&g->power, reset)) / mJ);
}
