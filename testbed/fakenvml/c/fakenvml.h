// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef FAKENVML_H
#define FAKENVML_H

#include <stdbool.h>
#include <stdint.h>

enum { MAX_GPUS = 64, MAX_EVENTS = 64, MAX_PROCESSES = 64, MAX_UNSUPPORTED = 64 };

// Times are in ns and powers in mW. Their product is in pJ, and exact in 128 bits.
typedef __int128 picojoules;

struct waveform {
	enum { CONSTANT, SQUARE, SINE } shape;
	int64_t low, high, period, on;
};

struct event {
	int64_t at;
	enum { RESET, LOST, BACK, DETACH, ATTACH, HANG, UNHANG } kind;
};

struct process {
	uint32_t pid, sm;
	uint64_t memory;
	int64_t start, end;
};

struct gpu {
	char uuid[96], name[96];
	struct waveform power;
	int64_t update;
	uint32_t limit;
	uint64_t memory, counter;
	int events, processes;
	struct event event[MAX_EVENTS];
	struct process process[MAX_PROCESSES];
};

struct scenario {
	int gpus, unsupported;
	bool has_epoch;
	int64_t epoch;
	const volatile int64_t *clock;
	struct gpu gpu[MAX_GPUS];
	char unsupported_name[MAX_UNSUPPORTED][80];
};

// What the events have made of a GPU at a time.
struct condition {
	bool absent, lost, hung;
	int generation; // how often it has been detached
	int64_t reset;  // when the counter last started at 0; -1 if it never did
};

// scenario_read returns false, with a line on stderr, if the file cannot be used.
bool scenario_read(const char *path, struct scenario *s);
void scenario_free(struct scenario *s);
bool scenario_unsupported(const struct scenario *s, const char *name);
int64_t scenario_now(const struct scenario *s, int64_t monotonic_start);

struct condition condition_at(const struct gpu *g, int64_t t);

// energy is the exact integral of the power over [0, t].
picojoules energy(const struct waveform *w, int64_t t);
// power is the value of the waveform at t, in mW.
int64_t power(const struct waveform *w, int64_t t);
// mean_power is the mean over the second that ends at t, in mW.
int64_t mean_power(const struct waveform *w, int64_t t);
// last_update is when the GPU last published its sensors.
int64_t last_update(const struct gpu *g, int64_t t);
// published_energy is the counter in mJ as of the last update.
uint64_t published_energy(const struct gpu *g, int64_t t);

#endif
