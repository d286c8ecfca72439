// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Statements on what a GPU is and how it measures.

#include "scenario.h"

#include <stddef.h>

static const double ms = 1e6, watt = 1e3;

static const char *read_power(struct gpu *g, char **line) { return waveform_read(line, &g->power); }

static const char *read_module(struct gpu *g, char **line)
{
	g->has_module = true;
	return waveform_read(line, &g->module);
}

static const char *read_memory_power(struct gpu *g, char **line)
{
	g->has_memory_power = true;
	return waveform_read(line, &g->memory_power);
}

static const char *read_update(struct gpu *g, char **line)
{
	return scaled(line, ms, &g->update) ? NULL : "update_ms: <gpu> <ms>";
}

static const char *read_limit(struct gpu *g, char **line)
{
	int64_t value;
	if (!scaled(line, watt, &value) || value > UINT32_MAX)
		return "limit: <gpu> <W>";
	g->limit = (uint32_t)value;
	return NULL;
}

static const char *read_memory(struct gpu *g, char **line)
{
	return whole(line, &g->memory) ? NULL : "memory: <gpu> <bytes>";
}

static const char *read_counter(struct gpu *g, char **line)
{
	return whole(line, &g->counter) ? NULL : "counter: <gpu> <mJ>";
}

static const char *read_counter_scope(struct gpu *g, char **line)
{
	static const char *const scopes[] = {"gpu", "module", NULL};
	int scope = choice(line, scopes);
	g->counts_module = scope == 1;
	return scope >= 0 ? NULL : "counter_scope: <gpu> gpu|module";
}

static const char *read_counter_source(struct gpu *g, char **line)
{
	static const char *const sources[] = {"power", "sensor", NULL};
	int source = choice(line, sources);
	g->counts_sensor = source == 1;
	return source >= 0 ? NULL : "counter_source: <gpu> power|sensor";
}

static const char *read_counter_gain(struct gpu *g, char **line)
{
	int64_t gain;
	if (!scaled(line, 1e6, &gain) || gain > 1000000000)
		return "counter_gain: <gpu> <factor up to 1000>";
	g->gain = (uint32_t)gain;
	return NULL;
}

static const char *read_sensor(struct gpu *g, char **line)
{
	return scaled(line, ms, &g->window) && g->window > 0 ? NULL : "sensor: <gpu> <window ms>";
}

static const char *read_samples(struct gpu *g, char **line)
{
	uint64_t size;
	if (!scaled(line, ms, &g->sample_spacing) || g->sample_spacing < microsecond || !whole(line, &size) || !size ||
	    size > MAX_RING)
		return "samples: <gpu> <spacing ms> <ring size, 1 to 100000>";
	g->sample_ring = (int64_t)size;
	return NULL;
}

static const char *read_architecture(struct gpu *g, char **line)
{
	static const char *const words[] = {
		"kepler", "maxwell", "pascal", "volta", "turing", "ga100", "ampere", "ada", "hopper", "blackwell", NULL};
	static const enum architecture values[] = {
		KEPLER, MAXWELL, PASCAL, VOLTA, TURING, AMPERE, AMPERE, ADA, HOPPER, BLACKWELL};
	static const uint32_t capabilities[] = {35, 52, 60, 70, 75, 80, 86, 89, 90, 100};
	int i = choice(line, words);
	if (i < 0)
		return "arch: kepler, maxwell, pascal, volta, turing, ga100, ampere, ada, hopper or blackwell";
	g->architecture = values[i];
	g->capability = capabilities[i];
	g->averages = capabilities[i] > 80;
	return NULL;
}

static const char *read_module_id(struct gpu *g, char **line)
{
	return whole32(line, &g->module_id) ? NULL : "module_id: <gpu> <number>";
}

static const char *read_sms(struct gpu *g, char **line)
{
	return whole32(line, &g->sms) && g->sms ? NULL : "sms: <gpu> <number, at least 1>";
}

static const char *read_gpm(struct gpu *g, char **line)
{
	static const char *const words[] = {"off", "on", NULL};
	int on = choice(line, words);
	g->has_gpm = true;
	g->gpm = on == 1;
	return on >= 0 ? NULL : "gpm: <gpu> on|off";
}

static const char *read_clocks(struct gpu *g, char **line)
{
	bool good = whole32(line, &g->graphics_clock) && whole32(line, &g->memory_clock);
	return good ? NULL : "clocks: <gpu> <graphics MHz> <memory MHz>";
}

static const char *read_codec(struct gpu *g, char **line)
{
	bool good = whole32(line, &g->encoder) && whole32(line, &g->decoder);
	return good ? NULL : "codec: <gpu> <encoder %> <decoder %>";
}

static const char *read_temperature(struct gpu *g, char **line)
{
	bool good = scaled(line, 1, &g->temperature) && g->temperature < 1000;
	return good ? NULL : "temperature: <gpu> <Celsius>";
}

static const char *read_reasons(struct gpu *g, char **line)
{
	struct reason *r = &g->reason[g->reasons];
	if (g->reasons == MAX_REASONS || !whole(line, &r->mask) || !scaled(line, ms, &r->start) || !scaled(line, ms, &r->end))
		return "reasons: <gpu> <mask> <start ms> <end ms>, at most 16 for a GPU";
	g->reasons++;
	return NULL;
}

const struct gpu_statement sensor_statements[] = {
	{"power", read_power},
	{"module", read_module},
	{"memory_power", read_memory_power},
	{"update_ms", read_update},
	{"limit", read_limit},
	{"memory", read_memory},
	{"counter", read_counter},
	{"counter_scope", read_counter_scope},
	{"counter_source", read_counter_source},
	{"counter_gain", read_counter_gain},
	{"sensor", read_sensor},
	{"samples", read_samples},
	{"arch", read_architecture},
	{"module_id", read_module_id},
	{"sms", read_sms},
	{"gpm", read_gpm},
	{"clocks", read_clocks},
	{"codec", read_codec},
	{"temperature", read_temperature},
	{"reasons", read_reasons},
	{0},
};
