// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// A program that uses the library through NVIDIA's own nvml.h, for a build with sanitizers. It reads the
// scenario of TestSanitized, and drives its clock.

#define NVML_NO_UNVERSIONED_FUNC_DEFS // the first versions as well
#include <nvml.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHECK(condition)                                                      \
	do {                                                                  \
		if (!(condition)) {                                           \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                              \
		}                                                             \
	} while (0)

static volatile int64_t *now;

static void at(double seconds) { *now = (int64_t)(seconds * 1e9); }

static nvmlDevice_t gpu(unsigned index)
{
	nvmlDevice_t d;
	CHECK(nvmlDeviceGetHandleByIndex_v2(index, &d) == NVML_SUCCESS);
	return d;
}

static void check_process_lists(void)
{
	nvmlDevice_t d = gpu(0);
	unsigned count = 0;
	CHECK(nvmlDeviceGetComputeRunningProcesses_v3(d, &count, NULL) == NVML_ERROR_INSUFFICIENT_SIZE && count == 3);
	// It grows once, so that a second try with what it then says is enough.
	nvmlProcessInfo_t *infos = malloc(count * sizeof *infos);
	CHECK(nvmlDeviceGetComputeRunningProcesses_v3(d, &count, infos) == NVML_ERROR_INSUFFICIENT_SIZE && count == 7);
	infos = realloc(infos, count * sizeof *infos);
	CHECK(nvmlDeviceGetComputeRunningProcesses_v3(d, &count, infos) == NVML_SUCCESS && count == 3);
	CHECK(infos[0].pid == 11 && infos[0].usedGpuMemory == 1 << 20 && infos[0].gpuInstanceId == ~0u && infos[2].pid == 13);
	free(infos);

	count = 0;
	CHECK(nvmlDeviceGetGraphicsRunningProcesses_v3(d, &count, NULL) == NVML_ERROR_INSUFFICIENT_SIZE && count == 1);
	nvmlProcessInfo_t one;
	CHECK(nvmlDeviceGetGraphicsRunningProcesses_v3(d, &count, &one) == NVML_SUCCESS && one.pid == 14);
	CHECK(nvmlDeviceGetMPSComputeRunningProcesses_v3(d, &count, &one) == NVML_SUCCESS && one.pid == 15);
	count = 1;
	CHECK(nvmlDeviceGetComputeRunningProcesses_v3(d, &count, NULL) == NVML_ERROR_INVALID_ARGUMENT);
}

// With entries of 32 bytes, the buffer holds three of five and a part: nothing is written behind it.
static void check_wide_process_list(void)
{
	unsigned count = 5;
	nvmlProcessInfo_t *infos = malloc(count * sizeof *infos);
	CHECK(nvmlDeviceGetComputeRunningProcesses_v3(gpu(1), &count, infos) == NVML_SUCCESS && count == 5);
	CHECK(infos[0].pid == 21 && infos[1].pid != 22);
	struct { nvmlProcessInfo_t info; unsigned long long protected; } *wide = (void *)infos;
	CHECK(wide[1].info.pid == 22 && wide[1].info.usedGpuMemory == 4096);
	CHECK(wide[2].info.pid == 23);
	free(infos);

	nvmlProcessInfo_v1_t *first = malloc(count * sizeof *first);
	CHECK(nvmlDeviceGetComputeRunningProcesses(gpu(1), &count, first) == NVML_SUCCESS && count == 5);
	CHECK(first[1].pid == 22 && first[1].usedGpuMemory == 4096 && first[2].pid == 23);
	free(first);
	nvmlProcessInfo_v2_t *second = malloc(count * sizeof *second);
	CHECK(nvmlDeviceGetComputeRunningProcesses_v2(gpu(1), &count, second) == NVML_SUCCESS && count == 5);
	CHECK(second[1].pid == 22 && second[2].pid == 23 && second[2].gpuInstanceId == ~0u);
	free(second);
}

static void check_utilization(void)
{
	nvmlDevice_t d = gpu(0);
	unsigned count = 0;
	CHECK(nvmlDeviceGetProcessUtilization(d, NULL, &count, 0) == NVML_ERROR_INSUFFICIENT_SIZE && count == 100);
	nvmlProcessUtilizationSample_t *samples = malloc(count * sizeof *samples);
	CHECK(nvmlDeviceGetProcessUtilization(d, samples, &count, 0) == NVML_ERROR_INSUFFICIENT_SIZE && count == 104);
	samples = realloc(samples, count * sizeof *samples);
	CHECK(nvmlDeviceGetProcessUtilization(d, samples, &count, 0) == NVML_SUCCESS && count == 100);
	CHECK(samples[0].pid == 11 && samples[0].smUtil == 30);
	free(samples);

	d = gpu(1);
	samples = malloc(sizeof *samples);
	count = 1;
	CHECK(nvmlDeviceGetProcessUtilization(d, samples, &count, 0) == NVML_ERROR_INSUFFICIENT_SIZE && count == 2);
	free(samples);
}

static void check_samples(void)
{
	nvmlDevice_t d = gpu(0);
	nvmlValueType_t type;
	unsigned count = 0;
	CHECK(nvmlDeviceGetSamples(d, NVML_TOTAL_POWER_SAMPLES, 0, &type, &count, NULL) == NVML_SUCCESS && count == 120);
	nvmlSample_t *samples = malloc(count * sizeof *samples);
	CHECK(nvmlDeviceGetSamples(d, NVML_TOTAL_POWER_SAMPLES, 0, &type, &count, samples) == NVML_SUCCESS && count == 120);
	unsigned long long last = samples[119].timeStamp;
	CHECK(type == NVML_VALUE_TYPE_UNSIGNED_INT && samples[119].sampleValue.uiVal == 100000);
	CHECK(last - samples[118].timeStamp == 20000);
	CHECK(nvmlDeviceGetSamples(d, NVML_TOTAL_POWER_SAMPLES, last, &type, &count, samples) == NVML_ERROR_NOT_FOUND);
	count = 2;
	CHECK(nvmlDeviceGetSamples(d, NVML_TOTAL_POWER_SAMPLES, last - 100000, &type, &count, samples) == NVML_SUCCESS && count == 2);
	CHECK(samples[0].timeStamp == last - 80000);
	CHECK(nvmlDeviceGetSamples(d, NVML_MODULE_POWER_SAMPLES, 0, &type, &count, samples) == NVML_ERROR_NOT_SUPPORTED);
	CHECK(nvmlDeviceGetSamples(d, NVML_GPU_UTILIZATION_SAMPLES, 0, &type, &count, samples) == NVML_ERROR_NOT_SUPPORTED);
	free(samples);
}

static void check_mig(void)
{
	nvmlDevice_t d = gpu(2), first, second, parent;
	nvmlDeviceAttributes_t attributes;
	unsigned number, pending;
	unsigned long long energy;
	char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
	at(10);
	CHECK(nvmlDeviceGetMigMode(d, &number, &pending) == NVML_SUCCESS && number == 1 && pending == 1);
	CHECK(nvmlDeviceGetMaxMigDeviceCount(d, &number) == NVML_SUCCESS && number == 7);
	CHECK(nvmlDeviceGetMigDeviceHandleByIndex(d, 0, &first) == NVML_SUCCESS);
	CHECK(nvmlDeviceGetMigDeviceHandleByIndex(d, 1, &second) == NVML_SUCCESS);
	CHECK(nvmlDeviceGetMigDeviceHandleByIndex(d, 2, &second) == NVML_ERROR_NOT_FOUND);
	CHECK(nvmlDeviceGetMigDeviceHandleByIndex(d, 7, &second) == NVML_ERROR_INVALID_ARGUMENT);
	CHECK(nvmlDeviceGetMigDeviceHandleByIndex(d, 1, &second) == NVML_SUCCESS);
	CHECK(nvmlDeviceIsMigDeviceHandle(first, &number) == NVML_SUCCESS && number == 1);
	CHECK(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(first, &parent) == NVML_SUCCESS && !memcmp(&parent, &d, sizeof d));
	CHECK(nvmlDeviceGetAttributes_v2(second, &attributes) == NVML_SUCCESS);
	CHECK(attributes.multiprocessorCount == 60 && attributes.gpuInstanceSliceCount == 3 && attributes.memorySizeMB == 40960);
	CHECK(nvmlDeviceGetTotalEnergyConsumption(first, &energy) == NVML_ERROR_NOT_SUPPORTED);
	CHECK(nvmlDeviceGetProcessUtilization(d, NULL, &number, 0) == NVML_ERROR_NOT_SUPPORTED);

	at(20); // the first one has ended
	CHECK(nvmlDeviceGetUUID(first, uuid, sizeof uuid) == NVML_ERROR_INVALID_ARGUMENT);
	CHECK(nvmlDeviceGetUUID(second, uuid, sizeof uuid) == NVML_SUCCESS && !strcmp(uuid, "MIG-second"));
	CHECK(nvmlDeviceGetMigDeviceHandleByIndex(d, 0, &first) == NVML_ERROR_NOT_FOUND);
	at(30); // MIG is off
	CHECK(nvmlDeviceGetUUID(second, uuid, sizeof uuid) == NVML_ERROR_INVALID_ARGUMENT);
	CHECK(nvmlDeviceGetMaxMigDeviceCount(d, &number) == NVML_SUCCESS && number == 0);
}

static void check_gpm(void)
{
	nvmlDevice_t d = gpu(2), second;
	static nvmlGpmMetricsGet_t get;
	nvmlGpmSupport_t support = {.version = NVML_GPM_SUPPORT_VERSION};
	CHECK(nvmlGpmQueryDeviceSupport(d, &support) == NVML_SUCCESS && support.isSupportedDevice);
	get = (nvmlGpmMetricsGet_t){.version = NVML_GPM_METRICS_GET_VERSION, .numMetrics = 2};
	get.metrics[0].metricId = NVML_GPM_METRIC_SM_UTIL;
	get.metrics[1].metricId = NVML_GPM_METRIC_ANY_TENSOR_UTIL;
	CHECK(nvmlGpmSampleAlloc(&get.sample1) == NVML_SUCCESS && nvmlGpmSampleAlloc(&get.sample2) == NVML_SUCCESS);
	at(10);
	CHECK(nvmlDeviceGetMigDeviceHandleByIndex(d, 1, &second) == NVML_SUCCESS);
	CHECK(nvmlGpmMigSampleGet(d, 2, get.sample1) == NVML_SUCCESS);
	at(10.05);
	CHECK(nvmlGpmMigSampleGet(d, 2, get.sample2) == NVML_SUCCESS);
	CHECK(nvmlGpmMetricsGet(&get) != NVML_SUCCESS);
	at(11);
	CHECK(nvmlGpmMigSampleGet(d, 2, get.sample2) == NVML_SUCCESS);
	CHECK(nvmlGpmMetricsGet(&get) == NVML_SUCCESS);
	CHECK(get.metrics[0].nvmlReturn == NVML_SUCCESS && get.metrics[0].value == 40);
	CHECK(get.metrics[1].nvmlReturn == NVML_ERROR_NOT_SUPPORTED);
	CHECK(nvmlGpmSampleGet(second, get.sample1) == NVML_SUCCESS);
	CHECK(nvmlGpmMetricsGet(&get) == NVML_ERROR_INVALID_ARGUMENT);
	CHECK(nvmlGpmMigSampleGet(d, 5, get.sample1) == NVML_ERROR_INVALID_ARGUMENT);
	CHECK(nvmlGpmSampleFree(get.sample1) == NVML_SUCCESS && nvmlGpmSampleFree(get.sample2) == NVML_SUCCESS);
}

static void check_events(void)
{
	nvmlEventSet_t set;
	nvmlEventData_t data;
	unsigned long long types;
	at(0);
	nvmlDevice_t d = gpu(2);
	CHECK(nvmlEventSetCreate(&set) == NVML_SUCCESS);
	CHECK(nvmlDeviceGetSupportedEventTypes(d, &types) == NVML_SUCCESS && types == (nvmlEventTypeXidCriticalError | nvmlEventMigConfigChange));
	CHECK(nvmlDeviceRegisterEvents(d, nvmlEventTypePState, set) == NVML_ERROR_NOT_SUPPORTED);
	CHECK(nvmlDeviceRegisterEvents(d, types, set) == NVML_SUCCESS);
	CHECK(nvmlEventSetWait_v2(set, &data, 1) == NVML_ERROR_TIMEOUT);
	at(19);
	CHECK(nvmlEventSetWait_v2(set, &data, 0) == NVML_SUCCESS);
	CHECK(data.eventType == nvmlEventTypeXidCriticalError && data.eventData == 63 && data.gpuInstanceId == 2);
	CHECK(!memcmp(&data.device, &d, sizeof d));
	CHECK(nvmlEventSetWait_v2(set, &data, 0) == NVML_SUCCESS && data.eventType == nvmlEventMigConfigChange);
	CHECK(nvmlEventSetWait_v2(set, &data, 0) == NVML_ERROR_TIMEOUT);
	at(40); // MIG is off since 30
	data.gpuInstanceId = 4711;
	CHECK(nvmlEventSetWait(set, &data, 0) == NVML_SUCCESS && data.eventType == nvmlEventMigConfigChange);
	CHECK(data.gpuInstanceId == 4711);
	CHECK(nvmlEventSetWait_v2(set, &data, 0) == NVML_ERROR_TIMEOUT);
	CHECK(nvmlEventSetFree(set) == NVML_SUCCESS);
}

// call_all has answers of any kind: what counts is that none touches what it must not.
static void call_all(unsigned index)
{
	nvmlDevice_t d, m;
	unsigned number, count;
	unsigned long long big, last = 999999998000000;
	char text[64];
	nvmlEventSet_t set;
	nvmlEventData_t data;
	nvmlGpmSample_t sample;
	if (nvmlDeviceGetHandleByIndex_v2(index, &d))
		return;
	nvmlFieldValue_t fields[] = {{.fieldId = 83}, {.fieldId = 185}, {.fieldId = 186, .scopeId = 1}, {.fieldId = 191, .scopeId = 3}};
	nvmlDeviceGetFieldValues(d, 4, fields);
	nvmlDeviceGetTotalEnergyConsumption(d, &big);
	nvmlDeviceGetPowerUsage(d, &number);
	nvmlDeviceGetTemperature(d, NVML_TEMPERATURE_GPU, &number);
	nvmlDeviceGetUtilizationRates(d, &(nvmlUtilization_t){0});
	nvmlDeviceGetMemoryInfo(d, &(nvmlMemory_t){0});
	nvmlDeviceGetCurrentClocksEventReasons(d, &big);
	nvmlDeviceGetUUID(d, text, 5);
	for (count = 1; count < 4; count++) {
		unsigned room = count;
		void *buffer = malloc(count * sizeof(nvmlProcessUtilizationSample_t));
		nvmlDeviceGetProcessUtilization(d, buffer, &room, last);
		free(buffer);
		room = count, buffer = malloc(count * sizeof(nvmlProcessInfo_t));
		nvmlDeviceGetComputeRunningProcesses_v3(d, &room, buffer);
		free(buffer);
		room = count, buffer = malloc(count * sizeof(nvmlSample_t));
		nvmlDeviceGetSamples(d, NVML_TOTAL_POWER_SAMPLES, last, &(nvmlValueType_t){0}, &room, buffer);
		free(buffer);
	}
	if (!nvmlEventSetCreate(&set)) {
		nvmlDeviceRegisterEvents(d, nvmlEventTypeXidCriticalError, set);
		nvmlEventSetWait_v2(set, &data, 0);
		nvmlEventSetFree(set);
	}
	for (unsigned i = 0; i < 7; i++) {
		if (nvmlDeviceGetMigDeviceHandleByIndex(d, i, &m) || nvmlGpmSampleAlloc(&sample))
			continue;
		nvmlGpmSampleGet(m, sample);
		nvmlGpmSampleFree(sample);
		nvmlDeviceGetName(m, text, sizeof text);
		nvmlDeviceGetAttributes_v2(m, &(nvmlDeviceAttributes_t){0});
	}
}

static volatile int stop;

static void *caller(void *argument)
{
	while (!stop)
		for (unsigned i = 0; i < 4; i++)
			call_all(i);
	return argument;
}

// Calls go on while the scenario is read anew, and while there is none.
static void check_concurrency(void)
{
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, caller, NULL));
	for (int i = 0; i < 200; i++) {
		at(i / 4.0);
		CHECK(nvmlInit_v2() == NVML_SUCCESS);
		CHECK(nvmlShutdown() == NVML_SUCCESS);
		if (i % 10 == 0)
			CHECK(nvmlShutdown() == NVML_SUCCESS && nvmlInit_v2() == NVML_SUCCESS);
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	int file = open(argv[1], O_RDWR);
	now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CHECK(now != MAP_FAILED && nvmlInit_v2() == NVML_SUCCESS);
	at(5);
	check_process_lists();
	check_wide_process_list();
	check_utilization();
	check_samples();
	check_mig();
	check_gpm();
	check_events();
	check_concurrency();
	CHECK(nvmlInit_v2() == NVML_SUCCESS && nvmlShutdown() == NVML_SUCCESS && nvmlShutdown() == NVML_SUCCESS);
	CHECK(nvmlShutdown() == NVML_ERROR_UNINITIALIZED);
	return 0;
}
