// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// power is what has been learnt about a device's sensors.
type power struct {
	field []nvml.FieldValue // of one, so that a call allocates none
	// lacksAverage and lacksInstant say that a field is not there, so that it is not asked for each time.
	lacksAverage, lacksInstant bool
	usage                      meaning
}

func newPower() power { return power{field: make([]nvml.FieldValue, 1)} }

// meaning of nvmlDeviceGetPowerUsage, which depends on the architecture.
type meaning int

const (
	unasked meaning = iota
	mean            // of the last second
	instant
)

func (d *device) Energy() (uint64, error) {
	if err := d.begin(SymbolEnergy); err != nil {
		return 0, err
	}
	millijoules, ret := d.handle.GetTotalEnergyConsumption()
	return millijoules, d.end(SymbolEnergy, ret)
}

func (d *device) MaxPowerLimit() (uint32, error) {
	if err := d.begin(SymbolMaxPowerLimit); err != nil {
		return 0, err
	}
	_, most, ret := d.handle.GetPowerManagementLimitConstraints()
	return most, d.end(SymbolMaxPowerLimit, ret)
}

func (d *device) EnforcedPowerLimit() (uint32, error) {
	if err := d.begin(SymbolEnforcedPowerLimit); err != nil {
		return 0, err
	}
	limit, ret := d.handle.GetEnforcedPowerLimit()
	return limit, d.end(SymbolEnforcedPowerLimit, ret)
}

// AveragePower of a driver without the field is what nvmlDeviceGetPowerUsage says, where that is a mean.
func (d *device) AveragePower(scope Scope) (uint32, error) {
	if scope != GPU {
		return d.readField(SymbolAveragePower, nvml.FI_DEV_POWER_AVERAGE, scope)
	}
	if !d.power.lacksAverage {
		value, err := d.readField(SymbolAveragePower, nvml.FI_DEV_POWER_AVERAGE, scope)
		if !isLacking(err) {
			return value, err
		}
		d.power.lacksAverage = true
	}
	switch usage, err := d.powerUsageMeaning(); {
	case err != nil:
		return 0, err
	case usage != mean:
		return 0, fmt.Errorf("%s: %w", SymbolAveragePower, NotSupported)
	}
	return d.powerUsage()
}

// InstantPower of a driver without the field is what nvmlDeviceGetPowerUsage says. On Ampere and later that
// is a mean, except on the GA100.
func (d *device) InstantPower(scope Scope) (uint32, error) {
	if scope != GPU {
		return d.readField(SymbolInstantPower, nvml.FI_DEV_POWER_INSTANT, scope)
	}
	if !d.power.lacksInstant {
		value, err := d.readField(SymbolInstantPower, nvml.FI_DEV_POWER_INSTANT, scope)
		if !isLacking(err) {
			return value, err
		}
		d.power.lacksInstant = true
	}
	return d.powerUsage()
}

func isLacking(err error) bool {
	return errors.Is(err, NotSupported) || errors.Is(err, FunctionNotFound)
}

// readField has two results of the driver: that of the call, and that of the field.
func (d *device) readField(symbol string, id uint32, scope Scope) (uint32, error) {
	if err := d.begin(symbol); err != nil {
		return 0, err
	}
	field := &d.power.field[0]
	*field = nvml.FieldValue{FieldId: id, ScopeId: uint32(scope)}
	ret := d.handle.GetFieldValues(d.power.field)
	if ret == nvml.SUCCESS {
		ret = nvml.Return(field.NvmlReturn)
		// A driver that does not know the field says that the argument is wrong; that of the call is good.
		if ret == nvml.ERROR_INVALID_ARGUMENT {
			ret = nvml.ERROR_NOT_SUPPORTED
		}
	}
	if err := d.end(symbol, ret); err != nil {
		return 0, err
	}
	value, err := milliwatts(nvml.ValueType(field.ValueType), field.Value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", symbol, err)
	}
	// Scopes that a board lacks are 0 with some drivers, instead of not supported.
	if value == 0 && scope != GPU {
		return 0, fmt.Errorf("%s: %w", symbol, NotSupported)
	}
	return value, nil
}

func (d *device) powerUsage() (uint32, error) {
	if err := d.begin(SymbolPowerUsage); err != nil {
		return 0, err
	}
	value, ret := d.handle.GetPowerUsage()
	return value, d.end(SymbolPowerUsage, ret)
}

// powerUsageMeaning goes by the compute capability, which is 8.0 for the GA100 alone (A100, A30, A800) and
// above it for all that is newer: https://developer.nvidia.com/cuda-gpus. That nvmlDeviceGetPowerUsage is a
// mean on Ampere and newer, except on the GA100, is in nvml.h.
func (d *device) powerUsageMeaning() (meaning, error) {
	if d.power.usage == unasked {
		if err := d.begin(SymbolComputeCapability); err != nil {
			return unasked, err
		}
		major, minor, ret := d.handle.GetCudaComputeCapability()
		if err := d.end(SymbolComputeCapability, ret); err != nil {
			return unasked, err
		}
		d.power.usage = usageOf(major, minor)
	}
	return d.power.usage, nil
}

func usageOf(major, minor int) meaning {
	if major > 8 || major == 8 && minor > 0 {
		return mean
	}
	return instant
}

// milliwatts decodes an nvmlValue_t. All systems with NVIDIA drivers are little endian.
func milliwatts(of nvml.ValueType, bytes [8]byte) (uint32, error) {
	value := binary.LittleEndian.Uint64(bytes[:])
	switch of {
	case nvml.VALUE_TYPE_UNSIGNED_INT:
		return uint32(value), nil
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		return uint32(uint16(value)), nil
	case nvml.VALUE_TYPE_SIGNED_INT:
		value = uint64(int64(int32(value))) // #nosec G115 -- what is negative is too large below
	case nvml.VALUE_TYPE_DOUBLE:
		float := math.Float64frombits(value)
		if !(float >= 0 && float <= math.MaxUint32) {
			return 0, fmt.Errorf("%w: a power of %v mW", Unknown, float)
		}
		return uint32(math.Round(float)), nil
	case nvml.VALUE_TYPE_UNSIGNED_LONG, nvml.VALUE_TYPE_UNSIGNED_LONG_LONG, nvml.VALUE_TYPE_SIGNED_LONG_LONG:
	default:
		return 0, fmt.Errorf("%w: a power of type %d", Unknown, of)
	}
	if value > math.MaxUint32 {
		return 0, fmt.Errorf("%w: a power of %d mW", Unknown, value)
	}
	return uint32(value), nil
}
