// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmltest

import (
	"cmp"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

func (d *device) Energy() (uint64, error) {
	return call(d, nvml.SymbolEnergy, func() (uint64, error) {
		if d.gpu.Counter != nil {
			return d.gpu.Counter(), nil
		}
		return d.gpu.Millijoules, nil
	})
}

func (d *device) MaxPowerLimit() (uint32, error) {
	return call(d, nvml.SymbolMaxPowerLimit, func() (uint32, error) { return cmp.Or(d.gpu.Maximum, 700_000), nil })
}

func (d *device) EnforcedPowerLimit() (uint32, error) {
	return call(d, nvml.SymbolEnforcedPowerLimit, func() (uint32, error) { return cmp.Or(d.gpu.Enforced, 700_000), nil })
}

func (d *device) AveragePower(scope nvml.Scope) (uint32, error) {
	return call(d, nvml.SymbolAveragePower, func() (uint32, error) { return d.gpu.power(d.gpu.Average, scope) })
}

func (d *device) InstantPower(scope nvml.Scope) (uint32, error) {
	return call(d, nvml.SymbolInstantPower, func() (uint32, error) { return d.gpu.power(d.gpu.Instant, scope) })
}

func (g *GPU) power(of map[nvml.Scope]uint32, scope nvml.Scope) (uint32, error) {
	value, supported := of[scope]
	if !supported && g.Power != nil && scope == nvml.GPU {
		return g.Power(), nil
	}
	return known(value, supported)
}

func (d *device) PowerSamples(buffer []nvml.PowerSample, since nvml.Micros) ([]nvml.PowerSample, error) {
	result, err := call(d, nvml.SymbolSamples, func() ([]nvml.PowerSample, error) {
		newer := buffer
		for _, sample := range d.gpu.Samples {
			if sample.At > since && sample.At <= now() {
				newer = append(newer, sample)
			}
		}
		return known(newer, d.gpu.Samples != nil)
	})
	if err != nil {
		return buffer, err
	}
	return result, nil
}

func (d *device) Processes(buffer []nvml.Process) ([]nvml.Process, error) {
	result, err := call(d, nvml.SymbolComputeProcesses, func() ([]nvml.Process, error) {
		buffer := append(buffer, d.gpu.Running...)
		if d.gpu.MIGCurrent {
			for _, instance := range d.gpu.Instances {
				buffer = append(buffer, instance.Running...)
			}
		}
		return buffer, nil
	})
	if err != nil {
		return buffer, err
	}
	return result, nil
}

// ProcessUtilization is not supported while the GPU is cut into instances.
func (d *device) ProcessUtilization(buffer []nvml.ProcessSample, since nvml.Micros) ([]nvml.ProcessSample, error) {
	result, err := call(d, nvml.SymbolProcessUtilization, func() ([]nvml.ProcessSample, error) {
		newer := buffer
		for _, sample := range d.gpu.Busy {
			if sample.At > since && sample.At <= now() {
				newer = append(newer, sample)
			}
		}
		return known(newer, !d.gpu.MIGCurrent)
	})
	if err != nil {
		return buffer, err
	}
	return result, nil
}

// now hides what a test says of the future.
func now() nvml.Micros { return nvml.Micros(time.Now().UnixMicro()) }

func (d *device) Utilization() (nvml.Utilization, error) {
	return call(d, nvml.SymbolUtilization, func() (nvml.Utilization, error) { return d.gpu.Utilization, nil })
}

func (d *device) EncoderUtilization() (uint32, error) {
	return call(d, nvml.SymbolEncoder, func() (uint32, error) { return d.gpu.Encoder, nil })
}

func (d *device) DecoderUtilization() (uint32, error) {
	return call(d, nvml.SymbolDecoder, func() (uint32, error) { return d.gpu.Decoder, nil })
}

func (d *device) Memory() (nvml.Memory, error) {
	return call(d, nvml.SymbolMemory, func() (nvml.Memory, error) { return d.gpu.Memory, nil })
}

func (d *device) Temperature() (uint32, error) {
	return call(d, nvml.SymbolTemperature, func() (uint32, error) { return d.gpu.Temperature, nil })
}

func (d *device) Clock(clock nvml.Clock) (uint32, error) {
	return call(d, nvml.SymbolClock, func() (uint32, error) {
		value, supported := d.gpu.Clocks[clock]
		return known(value, supported)
	})
}

func (d *device) Throttling() (uint64, error) {
	return call(d, nvml.SymbolEventReasons, func() (uint64, error) { return d.gpu.Throttling, nil })
}
