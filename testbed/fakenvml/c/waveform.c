// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The integral of a waveform, in closed form.

#include "fakenvml.h"

#include <math.h>

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// segment is the last point at or before t, and the first one if there is none.
static const struct point *segment(const struct trace *trace, int64_t t)
{
	int low = 0, high = trace->points;
	while (high - low > 1) {
		int middle = (low + high) / 2;
		if (trace->point[middle].at <= t)
			low = middle;
		else
			high = middle;
	}
	return &trace->point[low];
}

static bool is_last(const struct trace *trace, const struct point *p)
{
	return p == &trace->point[trace->points - 1];
}

static picojoules trace_energy(const struct trace *trace, int64_t t)
{
	const struct point *p = segment(trace, t);
	int64_t since = t - p->at;
	picojoules twice = p->twice + 2 * (picojoules)p->value * since;
	if (trace->linear && since > 0 && !is_last(trace, p))
		twice += (picojoules)(p[1].value - p->value) * since * since / (p[1].at - p->at);
	return twice / 2;
}

static int64_t trace_power(const struct trace *trace, int64_t t)
{
	const struct point *p = segment(trace, t);
	if (!trace->linear || t <= p->at || is_last(trace, p))
		return p->value;
	return p->value + (int64_t)((__int128)(p[1].value - p->value) * (t - p->at) / (p[1].at - p->at));
}

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
	case TRACE:
		return trace_energy(w->trace, t);
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
	case TRACE:
		return trace_power(w->trace, t);
	}
	return 0;
}

int64_t mean_power(const struct waveform *w, int64_t t, int64_t window)
{
	window = least(t, window);
	if (window <= 0)
		return power(w, t > 0 ? t : 0);
	return (int64_t)((energy(w, t) - energy(w, t - window)) / window);
}
