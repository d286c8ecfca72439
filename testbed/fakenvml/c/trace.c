// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Waveforms as they are written in a scenario, and recorded ones.

#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double ms = 1e6, thousandth = 1e3;

// add puts a point at the end, and moves the trace if it has to grow.
static bool add(struct trace **trace, int64_t at, int64_t value)
{
	struct trace *t = *trace;
	int n = t->points;
	if (n && t->point[n - 1].at >= at)
		return false;
	if (n >= 64 && !(n & (n - 1))) { // it doubles
		t = realloc(t, sizeof *t + 2 * (size_t)n * sizeof *t->point);
		if (!t)
			return false;
		*trace = t;
	}
	picojoules twice = 0;
	if (n) {
		const struct point *p = &t->point[n - 1];
		twice = p->twice + (picojoules)(p->value + (t->linear ? value : p->value)) * (at - p->at);
	} else {
		twice = 2 * (picojoules)value * at; // the first value holds before it as well
	}
	t->point[t->points++] = (struct point){at, value, twice};
	return true;
}

// A line of words that are no numbers is a header, if it is the first.
static const char *read_points(FILE *file, struct trace **trace)
{
	char line[256];
	for (int number = 1; fgets(line, sizeof line, file); number++) {
		line[strcspn(line, "#\r\n")] = 0;
		for (char *c = line; (c = strchr(c, ',')); )
			*c = ' ';
		char *rest = line;
		int64_t at, value;
		if (at_end(&rest))
			continue;
		if (!scaled(&rest, ms, &at)) {
			if (number == 1)
				continue;
			return "trace: a line is <ms>,<value>";
		}
		if (!scaled(&rest, thousandth, &value) || !at_end(&rest) || !add(trace, at, value))
			return "trace: a line is <ms>,<value>, and later than the one before";
	}
	return (*trace)->points ? NULL : "trace: the file has no points";
}

static const char *read_trace(char **line, struct waveform *w)
{
	static const char *const kinds[] = {"step", "linear", NULL};
	const char *path = word(line);
	int kind = at_end(line) ? 0 : choice(line, kinds);
	FILE *file = kind < 0 ? NULL : fopen(path, "re");
	if (!file)
		return kind < 0 ? "trace: <file> [step|linear]" : "trace: the file cannot be opened";
	free(w->trace);
	w->shape = TRACE;
	w->trace = calloc(1, sizeof *w->trace + 64 * sizeof *w->trace->point);
	if (w->trace)
		w->trace->linear = kind == 1;
	const char *problem = w->trace ? read_points(file, &w->trace) : "trace: out of memory";
	fclose(file);
	return problem;
}

const char *waveform_read(char **line, struct waveform *w)
{
	static const char *const shapes[] = {"const", "square", "sine", "trace", NULL};
	int shape = choice(line, shapes);
	if (shape < 0)
		return "a waveform is const, square, sine or trace";
	if (shape == TRACE)
		return read_trace(line, w);
	free(w->trace);
	*w = (struct waveform){.shape = (unsigned)shape};
	if (shape == CONSTANT)
		return scaled(line, thousandth, &w->high) ? NULL : "const <value>";
	if (!scaled(line, thousandth, &w->low) || !scaled(line, thousandth, &w->high) || !scaled(line, ms, &w->period) ||
	    !w->period)
		return "square|sine <low> <high> <period ms>";
	if (shape == SQUARE && (!scaled(line, (double)w->period, &w->on) || w->on > w->period))
		return "the duty of a square is between 0 and 1";
	return NULL;
}
