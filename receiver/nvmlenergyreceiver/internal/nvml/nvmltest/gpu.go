// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmltest

import (
	"maps"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// All is the key in GPU.Errors that makes each call on a GPU fail.
const All = "*"

// GPU is what a driver knows of a GPU. What is not set is not supported, where a GPU may lack it.
type GPU struct {
	ID string
	// Model is NVIDIA Fake if empty.
	Model string
	// Minor number of its device file.
	Minor int
	// Module is the answer of ModuleID. nil is not supported.
	Module *uint32

	// Counter is the energy in mJ. If nil, it is Millijoules.
	Counter     func() uint64
	Millijoules uint64
	// Maximum and Enforced are limits of the power in mW: 700 W if 0.
	Maximum, Enforced uint32
	// Average and Instant give powers in mW. A scope that is in neither map is not supported; Power, if set,
	// is both for nvml.GPU.
	Power            func() uint32
	Average, Instant map[nvml.Scope]uint32
	// Samples of the power, by rising time. nil is not supported.
	Samples []nvml.PowerSample

	// Running processes. A process that is in an instance belongs there.
	Running []nvml.Process
	// Busy are the samples of the processes, by rising time. Those of the future do not show yet, as with Samples.
	Busy []nvml.ProcessSample

	// Slices is what MaxInstances says while MIG is on. 0 is a GPU without MIG.
	Slices                 int
	MIGCurrent, MIGPending bool
	Instances              []*Instance

	// The metrics. Clocks that are not in the map are not supported.
	Utilization      nvml.Utilization
	Encoder, Decoder uint32
	Memory           nvml.Memory
	Temperature      uint32
	Clocks           map[nvml.Clock]uint32
	Throttling       uint64

	// Errors by symbol, such as nvml.SymbolEnergy, or All. nvml.GPUIsLost for All is a lost GPU that may
	// come back to its handles.
	Errors map[string]error

	detachs   int
	listeners map[*device]struct{}
}

// Instance is a MIG device of a GPU. Its handles go stale when it is not among the GPU's instances.
type Instance struct {
	ID                      string
	GPUInstance             int
	Slices, Multiprocessors int
	Running                 []nvml.Process
	// Activity is from 0 to 1. nil is not supported, as before Hopper.
	Activity *float64
}

// Fail makes a symbol fail from now on; with nil it works again. Call it in Driver.Set.
func (g *GPU) Fail(symbol string, err error) {
	errors := maps.Clone(g.Errors)
	if errors == nil {
		errors = map[string]error{}
	}
	errors[symbol] = err
	g.Errors = errors
}

func (g *GPU) failure(symbol string) error {
	if err := g.Errors[symbol]; err != nil {
		return err
	}
	return g.Errors[All]
}
