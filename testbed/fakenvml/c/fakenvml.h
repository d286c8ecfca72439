// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// What a scenario holds, and what follows from it at a time. Nothing here knows of NVML's functions.

#ifndef FAKENVML_H
#define FAKENVML_H

#include <stdbool.h>
#include <stdint.h>

enum {
	MAX_GPUS = 64,
	MAX_EVENTS = 256,
	MAX_PROCESSES = 1024,
	MAX_INSTANCES = 64,
	MAX_SLOTS = 7, // MIG devices that a GPU can have at a time
	MAX_REASONS = 16,
	MAX_SYMBOLS = 64, // of a list
	MAX_FAULTS = 256,
	MAX_RELOADS = 16,
	MAX_RING = 100000,
	NAME_SIZE = 96,
};

static const int64_t second = 1000000000, millisecond = 1000000, microsecond = 1000;

// Times are in ns, powers in mW and SM shares in thousandths of a percent. The integral of a power is in
// pJ, and exact in 128 bits.
typedef __int128 picojoules;

struct point {
	int64_t at, value;
	picojoules twice; // the integral up to here, doubled: a linear trace has halves
};

struct trace {
	bool linear;
	int points;
	struct point point[];
};

struct waveform {
	enum { CONSTANT, SQUARE, SINE, TRACE } shape;
	int64_t low, high, period, on;
	struct trace *trace;
};

struct event {
	int64_t at;
	enum {
		RESET, LOST, BACK, DETACH, ATTACH, HANG, UNHANG,
		STUCK, UNSTUCK, RESUME, GLITCH, XID, MIG_ON, MIG_OFF, MIG_PENDING
	} kind;
	uint64_t value; // the number of an XID, the mJ of a GLITCH
	uint32_t gpu_instance, compute_instance;
};

struct process {
	uint32_t pid;
	enum process_kind { COMPUTE, GRAPHICS, MPS } kind;
	struct waveform sm;
	uint64_t memory;
	int64_t start, end;
	bool in_instance;
	uint32_t gpu_instance, compute_instance;
	int instance; // its position; -1 if it runs on the whole GPU
};

// A MIG device: a compute instance in a GPU instance.
struct instance {
	char uuid[NAME_SIZE];
	uint32_t gpu_instance, compute_instance, slices, sms;
	int64_t start, end;
	int slot;        // its index among the MIG devices of the GPU
	uint32_t gi_sms; // of all compute instances in its GPU instance when it starts
};

struct reason {
	uint64_t mask;
	int64_t start, end;
};

struct names {
	int count;
	char name[MAX_SYMBOLS][NAME_SIZE];
};

// How far the energy that a sensor sees has been added up.
struct progress {
	int64_t at;
	picojoules sum;
};

enum architecture { KEPLER = 2, MAXWELL, PASCAL, VOLTA, TURING, AMPERE, ADA, HOPPER, BLACKWELL };

struct gpu {
	char uuid[NAME_SIZE], name[NAME_SIZE];
	enum architecture architecture;
	uint32_t capability; // of CUDA: ten times the major number and the minor one
	bool averages; // publishes the mean of a second, as Ampere and later do, GA100 excepted
	struct waveform power, module, memory_power;
	bool has_module, has_memory_power, counts_module, counts_sensor;
	struct progress *seen; // if it counts_sensor
	bool has_gpm, gpm;
	int64_t update, window; // the window is 0 if the sensor looks all the time
	int64_t sample_spacing, sample_ring;
	int64_t util_period, util_lag;
	int64_t garbage_start, garbage_end;
	int64_t temperature; // -1: by the power
	uint32_t limit, module_id, sms, graphics_clock, memory_clock, encoder, decoder;
	uint32_t gain; // of the counter, in ppm
	bool wide_process_info;
	uint64_t memory, counter;
	struct names growing;
	int events, processes, instances, reasons;
	struct event event[MAX_EVENTS];
	struct process process[MAX_PROCESSES];
	struct instance instance[MAX_INSTANCES];
	struct reason reason[MAX_REASONS];
};

struct fault {
	int gpu; // -1: all, and what belongs to none
	char symbol[NAME_SIZE];
	enum { FAIL, BLOCK, DELAY } kind;
	int code;
	int64_t start, end, delay;
};

struct scenario {
	int references;
	int gpus, faults, reloads;
	bool has_epoch;
	int64_t epoch;
	int64_t monotonic_start, wall_start; // time 0 if there is no clock and no epoch
	int64_t mismatch;                    // -1: never
	const volatile int64_t *clock;
	char driver[80];
	struct names unsupported;
	struct { int64_t at, until; } reload[MAX_RELOADS];
	struct fault fault[MAX_FAULTS];
	struct gpu gpu[MAX_GPUS];
};

// scenario_read returns NULL, with a line on stderr, if the file cannot be used.
struct scenario *scenario_read(const char *path);
void scenario_free(struct scenario *s);
int64_t scenario_now(const struct scenario *s);
// scenario_wall is the Unix time in µs at the time t of the scenario.
uint64_t scenario_wall(const struct scenario *s, int64_t t);
bool scenario_reloading(const struct scenario *s, int64_t t);
bool listed(const struct names *n, const char *name);
// fault_at is the first fault of that kind that the symbol has at t; NULL if there is none.
const struct fault *fault_at(const struct scenario *s, int gpu, const char *symbol, int kind, int64_t t);

// What the events have made of a GPU at a time.
struct condition {
	bool absent, lost, hung, mig, mig_pending;
	int generation;     // how often its handles have become stale
	int mig_generation; // and those of its MIG devices
};

struct condition condition_at(const struct scenario *s, const struct gpu *g, int64_t t);
bool instance_live(const struct instance *i, int64_t t);
// memory_slices is how many eighths of the memory the instance has.
uint32_t memory_slices(const struct instance *i);

// energy is the exact integral of the waveform over [0, t].
picojoules energy(const struct waveform *w, int64_t t);
// power is the value of the waveform at t.
int64_t power(const struct waveform *w, int64_t t);
// mean_power is the mean over the window that ends at t.
int64_t mean_power(const struct waveform *w, int64_t t, int64_t window);

// last_update is when the GPU last published its sensors.
int64_t last_update(const struct gpu *g, int64_t t);
// instant_power and average_power are what the sensor says of the waveform at the update u.
int64_t instant_power(const struct gpu *g, const struct waveform *w, int64_t u);
int64_t average_power(const struct gpu *g, const struct waveform *w, int64_t u);
// published_energy is the counter in mJ as of the last update.
uint64_t published_energy(const struct scenario *s, const struct gpu *g, int64_t t);
// module_energy is the energy of the module in mJ, without any of the counter's faults.
uint64_t module_energy(const struct gpu *g, int64_t t);

// sm_time is the integral of the SM share of the process over [from, to].
picojoules sm_time(const struct process *p, int64_t from, int64_t to);
bool running(const struct process *p, int64_t t);

#endif
