// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The scenario language. README.md documents it.

#include "scenario.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const double ms = 1e6;

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
	g->architecture = HOPPER, g->capability = 90, g->averages = true;
	g->update = 100 * millisecond;
	g->sample_spacing = 20 * millisecond, g->sample_ring = 120;
	g->util_period = second;
	g->limit = 700000, g->memory = 80ULL << 30, g->gain = 1000000, g->sms = 132;
	g->graphics_clock = 1980, g->memory_clock = 2619, g->temperature = -1;
	const char *uuid = word(line), *name = *line + strspn(*line, " \t");
	if (!*uuid || !*name || strlen(uuid) >= sizeof g->uuid || strlen(name) >= sizeof g->name)
		return "gpu: <index> <uuid> <name>";
	strcpy(g->uuid, uuid);
	strcpy(g->name, name);
	*line += strlen(*line);
	s->gpus++;
	return NULL;
}

static const char *read_clock(struct scenario *s, char **line)
{
	struct stat info;
	if (s->clock)
		return "clock: given twice";
	int file = open(word(line), O_RDONLY | O_CLOEXEC);
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

static const char *read_epoch(struct scenario *s, char **line)
{
	uint64_t number;
	s->has_epoch = whole(line, &number);
	s->epoch = (int64_t)number;
	return s->has_epoch ? NULL : "epoch: <ns since 1970>";
}

static const char *read_unsupported(struct scenario *s, char **line)
{
	struct names *n = &s->unsupported;
	if (n->count == MAX_SYMBOLS || !name_of(line, n->name[n->count], NAME_SIZE))
		return "unsupported: <symbol>, at most 64";
	n->count++;
	return NULL;
}

static const char *read_driver(struct scenario *s, char **line)
{
	return name_of(line, s->driver, sizeof s->driver) ? NULL : "driver: <version>";
}

static const char *read_mismatch(struct scenario *s, char **line)
{
	return scaled(line, ms, &s->mismatch) ? NULL : "driver_mismatch: <ms>";
}

static const char *read_reload(struct scenario *s, char **line)
{
	int64_t at, until;
	if (s->reloads == MAX_RELOADS || !scaled(line, ms, &at))
		return "reload: <ms> [<until ms>], at most 16";
	until = at;
	if (!at_end(line) && !scaled(line, ms, &until))
		return "reload: <ms> [<until ms>], at most 16";
	int i = s->reloads++;
	for (; i > 0 && s->reload[i - 1].at > at; i--)
		s->reload[i] = s->reload[i - 1];
	s->reload[i].at = at, s->reload[i].until = until;
	return NULL;
}

// read_fault begins a fault of a symbol on one GPU, or with * on all and on what belongs to none.
static const char *read_fault(struct scenario *s, char **line, struct fault **fault)
{
	if (s->faults == MAX_FAULTS)
		return "fail, latency: at most 256";
	struct fault *f = *fault = &s->fault[s->faults];
	*line += strspn(*line, " \t");
	bool all = **line == '*';
	struct gpu *g = all ? NULL : which(s, line);
	if (all)
		word(line);
	else if (!g)
		return "no such gpu above this line";
	f->gpu = all ? -1 : (int)(g - s->gpu);
	return name_of(line, f->symbol, NAME_SIZE) ? NULL : "fail, latency: the symbol is missing";
}

static const char *read_fail(struct scenario *s, char **line)
{
	static const char usage[] = "fail: <gpu|*> <symbol|*> <code|hang> <start ms> <end ms>";
	struct fault *f;
	uint32_t code = 0;
	const char *problem = read_fault(s, line, &f);
	if (problem)
		return problem;
	*line += strspn(*line, " \t");
	bool hang = !strncmp(*line, "hang", 4);
	if (hang)
		word(line);
	if ((!hang && !whole32(line, &code)) || !scaled(line, ms, &f->start) || !scaled(line, ms, &f->end))
		return usage;
	f->kind = hang ? BLOCK : FAIL;
	f->code = (int)code;
	s->faults++;
	return NULL;
}

static const char *read_latency(struct scenario *s, char **line)
{
	struct fault *f;
	const char *problem = read_fault(s, line, &f);
	if (problem)
		return problem;
	if (!scaled(line, 1e3, &f->delay))
		return "latency: <gpu|*> <symbol|*> <us>";
	f->kind = DELAY;
	f->start = INT64_MIN, f->end = INT64_MAX;
	s->faults++;
	return NULL;
}

static const struct {
	const char *key;
	const char *(*read)(struct scenario *s, char **line);
} statements[] = {
	{"gpu", read_gpu},
	{"clock", read_clock},
	{"epoch", read_epoch},
	{"unsupported", read_unsupported},
	{"driver", read_driver},
	{"driver_mismatch", read_mismatch},
	{"reload", read_reload},
	{"fail", read_fail},
	{"latency", read_latency},
};

static const char *read_line(struct scenario *s, char **line)
{
	const char *key = word(line);
	for (unsigned i = 0; i < sizeof statements / sizeof *statements; i++)
		if (!strcmp(statements[i].key, key))
			return statements[i].read(s, line);
	const struct gpu_statement *const lists[] = {sensor_statements, load_statements};
	for (int l = 0; l < 2; l++) {
		for (const struct gpu_statement *k = lists[l]; k->key; k++) {
			if (strcmp(k->key, key))
				continue;
			struct gpu *g = which(s, line);
			return g ? k->read(g, line) : "no such gpu above this line";
		}
	}
	return "not a key of the scenario language";
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

static bool read_lines(FILE *file, const char *path, struct scenario *s)
{
	char line[4096];
	for (int number = 1; fgets(line, sizeof line, file); number++) {
		line[strcspn(line, "\n")] = 0;
		end_at_comment(line);
		char *rest = line;
		if (at_end(&rest))
			continue;
		const char *problem = read_line(s, &rest);
		if (!problem && !at_end(&rest))
			problem = "more words than the key takes";
		if (problem) {
			fprintf(stderr, "fakenvml: %s:%d: %s\n", path, number, problem);
			return false;
		}
	}
	for (int i = 0; i < s->gpus; i++) {
		const char *problem = settle(&s->gpu[i]);
		if (problem) {
			fprintf(stderr, "fakenvml: %s: gpu %d: %s\n", path, i, problem);
			return false;
		}
	}
	return true;
}

struct scenario *scenario_read(const char *path)
{
	FILE *file = fopen(path, "re");
	struct scenario *s = file ? calloc(1, sizeof *s) : NULL;
	bool good = false;
	if (s) {
		s->mismatch = -1;
		strcpy(s->driver, "580.0.0-fakenvml");
		good = read_lines(file, path, s);
	}
	if (file)
		fclose(file);
	if (good)
		return s;
	scenario_free(s);
	return NULL;
}

void scenario_free(struct scenario *s)
{
	if (!s)
		return;
	if (s->clock)
		munmap((void *)s->clock, sizeof *s->clock);
	for (int i = 0; i < s->gpus; i++) {
		struct gpu *g = &s->gpu[i];
		free(g->power.trace);
		free(g->module.trace);
		free(g->memory_power.trace);
		free(g->seen);
		for (int p = 0; p < g->processes; p++)
			free(g->process[p].sm.trace);
	}
	free(s);
}
