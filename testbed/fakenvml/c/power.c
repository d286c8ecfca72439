// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Power and energy, which only the GPU itself has.

#include "call.h"

#include <stdio.h>

typedef union { double d; unsigned ui; unsigned long long ull; } nvmlValue_t;
typedef struct { unsigned long long timestamp; nvmlValue_t value; } nvmlSample_t;
typedef struct {
	unsigned field, scope;
	long long timestamp, latency;
	unsigned type;
	nvmlReturn_t result;
	nvmlValue_t value;
} nvmlFieldValue_t;

_Static_assert(sizeof(nvmlSample_t) == 16, "nvmlSample_t");
_Static_assert(sizeof(nvmlFieldValue_t) == 40, "nvmlFieldValue_t");

enum { UNSIGNED_INT = 1, UNSIGNED_LONG_LONG = 3 };
enum { SCOPE_GPU, SCOPE_MODULE, SCOPE_MEMORY };

NVML nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy)
{
	LOOK_GPU(nvmlDeviceGetTotalEnergyConsumption);
	if (v.gpu->architecture < VOLTA)
		return NOT_SUPPORTED;
	*energy = published_energy(v.scenario, v.gpu, v.now);
	return SUCCESS;
}

NVML nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts)
{
	LOOK_GPU(nvmlDeviceGetPowerUsage);
	*milliwatts = (unsigned)average_power(v.gpu, &v.gpu->power, last_update(v.gpu, v.now));
	return SUCCESS;
}

NVML nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned *limit)
{
	LOOK_GPU(nvmlDeviceGetEnforcedPowerLimit);
	*limit = v.gpu->limit;
	return SUCCESS;
}

NVML nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned *least, unsigned *most)
{
	LOOK_GPU(nvmlDeviceGetPowerManagementLimitConstraints);
	*least = v.gpu->limit / 4;
	*most = v.gpu->limit;
	return SUCCESS;
}

// scoped is the waveform that a scope measures; NULL if nothing does.
static const struct waveform *scoped(const struct gpu *g, unsigned scope)
{
	switch (scope) {
	case SCOPE_GPU: return &g->power;
	case SCOPE_MODULE: return g->has_module ? &g->module : NULL;
	case SCOPE_MEMORY: return g->has_memory_power ? &g->memory_power : NULL;
	}
	return NULL;
}

static nvmlReturn_t energy_field(const struct view *v, nvmlFieldValue_t *f)
{
	if (v->gpu->architecture < VOLTA || f->scope > SCOPE_MODULE)
		return NOT_SUPPORTED;
	f->type = UNSIGNED_LONG_LONG;
	f->value.ull = f->scope == SCOPE_GPU ? published_energy(v->scenario, v->gpu, v->now) : module_energy(v->gpu, v->now);
	return SUCCESS;
}

static nvmlReturn_t field(const struct view *v, nvmlFieldValue_t *f)
{
	const struct gpu *g = v->gpu;
	const struct waveform *w = scoped(g, f->scope);
	int64_t update = last_update(g, v->now);
	if (!w)
		return NOT_SUPPORTED;
	f->type = UNSIGNED_INT;
	switch (f->field) {
	case 83: case 191: // NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, NVML_FI_DEV_ENERGY
		return energy_field(v, f);
	case 185: // NVML_FI_DEV_POWER_AVERAGE
		f->value.ui = (unsigned)average_power(g, w, update);
		return g->averages ? SUCCESS : NOT_SUPPORTED;
	case 186: // NVML_FI_DEV_POWER_INSTANT
		f->value.ui = (unsigned)instant_power(g, w, update);
		return SUCCESS;
	case 187: // NVML_FI_DEV_POWER_MIN_LIMIT
		f->value.ui = g->limit / 4;
		return f->scope ? NOT_SUPPORTED : SUCCESS;
	case 188: case 189: case 190: case 192: // the greatest, default, current and requested limit
		f->value.ui = g->limit;
		return f->scope ? NOT_SUPPORTED : SUCCESS;
	}
	return NOT_SUPPORTED;
}

NVML nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	LOOK_GPU(nvmlDeviceGetFieldValues);
	if (count < 1 || !values)
		return INVALID_ARGUMENT;
	for (int i = 0; i < count; i++) {
		nvmlFieldValue_t *f = &values[i];
		char plain[32], with_scope[48];
		snprintf(plain, sizeof plain, "field:%u", f->field);
		snprintf(with_scope, sizeof with_scope, "field:%u:%u", f->field, f->scope);
		f->timestamp = (long long)scenario_wall(v.scenario, last_update(v.gpu, v.now));
		f->latency = 0;
		f->value.ull = 0;
		calls_count(plain);
		f->result = scripted(&v, plain);
		if (!f->result)
			f->result = scripted(&v, with_scope);
		if (!f->result)
			f->result = field(&v, f);
	}
	return SUCCESS;
}

// The ring holds a sample of the power at each multiple of the spacing.
NVML nvmlDeviceGetSamples(nvmlDevice_t device, unsigned type, unsigned long long last_seen, unsigned *value_type,
	unsigned *count, nvmlSample_t *samples)
{
	LOOK_GPU(nvmlDeviceGetSamples);
	const struct gpu *g = v.gpu;
	const struct waveform *w = scoped(g, type ? SCOPE_MODULE : SCOPE_GPU);
	if (!count || !value_type || type > 9 || (samples && !*count))
		return INVALID_ARGUMENT;
	if ((type != 0 && type != 7) || !w) // NVML_TOTAL_POWER_SAMPLES, NVML_MODULE_POWER_SAMPLES
		return NOT_SUPPORTED;
	*value_type = UNSIGNED_INT;
	int64_t newest = v.now / g->sample_spacing, n = newest - g->sample_ring + 1;
	n = n > 0 ? n : 0;
	while (n <= newest && scenario_wall(v.scenario, n * g->sample_spacing) <= last_seen)
		n++;
	if (n > newest)
		return NOT_FOUND;
	if (!samples) {
		*count = (unsigned)g->sample_ring;
		return SUCCESS;
	}
	unsigned room = *count, written = 0;
	for (; n <= newest && written < room; n++) {
		int64_t at = n * g->sample_spacing;
		samples[written].timestamp = scenario_wall(v.scenario, at);
		int64_t value = g->window ? instant_power(g, w, last_update(g, at)) : power(w, at);
		samples[written].value.ull = (unsigned long long)value;
		written++;
	}
	*count = written;
	return SUCCESS;
}
