// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"errors"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

func (d *device) MIG() (current, pending bool, err error) {
	if err := d.begin(SymbolMIGMode); err != nil {
		return false, false, err
	}
	is, will, ret := d.handle.GetMigMode()
	return is == nvml.DEVICE_MIG_ENABLE, will == nvml.DEVICE_MIG_ENABLE, d.end(SymbolMIGMode, ret)
}

func (d *device) MaxInstances() (int, error) {
	if err := d.begin(SymbolMaxInstances); err != nil {
		return 0, err
	}
	count, ret := d.handle.GetMaxMigDeviceCount()
	return count, d.end(SymbolMaxInstances, ret)
}

// Instances leaves out what goes away while it looks.
func (d *device) Instances() (all []Instance, err error) {
	most, err := d.MaxInstances()
	if err != nil {
		return nil, err
	}
	compute := map[int]int{} // slices that the compute instances of a GPU instance have
	var found []*instance
	for index := range most {
		i, slices, err := d.instance(index)
		if errors.Is(err, NotFound) || errors.Is(err, InvalidArgument) {
			continue
		}
		if err != nil {
			return nil, err
		}
		compute[i.gpuInstance] += slices
		found = append(found, i)
	}
	for _, i := range found {
		i.scale = scaleOf(i.slices, compute[i.gpuInstance])
		all = append(all, i)
	}
	return all, nil
}

// instance opens a MIG device. The slices are those of the compute instance.
func (d *device) instance(index int) (i *instance, slices int, err error) {
	if err := d.begin(SymbolInstance); err != nil {
		return nil, 0, err
	}
	handle, ret := d.handle.GetMigDeviceHandleByIndex(index)
	if err := d.end(SymbolInstance, ret); err != nil {
		return nil, 0, err
	}
	i = &instance{device: d, handle: handle}

	if err := d.begin(SymbolUUID); err != nil {
		return nil, 0, err
	}
	i.uuid, ret = handle.GetUUID()
	if err := d.end(SymbolUUID, ret); err != nil {
		return nil, 0, err
	}

	if err := d.begin(SymbolAttributes); err != nil {
		return nil, 0, err
	}
	attributes, ret := handle.GetAttributes()
	if err := d.end(SymbolAttributes, ret); err != nil {
		return nil, 0, err
	}
	i.slices, i.multiprocessors = int(attributes.GpuInstanceSliceCount), int(attributes.MultiprocessorCount)

	if err := d.begin(SymbolGPUInstanceID); err != nil {
		return nil, 0, err
	}
	i.gpuInstance, ret = handle.GetGpuInstanceId()
	return i, int(attributes.ComputeInstanceSliceCount), d.end(SymbolGPUInstanceID, ret)
}

// scaleOf is how much larger the GPU instance is than the compute instances in it.
func scaleOf(slices, used int) float64 {
	if used <= 0 || used >= slices {
		return 1
	}
	return float64(slices) / float64(used)
}

type instance struct {
	device                               *device
	handle                               nvml.Device
	uuid                                 string
	gpuInstance, slices, multiprocessors int
	// scale of the activity, which is that of the GPU instance: see Activity.
	scale   float64
	samples *gpmSamples // nil before the first call of Activity and after Close
}

func (i *instance) UUID() string         { return i.uuid }
func (i *instance) GPUInstance() int     { return i.gpuInstance }
func (i *instance) Slices() int          { return i.slices }
func (i *instance) Multiprocessors() int { return i.multiprocessors }

func (i *instance) Processes(buffer []Process) ([]Process, error) {
	return i.device.processes(i.handle, buffer)
}
