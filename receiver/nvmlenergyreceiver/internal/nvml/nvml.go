// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package nvml is the NVIDIA driver as the receiver needs it: the calls it makes, without the ways in
// which the library ends a process, panics, or answers nonsense.
package nvml

// Driver is NVML. Several goroutines may use what it gives, one per device, and several may call Device at the
// same time; the rest is for one. None may use a device, or Device, while Open or Close runs.
type Driver interface {
	// Open loads the library and initialises it. After an error or Close it may be called again.
	Open() error
	// Close makes all devices of the driver invalid.
	Close() error
	// Version is that of the kernel driver, such as 580.65.06.
	Version() (string, error)
	// Count is the number of GPUs. Indices go below it, and shift when a GPU goes away.
	Count() (int, error)
	// Device opens the GPU with an index. The watch shows the calls that are made on it, this one included.
	Device(index int, watch *Watch) (Device, error)
}

// Device is a handle of a GPU. A call that the library lacks fails with FunctionNotFound, one that the
// GPU does not support with NotSupported. All errors name their call and wrap a Failure.
type Device interface {
	UUID() (string, error)
	Name() (string, error)
	// Minor is the N of the GPU's file /dev/nvidiaN.
	Minor() (int, error)
	// ModuleID is the same for GPUs that share a module, as on a GB200.
	ModuleID() (uint32, error)

	// Energy is the counter, in mJ since the driver was loaded.
	Energy() (uint64, error)
	// MaxPowerLimit is the highest limit that can be set, in mW.
	MaxPowerLimit() (uint32, error)
	// EnforcedPowerLimit is the limit in force, in mW.
	EnforcedPowerLimit() (uint32, error)
	// AveragePower is the mean over the last second, in mW. NotSupported where the driver has no such mean.
	AveragePower(Scope) (uint32, error)
	// InstantPower is the last value of the sensor, in mW.
	InstantPower(Scope) (uint32, error)
	// PowerSamples appends the driver's samples newer than since (0: all it has) to the buffer, by rising time.
	PowerSamples(buffer []PowerSample, since Micros) ([]PowerSample, error)

	// Processes are those that have a compute or graphics context or are MPS clients, each PID once.
	Processes(buffer []Process) ([]Process, error)
	// Utilization of processes: the samples newer than since, by rising time. None is no error.
	ProcessUtilization(buffer []ProcessSample, since Micros) ([]ProcessSample, error)

	// MIG is the mode that is, and the one that will be after a reset.
	MIG() (current, pending bool, err error)
	// MaxInstances is how many slices the GPU can be cut into: 7 on an A100, 4 on an A30, 0 while MIG is off.
	MaxInstances() (int, error)
	// Instances are the MIG devices: one for each compute instance.
	Instances() ([]Instance, error)

	// Events are those since the last call. The first call begins to listen and has none.
	Events() ([]Event, error)

	Utilization() (Utilization, error)
	// EncoderUtilization and DecoderUtilization are in percent.
	EncoderUtilization() (uint32, error)
	DecoderUtilization() (uint32, error)
	Memory() (Memory, error)
	// Temperature of the die, in degrees Celsius.
	Temperature() (uint32, error)
	// Clock is in MHz.
	Clock(Clock) (uint32, error)
	// Throttling is a set of bits of nvmlClocksEventReasons.
	Throttling() (uint64, error)

	// Close ends the listening to Events. It makes no call if there was none to Events, and may be left out
	// for a device that hangs: closing the driver frees what is left.
	Close()
}

// Instance is a MIG device. Its handle goes stale when the GPU is partitioned anew: calls then fail with
// InvalidArgument or NotFound.
type Instance interface {
	UUID() string
	// GPUInstance is its number on the GPU.
	GPUInstance() int
	// Slices of the GPU instance, of MaxInstances.
	Slices() int
	// Multiprocessors of the compute instance.
	Multiprocessors() int
	// Processes that have a context in the instance.
	Processes(buffer []Process) ([]Process, error)
	// Activity is the mean share of the instance's multiprocessors that were busy since the last call, 0 to 1.
	// NotSupported before Hopper. The first call has no answer yet: it fails with NotFound, as do calls less
	// than 100 ms after the last.
	Activity() (float64, error)
	// Close frees what Activity holds.
	Close()
}

// Micros is the driver's time stamp, in µs since 1970 on most systems, since boot on some.
type Micros uint64

// PowerSample is in mW.
type PowerSample struct {
	At         Micros
	Milliwatts uint32
}

// Process has a context on a GPU.
type Process struct {
	PID uint32
	// Memory in bytes, 0 if unknown.
	Memory uint64
	// MPS says that it is a client of the multi-process service.
	MPS bool
}

// ProcessSample says how busy a process kept the multiprocessors since its sample before, in percent.
type ProcessSample struct {
	At  Micros
	PID uint32
	SM  uint32
}

// Sensible reports whether a process can be like that: drivers return PIDs and shares that were never
// written (nvtop #110).
func (s ProcessSample) Sensible() bool { return isPID(s.PID) && s.SM <= 100 }

// maxPID is PID_MAX_LIMIT of include/linux/threads.h. The limit in force may be lower, but is that of a
// PID namespace since Linux 6.14, and drivers give PIDs of the host.
const maxPID = 1 << 22

func isPID(pid uint32) bool { return pid > 0 && pid <= maxPID }

// Scope is what a power sensor covers.
type Scope uint32

const (
	// GPU is the GPU with its memory.
	GPU Scope = 0
	// Module is GPU and CPU, on Grace.
	Module Scope = 1
)

// Clock is one of a GPU's clocks: nvmlClockType_t.
type Clock uint32

// The clocks that all GPUs have.
const (
	GraphicsClock Clock = 0
	SMClock       Clock = 1
	MemoryClock   Clock = 2
	VideoClock    Clock = 3
)

// Utilization is in percent of the last sample period in which a kernel was running, or memory was read or
// written.
type Utilization struct{ GPU, Memory uint32 }

// Memory is in bytes.
type Memory struct{ Used, Total uint64 }

// Event is news of a GPU. Xid is 0 for a change of its MIG instances.
type Event struct {
	Xid        uint64
	MIGChanged bool
}
