// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// PowerSamples leaves out those without a time, and those that were asked for already.
func (d *device) PowerSamples(buffer []PowerSample, since Micros) ([]PowerSample, error) {
	if err := d.begin(SymbolSamples); err != nil {
		return buffer, err
	}
	kind, samples, ret := d.handle.GetSamples(nvml.TOTAL_POWER_SAMPLES, uint64(since))
	err := d.end(SymbolSamples, ret)
	if errors.Is(err, NotFound) {
		return buffer, nil
	}
	if err != nil {
		return buffer, err
	}
	from := len(buffer)
	for _, sample := range samples {
		if sample.TimeStamp <= uint64(since) {
			continue
		}
		value, err := milliwatts(kind, sample.SampleValue)
		if err != nil {
			return buffer[:from], fmt.Errorf("%s: %w", SymbolSamples, err)
		}
		buffer = append(buffer, PowerSample{At: Micros(sample.TimeStamp), Milliwatts: value})
	}
	slices.SortStableFunc(buffer[from:], func(a, b PowerSample) int { return cmp.Compare(a.At, b.At) })
	return buffer, nil
}

// ProcessUtilization leaves out samples that were asked for already, and those without a time.
func (d *device) ProcessUtilization(buffer []ProcessSample, since Micros) ([]ProcessSample, error) {
	if err := d.begin(SymbolProcessUtilization); err != nil {
		return buffer, err
	}
	samples, ret := processUtilization(d.handle, uint64(since))
	if ret == nvml.ERROR_INSUFFICIENT_SIZE && samples != nil && len(samples) == 0 {
		ret = nvml.SUCCESS // go-nvml's answer if the driver has room for none
	}
	err := d.end(SymbolProcessUtilization, ret)
	if errors.Is(err, NotFound) {
		return buffer, nil
	}
	if err != nil {
		return buffer, err
	}
	from := len(buffer)
	for _, sample := range samples {
		if sample.TimeStamp > uint64(since) {
			buffer = append(buffer, ProcessSample{At: Micros(sample.TimeStamp), PID: sample.Pid, SM: sample.SmUtil})
		}
	}
	slices.SortStableFunc(buffer[from:], func(a, b ProcessSample) int { return cmp.Compare(a.At, b.At) })
	return buffer, nil
}

// processUtilization survives the samples growing between go-nvml's two calls: it then slices beyond what
// it has allocated.
func processUtilization(handle nvml.Device, since uint64) (samples []nvml.ProcessUtilizationSample, ret nvml.Return) {
	defer func() {
		if recover() != nil {
			samples, ret = nil, nvml.ERROR_INSUFFICIENT_SIZE
		}
	}()
	return handle.GetProcessUtilization(since)
}
