// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The scenario language. README.md documents it.

#include "fakenvml.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const double ms = 1e6, watt = 1e3;

// word cuts the next word off the line; empty at its end.
static char *word(char **line)
{
	*line += strspn(*line, " \t");
	char *start = *line;
	*line += strcspn(start, " \t");
	if (**line)
		*(*line)++ = 0;
	return start;
}

static bool scaled(char **line, double unit, int64_t *value)
{
	char *text = word(line), *end;
	double number = strtod(text, &end);
	if (end == text || *end || !(number >= 0) || number * unit > 4e18)
		return false;
	*value = llround(number * unit);
	return true;
}

static bool whole(char **line, uint64_t *value)
{
	char *text = word(line), *end;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return end != text && !*end && !errno && *text != '-';
}

static struct gpu *which(struct scenario *s, char **line)
{
	char *name = word(line), *end;
	long index = strtol(name, &end, 10);
	if (*name && !*end)
		return index >= 0 && index < s->gpus ? &s->gpu[index] : NULL;
	for (int i = 0; i < s->gpus; i++)
		if (!strcmp(s->gpu[i].uuid, name))
			return &s->gpu[i];
	return NULL;
}

static const char *read_gpu(struct scenario *s, char **line)
{
	uint64_t index;
	if (!whole(line, &index) || index != (uint64_t)s->gpus || s->gpus == MAX_GPUS)
		return "gpu: the indices are 0, 1, 2 ... in this order, below 64";
	struct gpu *g = &s->gpu[s->gpus];
	*g = (struct gpu){.update = (int64_t)(100 * ms), .limit = 700000, .memory = 80ULL << 30};
	const char *uuid = word(line), *name = *line + strspn(*line, " \t");
	if (!*uuid || !*name || strlen(uuid) >= sizeof g->uuid || strlen(name) >= sizeof g->name)
		return "gpu: <index> <uuid> <name>";
	strcpy(g->uuid, uuid);
	strcpy(g->name, name);
	*line += strlen(*line);
	s->gpus++;
	return NULL;
}

static const char *read_power(struct gpu *g, char **line)
{
	struct waveform *w = &g->power;
	const char *shape = word(line);
	if (!strcmp(shape, "const")) {
		w->shape = CONSTANT;
		return scaled(line, watt, &w->high) ? NULL : "power: const <W>";
	}
	bool square = !strcmp(shape, "square");
	if (!square && strcmp(shape, "sine"))
		return "power: const, square or sine";
	w->shape = square ? SQUARE : SINE;
	if (!scaled(line, watt, &w->low) || !scaled(line, watt, &w->high) || !scaled(line, ms, &w->period) || !w->period)
		return "power: square|sine <low W> <high W> <period ms>";
	if (square && (!scaled(line, (double)w->period, &w->on) || w->on > w->period))
		return "power: the duty of a square is between 0 and 1";
	return NULL;
}

static const char *read_event(struct gpu *g, char **line)
{
	static const char *const kinds[] = {"reset", "lost", "back", "detach", "attach", "hang", "unhang"};
	int64_t at;
	if (g->events == MAX_EVENTS || !scaled(line, ms, &at))
		return "at: <gpu> <ms> <event>, at most 64 for a GPU";
	const char *kind = word(line);
	for (int k = 0; k < (int)(sizeof kinds / sizeof *kinds); k++) {
		if (strcmp(kind, kinds[k]))
			continue;
		int i = g->events++;
		for (; i > 0 && g->event[i - 1].at > at; i--)
			g->event[i] = g->event[i - 1];
		g->event[i] = (struct event){at, k};
		return NULL;
	}
	return "at: the event is reset, lost, back, detach, attach, hang or unhang";
}

static const char *read_process(struct gpu *g, char **line)
{
	uint64_t pid, sm, memory;
	struct process *p = &g->process[g->processes];
	if (g->processes == MAX_PROCESSES || !whole(line, &pid) || !whole(line, &sm) || !whole(line, &memory) ||
	    !scaled(line, ms, &p->start) || !scaled(line, ms, &p->end))
		return "proc: <gpu> <pid> <sm %> <memory bytes> <start ms> <end ms>, at most 64 for a GPU";
	p->pid = (uint32_t)pid, p->sm = (uint32_t)sm, p->memory = memory;
	g->processes++;
	return NULL;
}

static const char *read_clock(struct scenario *s, const char *path)
{
	struct stat info;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return "clock: the file cannot be opened";
	bool short_file = fstat(file, &info) || info.st_size < (off_t)sizeof *s->clock;
	void *page = short_file ? MAP_FAILED : mmap(NULL, sizeof *s->clock, PROT_READ, MAP_SHARED, file, 0);
	close(file);
	if (page == MAP_FAILED)
		return "clock: the file has no 8 bytes that can be mapped";
	s->clock = page;
	return NULL;
}

static const char *read_line(struct scenario *s, char **line)
{
	const char *key = word(line);
	int64_t value;
	uint64_t number;
	if (!strcmp(key, "clock"))
		return s->clock ? "clock: given twice" : read_clock(s, word(line));
	if (!strcmp(key, "epoch")) {
		s->has_epoch = whole(line, &number);
		s->epoch = (int64_t)number;
		return s->has_epoch ? NULL : "epoch: <ns since 1970>";
	}
	if (!strcmp(key, "unsupported")) {
		const char *name = word(line);
		if (s->unsupported == MAX_UNSUPPORTED || !*name || strlen(name) >= sizeof *s->unsupported_name)
			return "unsupported: <symbol>, at most 64";
		strcpy(s->unsupported_name[s->unsupported++], name);
		return NULL;
	}
	if (!strcmp(key, "gpu"))
		return read_gpu(s, line);

	bool power = !strcmp(key, "power"), event = !strcmp(key, "at"), process = !strcmp(key, "proc"),
	     update = !strcmp(key, "update_ms"), limit = !strcmp(key, "limit"), memory = !strcmp(key, "memory"),
	     counter = !strcmp(key, "counter");
	if (!(power || event || process || update || limit || memory || counter))
		return "not a key of the scenario language";
	struct gpu *g = which(s, line);
	if (!g)
		return "no such gpu above this line";
	if (power)
		return read_power(g, line);
	if (event)
		return read_event(g, line);
	if (process)
		return read_process(g, line);
	if (update)
		return scaled(line, ms, &g->update) ? NULL : "update_ms: <gpu> <ms>";
	if (limit) {
		if (!scaled(line, watt, &value) || value > UINT32_MAX)
			return "limit: <gpu> <W>";
		g->limit = (uint32_t)value;
		return NULL;
	}
	return whole(line, memory ? &g->memory : &g->counter) ? NULL : "memory: <gpu> <bytes>, counter: <gpu> <mJ>";
}

// A # begins a comment only where a word could begin: paths may hold one.
static void end_at_comment(char *line)
{
	for (char *c = line; (c = strchr(c, '#')); c++) {
		if (c == line || c[-1] == ' ' || c[-1] == '\t') {
			*c = 0;
			return;
		}
	}
}

bool scenario_read(const char *path, struct scenario *s)
{
	char line[4096];
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	const char *problem = NULL;
	for (int number = 1; !problem && fgets(line, sizeof line, file); number++) {
		line[strcspn(line, "\n")] = 0;
		end_at_comment(line);
		char *rest = line + strspn(line, " \t");
		if (!*rest)
			continue;
		problem = read_line(s, &rest);
		if (!problem && rest[strspn(rest, " \t")])
			problem = "more words than the key takes";
		if (problem)
			fprintf(stderr, "fakenvml: %s:%d: %s\n", path, number, problem);
	}
	fclose(file);
	return !problem;
}

void scenario_free(struct scenario *s)
{
	if (s->clock)
		munmap((void *)s->clock, sizeof *s->clock);
	memset(s, 0, sizeof *s);
}

bool scenario_unsupported(const struct scenario *s, const char *name)
{
	for (int i = 0; i < s->unsupported; i++)
		if (!strcmp(s->unsupported_name[i], name))
			return true;
	return false;
}

int64_t scenario_now(const struct scenario *s, int64_t monotonic_start)
{
	struct timespec now;
	if (s->clock)
		return __atomic_load_n(s->clock, __ATOMIC_ACQUIRE);
	clock_gettime(s->has_epoch ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (s->has_epoch ? s->epoch : monotonic_start);
}

struct condition condition_at(const struct gpu *g, int64_t t)
{
	struct condition c = {.reset = -1};
	bool placed = false;
	for (int i = 0; i < g->events; i++) {
		const struct event *e = &g->event[i];
		// A GPU that is attached before it was ever detached was not there from the start.
		if (!placed && (e->kind == ATTACH || e->kind == DETACH)) {
			c.absent = e->kind == ATTACH;
			placed = true;
		}
		if (e->at > t)
			continue;
		switch (e->kind) {
		case RESET: c.reset = e->at; break;
		case LOST: c.lost = true; break;
		case BACK: c.lost = false; break;
		case DETACH: c.absent = true, c.generation++; break;
		case ATTACH: c.absent = false; break;
		case HANG: c.hung = true; break;
		case UNHANG: c.hung = false; break;
		}
	}
	return c;
}
