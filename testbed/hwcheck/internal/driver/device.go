// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package driver

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Device is a GPU.
type Device struct {
	d   *Driver
	raw nvml.Device
}

// Fields of nvmlDeviceGetFieldValues.
const (
	FieldCounter = 83  // mJ
	FieldAverage = 185 // mW, over 1 s
	FieldInstant = 186 // mW
	FieldEnergy  = 191 // mJ
)

// UUID of the GPU.
func (v *Device) UUID() (s string, err error) {
	err = v.d.call("nvmlDeviceGetUUID", func() (r nvml.Return) { s, r = v.raw.GetUUID(); return r })
	return s, err
}

// Name of the product.
func (v *Device) Name() (s string, err error) {
	err = v.d.call("nvmlDeviceGetName", func() (r nvml.Return) { s, r = v.raw.GetName(); return r })
	return s, err
}

// Counter is the energy counter, in mJ.
func (v *Device) Counter() (mJ uint64, err error) {
	err = v.d.call("nvmlDeviceGetTotalEnergyConsumption", func() (r nvml.Return) { mJ, r = v.raw.GetTotalEnergyConsumption(); return r })
	return mJ, err
}

// PowerUsage is in mW: a mean over 1 s on Ampere (except GA100) and later, instantaneous before.
func (v *Device) PowerUsage() (mW uint32, err error) {
	err = v.d.call("nvmlDeviceGetPowerUsage", func() (r nvml.Return) { mW, r = v.raw.GetPowerUsage(); return r })
	return mW, err
}

// Field is the value of a field, or the error that it came with.
type Field struct {
	ID, Scope uint32
	// At is in µs, as the driver says.
	At int64
	// Latency is how long the driver took for it, in µs.
	Latency int64
	Value   uint64
	Err     error
}

// Fields fills in the values, by ID and Scope, in one call.
func (v *Device) Fields(fields []Field) error {
	raw := make([]nvml.FieldValue, len(fields))
	for i, f := range fields {
		raw[i] = nvml.FieldValue{FieldId: f.ID, ScopeId: f.Scope}
	}
	if err := v.d.call("nvmlDeviceGetFieldValues", func() nvml.Return { return v.raw.GetFieldValues(raw) }); err != nil {
		return err
	}
	for i, f := range raw {
		fields[i].At, fields[i].Latency, fields[i].Err = f.Timestamp, f.LatencyUsec, nil
		if f.NvmlReturn != success {
			fields[i].Err = &Failure{fmt.Sprintf("field %d scope %d", f.FieldId, f.ScopeId), int(f.NvmlReturn)}
			continue
		}
		fields[i].Value = decode(nvml.ValueType(f.ValueType), f.Value)
	}
	return nil
}

func decode(kind nvml.ValueType, b [8]byte) uint64 {
	switch kind {
	case nvml.VALUE_TYPE_UNSIGNED_INT, nvml.VALUE_TYPE_SIGNED_INT:
		return uint64(binary.LittleEndian.Uint32(b[:]))
	case nvml.VALUE_TYPE_DOUBLE:
		return uint64(math.Float64frombits(binary.LittleEndian.Uint64(b[:])))
	default:
		return binary.LittleEndian.Uint64(b[:])
	}
}

// Sample is one of the driver's ring of samples.
type Sample struct{ At, Value uint64 }

// Samples of a kind (0 is power, in mW) that are newer than since, in µs.
func (v *Device) Samples(kind int, since uint64) ([]Sample, error) {
	var raw []nvml.Sample
	var valueType nvml.ValueType
	if err := v.d.call("nvmlDeviceGetSamples", func() (r nvml.Return) {
		valueType, raw, r = v.raw.GetSamples(nvml.SamplingType(kind), since)
		return r
	}); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, s := range raw {
		if s.TimeStamp > since {
			samples = append(samples, Sample{s.TimeStamp, decode(valueType, s.SampleValue)})
		}
	}
	return samples, nil
}

// ProcessSample says how busy a process was, in percent of the SMs' time.
type ProcessSample struct {
	PID, SM uint32
	At      uint64 // µs
}

// ProcessUtilization are the samples newer than since, in µs. None is no error.
func (v *Device) ProcessUtilization(since uint64) ([]ProcessSample, error) {
	var raw []nvml.ProcessUtilizationSample
	err := v.d.call("nvmlDeviceGetProcessUtilization", func() (r nvml.Return) { raw, r = v.raw.GetProcessUtilization(since); return r })
	if IsNotFound(err) || (isInsufficientSize(err) && len(raw) == 0) {
		return nil, nil
	}
	var samples []ProcessSample
	for _, s := range raw {
		if err == nil && s.TimeStamp > since {
			samples = append(samples, ProcessSample{s.Pid, s.SmUtil, s.TimeStamp})
		}
	}
	return samples, err
}

// ComputeProcesses are the PIDs that have a compute context.
func (v *Device) ComputeProcesses() (pids []uint32, err error) {
	err = v.d.call("nvmlDeviceGetComputeRunningProcesses_v3", func() nvml.Return {
		processes, r := v.raw.GetComputeRunningProcesses()
		for _, p := range processes {
			pids = append(pids, p.Pid)
		}
		return r
	})
	return pids, err
}
