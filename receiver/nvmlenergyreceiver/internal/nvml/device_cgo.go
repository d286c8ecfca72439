// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import "github.com/NVIDIA/go-nvml/pkg/nvml"

// device makes its calls one after the other, those of its instances included: they share buffers.
type device struct {
	session *session
	watch   *Watch
	handle  nvml.Device
	lists   lists
	power   power
	gpm     gpm
	events  *eventSet // nil until there was a call of Events
}

func newDevice(s *session, w *Watch, handle nvml.Device) *device {
	return &device{session: s, watch: w, handle: handle, power: newPower()}
}

// begin starts a call, unless the library lacks it.
func (d *device) begin(symbol string) error {
	if err := d.session.lacks(symbol); err != nil {
		return err
	}
	d.watch.Begin(symbol)
	return nil
}

// end is what became of a call that has begun.
func (d *device) end(symbol string, ret nvml.Return) error {
	d.watch.End()
	return result(symbol, ret)
}

func (d *device) UUID() (string, error) {
	if err := d.begin(SymbolUUID); err != nil {
		return "", err
	}
	uuid, ret := d.handle.GetUUID()
	return uuid, d.end(SymbolUUID, ret)
}

func (d *device) Name() (string, error) {
	if err := d.begin(SymbolName); err != nil {
		return "", err
	}
	name, ret := d.handle.GetName()
	return name, d.end(SymbolName, ret)
}

func (d *device) Minor() (int, error) {
	if err := d.begin(SymbolMinor); err != nil {
		return 0, err
	}
	minor, ret := d.handle.GetMinorNumber()
	return minor, d.end(SymbolMinor, ret)
}

func (d *device) ModuleID() (uint32, error) {
	if err := d.begin(SymbolModuleID); err != nil {
		return 0, err
	}
	id, ret := d.handle.GetModuleId()
	return uint32(id), d.end(SymbolModuleID, ret)
}

func (d *device) Utilization() (Utilization, error) {
	if err := d.begin(SymbolUtilization); err != nil {
		return Utilization{}, err
	}
	rates, ret := d.handle.GetUtilizationRates()
	return Utilization{GPU: rates.Gpu, Memory: rates.Memory}, d.end(SymbolUtilization, ret)
}

func (d *device) EncoderUtilization() (uint32, error) {
	if err := d.begin(SymbolEncoder); err != nil {
		return 0, err
	}
	percent, _, ret := d.handle.GetEncoderUtilization()
	return percent, d.end(SymbolEncoder, ret)
}

func (d *device) DecoderUtilization() (uint32, error) {
	if err := d.begin(SymbolDecoder); err != nil {
		return 0, err
	}
	percent, _, ret := d.handle.GetDecoderUtilization()
	return percent, d.end(SymbolDecoder, ret)
}

func (d *device) Memory() (Memory, error) {
	if err := d.begin(SymbolMemory); err != nil {
		return Memory{}, err
	}
	info, ret := d.handle.GetMemoryInfo()
	return Memory{Used: info.Used, Total: info.Total}, d.end(SymbolMemory, ret)
}

// Temperature uses a function whose successor nvmlDeviceGetTemperatureV is missing in many drivers in use.
func (d *device) Temperature() (uint32, error) {
	if err := d.begin(SymbolTemperature); err != nil {
		return 0, err
	}
	celsius, ret := d.handle.GetTemperature(nvml.TEMPERATURE_GPU)
	return celsius, d.end(SymbolTemperature, ret)
}

func (d *device) Clock(clock Clock) (uint32, error) {
	if err := d.begin(SymbolClock); err != nil {
		return 0, err
	}
	megahertz, ret := d.handle.GetClockInfo(nvml.ClockType(clock))
	return megahertz, d.end(SymbolClock, ret)
}

// Throttling has the same bits under both names. The newer one came with driver 535.
func (d *device) Throttling() (uint64, error) {
	if d.session.library.has[SymbolEventReasons] {
		if err := d.begin(SymbolEventReasons); err != nil {
			return 0, err
		}
		reasons, ret := d.handle.GetCurrentClocksEventReasons()
		return reasons, d.end(SymbolEventReasons, ret)
	}
	if err := d.begin(SymbolThrottleReasons); err != nil {
		return 0, err
	}
	reasons, ret := d.handle.GetCurrentClocksThrottleReasons()
	return reasons, d.end(SymbolThrottleReasons, ret)
}

// Close is safe after the driver was closed.
func (d *device) Close() {
	if d.events == nil {
		return
	}
	d.watch.Begin(SymbolEventFree)
	defer d.watch.End()
	d.session.release(d.events)
	d.events = nil
}
