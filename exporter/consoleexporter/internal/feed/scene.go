// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Scene is a set of devices whose energy and emissions run from a start on.
type Scene struct {
	Start time.Time
	parts []part
}

type part struct {
	base       string
	resource   Attributes
	attributes Attributes
	// joules drawn up to a time since the start.
	joules func(since time.Duration) float64
	grid   Attributes
	perKWh float64
}

// Grid is the provenance of an intensity.
func Grid(zone, source, quality string) Attributes {
	return Attributes{
		"grid.zone": zone, "carbon.source": source, "carbon.data.quality": quality,
		"carbon.boundary": "lifecycle", "carbon.basis": "consumption", "carbon.gas": "co2e",
	}
}

// Constant draws the same watts all the time.
func Constant(watts float64) func(time.Duration) float64 {
	return func(since time.Duration) float64 { return watts * since.Seconds() }
}

// Swing draws watts that swing around a mean within a minute.
func Swing(watts, swing float64) func(time.Duration) float64 {
	const turn = 2 * math.Pi / 60
	return func(since time.Duration) float64 {
		s := since.Seconds()
		return watts*s + swing*(1-math.Cos(turn*s))/turn
	}
}

// Host returns the resource of a host.
func Host(name string) Attributes {
	return Attributes{"host.id": "id-of-" + name, "host.name": name}
}

// Add puts something into the scene: base is hw, hw.host or workload.
func (s *Scene) Add(base string, resource, attributes Attributes, joules func(time.Duration) float64, grid Attributes, gramsPerKWh float64) {
	s.parts = append(s.parts, part{base, resource, attributes, joules, grid, gramsPerKWh})
}

// At returns what is reported at a time.
func (s *Scene) At(now time.Time) pmetric.Metrics {
	const joulesPerKWh = 3.6e6
	var points []Point
	for _, p := range s.parts {
		joules := p.joules(now.Sub(s.Start))
		energy := Point{
			Metric: p.base + ".energy", Resource: p.resource, Attributes: p.attributes,
			Start: s.Start, At: now, Value: joules,
		}
		points = append(points, energy)
		if p.grid != nil {
			emissions := energy
			emissions.Metric = p.base + ".emissions"
			emissions.Attributes = p.attributes.With(p.grid)
			emissions.Value = joules / joulesPerKWh * p.perKWh
			points = append(points, emissions)
		}
	}
	return Batch(points...)
}

// Workstation has two like GPUs, a modelled CPU and memory, on the world's average grid.
func Workstation(start time.Time) *Scene {
	s := &Scene{Start: start}
	grid, host := Grid("WORLD", "static", "static"), Host("node-7")
	for i, watts := range []float64{412, 296} {
		s.Add("hw", host, Attributes{
			"hw.id": fmt.Sprintf("GPU-5f9c8a1e-2b7d-4c3e-9f00-00000000a1%02d", i), "hw.type": "gpu",
			"hw.name": "NVIDIA H100 80GB HBM3", "energy.method": "counter", "energy.scope": "gpu",
		}, Swing(watts, watts/4), grid, 473)
	}
	s.Add("hw", host, Attributes{
		"hw.id": "package-0", "hw.type": "cpu", "energy.method": "model", "energy.scope": "package",
	}, Swing(61.2, 20), grid, 473)
	s.Add("hw", host, Attributes{
		"hw.id": "dram-0", "hw.type": "memory", "energy.method": "counter", "energy.scope": "dram",
	}, Constant(0.84), grid, 473)
	return s
}
