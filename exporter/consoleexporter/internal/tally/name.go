// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package tally

import "strings"

// Family says what a row's energy is the energy of, and with that what it may be added to.
type Family int

const (
	// Device rows (hw.*) add up to their host.
	Device Family = iota
	// Host rows (hw.host.*) are the total of their host.
	Host
	// Inner rows (hw.energy.inner) are parts of a device.
	Inner
	// Workload rows (workload.*) are shares of devices.
	Workload
	// Other rows have names outside the contract; nothing is known about their overlap.
	Other
)

type quantity int

const (
	none quantity = iota
	energy
	power
	emissions
	alternative // emissions by another method, never added to any others
	intensity
)

// unit is the only one that the contract allows.
func (q quantity) unit() string {
	switch q {
	case energy:
		return "J"
	case power:
		return "W"
	case emissions, alternative:
		return "g"
	case intensity:
		return "g/(kW.h)"
	default:
		return ""
	}
}

// name is what a metric's name says.
type name struct {
	family   Family
	quantity quantity
	base     string // what the energy is of: hw for hw.energy and hw.emissions
	variant  string // which alternative: market_based or marginal
}

func classify(metric string) name {
	switch metric {
	case "grid.carbon_intensity":
		return name{quantity: intensity}
	case "hw.energy.inner":
		return name{family: Inner, quantity: energy, base: metric}
	}
	for _, kind := range []struct {
		suffix   string
		quantity quantity
		variant  string
	}{
		{".energy", energy, ""},
		{".power", power, ""},
		{".emissions", emissions, ""},
		{".emissions.market_based", alternative, "market-based"},
		{".emissions.marginal", alternative, "marginal"},
	} {
		if base, ok := strings.CutSuffix(metric, kind.suffix); ok && base != "" {
			return name{familyOf(base), kind.quantity, base, kind.variant}
		}
	}
	return name{}
}

func familyOf(base string) Family {
	switch base {
	case "hw":
		return Device
	case "hw.host":
		return Host
	case "workload":
		return Workload
	default:
		return Other
	}
}
