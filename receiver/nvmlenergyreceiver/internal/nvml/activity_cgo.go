// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"fmt"
	"math"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// leastInterval is what nvml.h asks for between two samples.
const leastInterval = 100 * time.Millisecond

// gpm is what a device knows of its performance monitor.
type gpm struct {
	asked, supported bool
	request          *nvml.GpmMetricsGetType // 19 KB
}

// gpmSamples are two, used in turn.
type gpmSamples struct {
	last, next nvml.GpmSample
	at         time.Time // of the last, zero if there is none
}

func (s *gpmSamples) free() {
	_ = s.last.Free()
	_ = s.next.Free()
}

// Activity is sampled for the whole GPU instance. If several compute instances share it, each gets its mean:
// weighted by their multiprocessors, they sum to what the GPU instance was busy, and how it divides among
// them is not known. If they leave a part of it unused, that part cannot be busy, and the mean over the others is
// higher by as much; it is then at most 1.
func (i *instance) Activity() (float64, error) {
	if err := i.device.supportsGPM(); err != nil {
		return 0, err
	}
	if i.samples == nil {
		if err := i.allocate(); err != nil {
			return 0, err
		}
	}
	s := i.samples
	begin := time.Now()
	if !s.at.IsZero() && begin.Sub(s.at) < leastInterval {
		return 0, fmt.Errorf("%s: %w: the last sample is only %v old", SymbolGPMSample, NotFound, begin.Sub(s.at))
	}
	if err := i.device.begin(SymbolGPMSample); err != nil {
		return 0, err
	}
	ret := i.device.handle.GpmMigSampleGet(i.gpuInstance, s.next)
	if err := i.device.end(SymbolGPMSample, ret); err != nil {
		return 0, err
	}
	first := s.at.IsZero()
	s.last, s.next, s.at = s.next, s.last, time.Now()
	if first {
		return 0, fmt.Errorf("%s: %w: this is the first sample", SymbolGPMSample, NotFound)
	}
	busy, err := i.device.busyBetween(s.next, s.last)
	return min(1, busy*i.scale), err
}

// Close is safe after the driver was closed.
func (i *instance) Close() {
	if i.samples == nil {
		return
	}
	i.device.watch.Begin(SymbolGPMFree)
	defer i.device.watch.End()
	i.device.session.release(i.samples)
	i.samples = nil
}

func (i *instance) allocate() error {
	var samples [2]nvml.GpmSample
	for n := range samples {
		if err := i.device.begin(SymbolGPMAlloc); err != nil {
			return err
		}
		var ret nvml.Return
		samples[n], ret = i.device.session.nvml.GpmSampleAlloc()
		if err := i.device.end(SymbolGPMAlloc, ret); err != nil {
			if n > 0 {
				_ = samples[0].Free()
			}
			return err
		}
	}
	i.samples = &gpmSamples{last: samples[0], next: samples[1]}
	i.device.session.hold(i.samples)
	return nil
}

// supportsGPM looks for all functions of GPM before the first is used.
func (d *device) supportsGPM() error {
	for _, symbol := range []string{SymbolGPMAlloc, SymbolGPMFree, SymbolGPMSample, SymbolGPMMetrics} {
		if err := d.session.lacks(symbol); err != nil {
			return err
		}
	}
	if !d.gpm.asked {
		if err := d.begin(SymbolGPMSupport); err != nil {
			return err
		}
		support, ret := d.handle.GpmQueryDeviceSupport()
		if err := d.end(SymbolGPMSupport, ret); err != nil {
			return err
		}
		d.gpm.asked, d.gpm.supported = true, support.IsSupportedDevice != 0
	}
	if !d.gpm.supported {
		return fmt.Errorf("%s: %w", SymbolGPMSupport, NotSupported)
	}
	return nil
}

// busyBetween is from 0 to 1. How many multiprocessors were busy is better than whether any was, but not all
// drivers have it.
func (d *device) busyBetween(before, after nvml.GpmSample) (float64, error) {
	if err := d.begin(SymbolGPMMetrics); err != nil {
		return 0, err
	}
	if d.gpm.request == nil {
		d.gpm.request = &nvml.GpmMetricsGetType{}
	}
	request := d.gpm.request
	request.NumMetrics, request.Sample1, request.Sample2 = 2, before, after
	request.Metrics[0] = nvml.GpmMetric{MetricId: uint32(nvml.GPM_METRIC_SM_UTIL)}
	request.Metrics[1] = nvml.GpmMetric{MetricId: uint32(nvml.GPM_METRIC_GRAPHICS_UTIL)}
	ret := d.session.nvml.GpmMetricsGet(request)
	if err := d.end(SymbolGPMMetrics, ret); err != nil {
		return 0, err
	}
	ret = nvml.ERROR_UNKNOWN
	for _, metric := range request.Metrics[:request.NumMetrics] {
		ret = nvml.Return(metric.NvmlReturn)
		if ret == nvml.SUCCESS && !math.IsNaN(metric.Value) {
			return min(1, max(0, metric.Value/100)), nil
		}
	}
	if ret == nvml.SUCCESS {
		ret = nvml.ERROR_NO_DATA
	}
	return 0, result(SymbolGPMMetrics, ret)
}
