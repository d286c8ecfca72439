// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package driver

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Activity is what a GPM pair says of the time between its two samples, in percent.
type Activity struct{ Graphics, SM float64 }

// GPM is a pair of samples.
type GPM struct {
	v       *Device
	samples [2]nvml.GpmSample
}

// NewGPM takes the first sample. It fails with NotSupported before Hopper.
func (v *Device) NewGPM() (*GPM, error) {
	g := &GPM{v: v}
	for i := range g.samples {
		if err := v.d.call("nvmlGpmSampleAlloc", func() (r nvml.Return) { g.samples[i], r = v.d.lib.GpmSampleAlloc(); return r }); err != nil {
			g.samples[i] = nil
			g.Close()
			return nil, err
		}
	}
	if err := g.take(0); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// Next is the activity since the sample before.
func (g *GPM) Next() (Activity, error) {
	if err := g.take(1); err != nil {
		return Activity{}, err
	}
	request := &nvml.GpmMetricsGetType{NumMetrics: 2, Sample1: g.samples[0], Sample2: g.samples[1]}
	request.Metrics[0].MetricId = uint32(nvml.GPM_METRIC_GRAPHICS_UTIL)
	request.Metrics[1].MetricId = uint32(nvml.GPM_METRIC_SM_UTIL)
	if err := g.v.d.call("nvmlGpmMetricsGet", func() nvml.Return { return g.v.d.lib.GpmMetricsGet(request) }); err != nil {
		return Activity{}, err
	}
	g.samples[0], g.samples[1] = g.samples[1], g.samples[0]
	for _, m := range request.Metrics[:2] {
		if m.NvmlReturn != success {
			return Activity{}, &Failure{fmt.Sprintf("GPM metric %d", m.MetricId), int(m.NvmlReturn)}
		}
	}
	return Activity{request.Metrics[0].Value, request.Metrics[1].Value}, nil
}

// Close gives the samples back.
func (g *GPM) Close() {
	for _, sample := range g.samples {
		if sample != nil {
			_ = g.v.d.call("nvmlGpmSampleFree", func() nvml.Return { return g.v.d.lib.GpmSampleFree(sample) })
		}
	}
}

func (g *GPM) take(i int) error {
	return g.v.d.call("nvmlGpmSampleGet", func() nvml.Return { return g.v.raw.GpmSampleGet(g.samples[i]) })
}
