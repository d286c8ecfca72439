// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Statements on what happens to a GPU and what runs on it.

#include "scenario.h"

#include <stdlib.h>

static const double ms = 1e6;

static bool instance_ids(char **line, uint32_t *gpu_instance, uint32_t *compute_instance)
{
	return whole32(line, gpu_instance) && whole32(line, compute_instance);
}

static const char *read_mig_event(struct event *e, char **line)
{
	static const char *const states[] = {"on", "off", "pending", NULL};
	int state = choice(line, states);
	if (state < 0)
		return "at: <gpu> <ms> mig on|off|pending";
	e->kind = (unsigned)(MIG_ON + state);
	return NULL;
}

static const char *read_event_words(struct event *e, char **line)
{
	static const char *const kinds[] = {
		"reset", "lost", "back", "detach", "attach", "hang", "unhang", "stuck", "unstuck", "resume", "glitch", "xid", "mig", NULL};
	int kind = choice(line, kinds);
	if (kind < 0)
		return "at: the event is reset, lost, back, detach, attach, hang, unhang, stuck, unstuck, resume, glitch, xid or mig";
	e->kind = (unsigned)kind;
	if (kind == MIG_ON)
		return read_mig_event(e, line);
	if ((kind == GLITCH || kind == XID) && !whole(line, &e->value))
		return "at: glitch takes mJ, xid a number";
	if (kind == XID && !at_end(line) && !instance_ids(line, &e->gpu_instance, &e->compute_instance))
		return "at: xid <number> [<gpu instance> <compute instance>]";
	return NULL;
}

static const char *read_event(struct gpu *g, char **line)
{
	struct event e = {.gpu_instance = ~0u, .compute_instance = ~0u};
	if (g->events == MAX_EVENTS || !scaled(line, ms, &e.at))
		return "at: <gpu> <ms> <event>, at most 256 for a GPU";
	const char *problem = read_event_words(&e, line);
	if (problem)
		return problem;
	int i = g->events++;
	for (; i > 0 && g->event[i - 1].at > e.at; i--)
		g->event[i] = g->event[i - 1];
	g->event[i] = e;
	return NULL;
}

static const char *read_process(struct gpu *g, char **line)
{
	static const char *const kinds[] = {"compute", "graphics", "mps", NULL};
	struct process p = {.instance = -1};
	if (g->processes == MAX_PROCESSES || !whole32(line, &p.pid) || !scaled(line, 1e3, &p.sm.high) ||
	    !whole(line, &p.memory) || !scaled(line, ms, &p.start) || !scaled(line, ms, &p.end))
		return "proc: <gpu> <pid> <sm %> <memory bytes> <start ms> <end ms> [<kind> [<gi> <ci>]], at most 1024 for a GPU";
	if (!at_end(line)) {
		int kind = choice(line, kinds);
		if (kind < 0)
			return "proc: the kind is compute, graphics or mps";
		p.kind = (unsigned)kind;
	}
	p.in_instance = !at_end(line);
	if (p.in_instance && !instance_ids(line, &p.gpu_instance, &p.compute_instance))
		return "proc: <kind> <gpu instance> <compute instance>";
	g->process[g->processes++] = p;
	return NULL;
}

static const char *read_sm(struct gpu *g, char **line)
{
	uint32_t pid;
	if (!whole32(line, &pid))
		return "sm: <gpu> <pid> <waveform in %>";
	for (int i = g->processes - 1; i >= 0; i--)
		if (g->process[i].pid == pid)
			return waveform_read(line, &g->process[i].sm);
	return "sm: no such process above this line";
}

static const char *read_instance(struct gpu *g, char **line)
{
	struct instance m = {.slot = -1};
	if (g->instances == MAX_INSTANCES || !instance_ids(line, &m.gpu_instance, &m.compute_instance) ||
	    !whole32(line, &m.slices) || !whole32(line, &m.sms) || !m.sms || !name_of(line, m.uuid, sizeof m.uuid) ||
	    !scaled(line, ms, &m.start) || !scaled(line, ms, &m.end))
		return "mig: <gpu> <gpu instance> <compute instance> <slices> <sms> <uuid> <start ms> <end ms>, at most 64 for a GPU";
	if (!m.slices || m.slices > MAX_SLOTS)
		return "mig: an instance has 1 to 7 slices";
	g->instance[g->instances++] = m;
	return NULL;
}

static const char *read_util(struct gpu *g, char **line)
{
	bool good = scaled(line, ms, &g->util_period) && g->util_period >= microsecond && scaled(line, ms, &g->util_lag);
	return good ? NULL : "util: <gpu> <period ms> <lag ms>";
}

static const char *read_garbage(struct gpu *g, char **line)
{
	static const char *const kinds[] = {"util", NULL};
	if (choice(line, kinds) < 0)
		return "garbage: <gpu> util [<start ms> <end ms>]";
	g->garbage_start = 0, g->garbage_end = INT64_MAX;
	if (!at_end(line) && (!scaled(line, ms, &g->garbage_start) || !scaled(line, ms, &g->garbage_end)))
		return "garbage: <gpu> util [<start ms> <end ms>]";
	return NULL;
}

static const char *read_grow(struct gpu *g, char **line)
{
	struct names *n = &g->growing;
	if (n->count == MAX_SYMBOLS || !name_of(line, n->name[n->count], NAME_SIZE))
		return "grow: <gpu> <symbol>, at most 64 for a GPU";
	n->count++;
	return NULL;
}

static const char *read_structsize(struct gpu *g, char **line)
{
	static const char *const sizes[] = {"24", "32", NULL};
	int size = choice(line, sizes);
	g->wide_process_info = size == 1;
	return size >= 0 ? NULL : "structsize: <gpu> 24|32";
}

const struct gpu_statement load_statements[] = {
	{"at", read_event},
	{"proc", read_process},
	{"sm", read_sm},
	{"mig", read_instance},
	{"util", read_util},
	{"garbage", read_garbage},
	{"grow", read_grow},
	{"structsize", read_structsize},
	{0},
};

// The instances take the lowest free slot, in the order of their beginnings: one that ends leaves a hole.
static const char *settle_instances(struct gpu *g)
{
	for (int placed = 0; placed < g->instances; placed++) {
		struct instance *next = NULL;
		for (int i = 0; i < g->instances; i++)
			if (g->instance[i].slot < 0 && (!next || g->instance[i].start < next->start))
				next = &g->instance[i];
		bool taken[MAX_SLOTS] = {0};
		for (int i = 0; i < g->instances; i++) {
			const struct instance *other = &g->instance[i];
			if (!instance_live(other, next->start))
				continue;
			if (other->gpu_instance == next->gpu_instance) {
				next->gi_sms += other->sms;
				if (other != next && other->compute_instance == next->compute_instance)
					return "mig: two instances have the same ids at a time";
			}
			if (other->slot >= 0)
				taken[other->slot] = true;
		}
		int slot = 0;
		while (slot < MAX_SLOTS && taken[slot])
			slot++;
		if (slot == MAX_SLOTS)
			return "mig: a GPU has at most 7 instances at a time";
		next->slot = slot;
		if (!next->gi_sms) // it never lives
			next->gi_sms = next->sms;
	}
	return NULL;
}

static const char *settle_process(const struct gpu *g, struct process *p)
{
	for (int i = 0; p->in_instance && p->instance < 0 && i < g->instances; i++) {
		const struct instance *m = &g->instance[i];
		if (m->gpu_instance == p->gpu_instance && m->compute_instance == p->compute_instance && instance_live(m, p->start))
			p->instance = i;
	}
	if (!p->in_instance)
		return NULL;
	if (p->instance < 0)
		return "proc: its instance is not there when it starts";
	if (p->end > g->instance[p->instance].end)
		p->end = g->instance[p->instance].end;
	return NULL;
}

const char *settle(struct gpu *g)
{
	if (g->window > g->update)
		return "sensor: the window is longer than update_ms";
	if (g->counts_sensor && !g->window)
		return "counter_source: the gpu has no sensor line";
	if (g->counts_module && !g->has_module)
		return "counter_scope: the gpu has no module line";
	if (g->counts_sensor && !(g->seen = calloc(1, sizeof *g->seen)))
		return "out of memory";
	const char *problem = settle_instances(g);
	for (int i = 0; !problem && i < g->processes; i++)
		problem = settle_process(g, &g->process[i]);
	return problem;
}
