// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// A GPU for tests: libcuda.so.1, whose kernels take the time that they should and do nothing, and, with
// -DNVML, a libnvidia-ml.so.1 whose power and processes are those of the kernels, in whatever process they
// run. What they share is in the file named by FAKEGPU. FAKEGPU_WINDOW_MS makes the sensor see only the
// first part of each 100 ms.

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { MOST = 1 << 18, UPDATE = 100000000, LOW = 100, HIGH = 650 };

struct machine {
	atomic_flag lock;
	int64_t born, free_at; // ns
	int count;
	struct { int pid; int64_t from, to; } work[MOST];
	int pid[256], worked[256], pids; // worked stay when the process is gone
};

static struct machine *machine;

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_machine(void)
{
	const char *path = getenv("FAKEGPU");
	int file = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;
	if (file < 0 || ftruncate(file, sizeof *machine))
		return 0;
	machine = mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (machine == MAP_FAILED)
		return 0;
	if (!machine->born)
		machine->born = now();
	return 1;
}

static void lock(void)
{
	while (atomic_flag_test_and_set(&machine->lock))
		usleep(10);
}

static void unlock(void) { atomic_flag_clear(&machine->lock); }

// CUDA

typedef int64_t *event;
static int64_t last; // when the stream of this process has done all

EXPORT int cuInit(unsigned flags) { return flags || !open_machine() ? 100 : 0; }
EXPORT int cuGetErrorName(int error, const char **name) { return *name = error == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_UNKNOWN", 0; }
EXPORT int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
EXPORT int cuDeviceGetCount(int *count) { return *count = 1, 0; }
EXPORT int cuDeviceGet(int *device, int ordinal) { return *device = 0, ordinal ? 101 : 0; }
EXPORT int cuDeviceGetName(char *name, int length, int device) { return snprintf(name, length, "Fake GPU %d", device), 0; }
EXPORT int cuDeviceGetUuid(unsigned char *uuid, int device) { return memset(uuid, device, 16), 0; }
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) { return *value = 4, attribute != 16 || device; }

EXPORT int cuDevicePrimaryCtxRetain(void **context, int device)
{
	(void)device;
	lock();
	*context = machine;
	machine->worked[machine->pids % 256] = machine->pid[machine->pids % 256] = getpid();
	machine->pids++;
	unlock();
	return 0;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device)
{
	lock();
	for (int i = 0; i < 256; i++)
		if (machine->pid[i] == getpid())
			machine->pid[i] = 0;
	unlock();
	return device;
}

EXPORT int cuCtxSetCurrent(void *context) { return !context; }
EXPORT int cuModuleLoadData(void **module, const void *image) { return *module = machine, !strstr(image, ".visible .entry burn"); }
EXPORT int cuModuleGetFunction(void **function, void *module, const char *name) { return *function = (void *)(intptr_t)(strcmp(name, "burn") ? 2 : 1), !module; }
EXPORT int cuMemAlloc_v2(unsigned long long *memory, size_t bytes) { return *memory = bytes, 0; }
EXPORT int cuMemFree_v2(unsigned long long memory) { return !memory; }
EXPORT int cuStreamCreate(void **stream, unsigned flags) { return *stream = machine, flags != 1; }
EXPORT int cuEventCreate(void **e, unsigned flags) { return *e = calloc(1, sizeof(int64_t)), flags != 1; }
EXPORT int cuEventRecord(event e, void *stream) { return *e = last > now() ? last : now(), !stream; }
EXPORT int cuEventElapsedTime(float *ms, event from, event to) { return *ms = (float)(*to - *from) / 1e6f, 0; }

EXPORT int cuEventSynchronize(event e)
{
	struct timespec until = {*e / 1000000000, *e % 1000000000};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
		;
	return 0;
}

// Kernels of all processes run one after the other.
EXPORT int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
			  unsigned shared, void *stream, void **parameters, void **extra)
{
	(void)gx, (void)gy, (void)gz, (void)bx, (void)by, (void)bz, (void)shared, (void)stream, (void)extra;
	int64_t each = function == (void *)1 ? 1000 : 100000; // ns
	int64_t takes = each * (int64_t)*(unsigned long long *)parameters[2];
	lock();
	int64_t from = now();
	if (from < last)
		from = last;
	if (from < machine->free_at)
		from = machine->free_at;
	last = machine->free_at = from + takes;
	int i = machine->count;
	if (i < MOST) {
		machine->work[i].pid = getpid(), machine->work[i].from = from, machine->work[i].to = last;
		machine->count = i + 1;
	}
	unlock();
	return i == MOST;
}

#ifdef NVML

enum { NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, HISTORY = 64 };

static int64_t busy(int64_t from, int64_t to, int pid)
{
	int64_t sum = 0;
	// Work is in the order of its beginning, and no kernel is longer than a second.
	for (int i = machine->count; i-- > 0 && machine->work[i].from > from - 1000000000;) {
		int64_t a = machine->work[i].from, b = machine->work[i].to;
		a = a > from ? a : from, b = b < to ? b : to;
		if (b > a && (!pid || pid == machine->work[i].pid))
			sum += b - a;
	}
	return sum;
}

static double energy[HISTORY]; // mJ, at the last updates
static int64_t updates;

// advance brings the sensor to the present.
static void advance(void)
{
	static int64_t window;
	if (!window)
		window = getenv("FAKEGPU_WINDOW_MS") ? atoi(getenv("FAKEGPU_WINDOW_MS")) * 1000000LL : UPDATE;
	for (; machine->born + (updates + 1) * UPDATE <= now(); updates++) {
		int64_t from = machine->born + updates * UPDATE;
		double share = (double)busy(from, from + window, 0) / (double)window;
		energy[(updates + 1) % HISTORY] = energy[updates % HISTORY] + (LOW + (HIGH - LOW) * share) * UPDATE / 1e6;
	}
}

static unsigned power(int64_t at) { return busy(at, at + 1000000, 0) ? HIGH * 1000 : LOW * 1000; }

static unsigned average(void)
{
	int64_t seen = updates < 10 ? updates : 10;
	return seen ? (unsigned)((energy[updates % HISTORY] - energy[(updates - seen) % HISTORY]) / (double)seen * 10) : 0;
}

static int64_t wall(int64_t at) // us
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + (at - now()) / 1000;
}

EXPORT int nvmlInit_v2(void) { return machine || open_machine() ? 0 : 9; }
EXPORT int nvmlShutdown(void) { return 0; }
EXPORT int nvmlDeviceGetCount_v2(unsigned *count) { return *count = 1, 0; }
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { return *device = machine, index ? 2 : 0; }
EXPORT int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) { return (void)device, snprintf(uuid, length, "GPU-00000000-0000-0000-0000-000000000000"), 0; }
EXPORT int nvmlDeviceGetName(void *device, char *name, unsigned length) { return (void)device, snprintf(name, length, "Fake GPU"), 0; }

EXPORT int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *mJ)
{
	(void)device;
	lock();
	advance();
	*mJ = (unsigned long long)energy[updates % HISTORY];
	unlock();
	return 0;
}

EXPORT int nvmlDeviceGetPowerUsage(void *device, unsigned *mW)
{
	(void)device;
	lock();
	advance();
	*mW = average();
	unlock();
	return 0;
}

struct field { unsigned id, scope; long long at, latency; unsigned type; int result; unsigned long long value; };

EXPORT int nvmlDeviceGetFieldValues(void *device, int count, struct field *f)
{
	(void)device;
	lock();
	advance();
	for (int i = 0; i < count; i++) {
		f[i].at = wall(machine->born + updates * UPDATE), f[i].latency = 0, f[i].type = 3;
		f[i].result = f[i].scope || (f[i].id != 83 && f[i].id != 185 && f[i].id != 186) ? NOT_SUPPORTED : 0;
		f[i].value = f[i].id == 83 ? (unsigned long long)energy[updates % HISTORY] : f[i].id == 185 ? average() : power(machine->born + updates * UPDATE);
	}
	unlock();
	return 0;
}

struct process_sample { unsigned pid; unsigned long long at; unsigned sm, memory, encoder, decoder; };

// A sample each 200 ms, for each process that worked, as far back as 2 s.
EXPORT int nvmlDeviceGetProcessUtilization(void *device, struct process_sample *s, unsigned *count, unsigned long long since)
{
	const int64_t spacing = 200000000;
	unsigned n = 0;
	(void)device;
	if (!s)
		return *count = 100, INSUFFICIENT_SIZE;
	lock();
	int64_t newest = now() / spacing * spacing;
	for (int64_t to = newest - 9 * spacing; to <= newest; to += spacing)
		for (int i = 0; i < 256; i++) {
			int64_t at = wall(to);
			int64_t part = machine->worked[i] ? busy(to - spacing, to, machine->worked[i]) : 0;
			// The clocks are read one after the other, so that the time of a sample varies by some us.
			if (part && at > (int64_t)since + 1000 && n < *count)
				s[n++] = (struct process_sample){machine->worked[i], at, (unsigned)(100 * part / spacing), 0, 0, 0};
		}
	unlock();
	*count = n;
	return n ? 0 : NOT_FOUND;
}

struct process { unsigned pid; unsigned long long memory; unsigned gi, ci; };

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *p)
{
	unsigned n = 0, room = *count;
	(void)device;
	lock();
	for (int i = 0; i < 256; i++)
		if (machine->pid[i] && !kill(machine->pid[i], 0)) {
			if (p && n < room)
				p[n] = (struct process){machine->pid[i], 1 << 20, ~0u, ~0u};
			n++;
		}
	unlock();
	*count = n;
	return n > room ? INSUFFICIENT_SIZE : 0;
}

#endif
