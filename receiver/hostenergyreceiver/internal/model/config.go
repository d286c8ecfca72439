// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import "fmt"

// Config of the model. All of it is optional: what is 0 or empty is found out.
type Config struct {
	// CPU is the name of a CPU in data/cpus.csv, to be used instead of the one that was detected.
	CPU string `mapstructure:"cpu"`

	// HostShare is how much of its host's CPU packages a virtual machine has: 0.25 is a quarter of one package, 2 is
	// all of a host with two. 0 takes each virtual CPU for one thread of the host's.
	HostShare float64 `mapstructure:"host_share"`

	// IdlePowerPerCPU is what each online logical CPU draws when idle, in W. 0 to take it from the table; if only the
	// maximum is given, in proportion to it.
	IdlePowerPerCPU float64 `mapstructure:"idle_power_per_cpu"`

	// MaxPowerPerCPU is what each online logical CPU draws when all are busy, in W. 0 to take it from the table; if only
	// the idle power is given, in proportion to it.
	MaxPowerPerCPU float64 `mapstructure:"max_power_per_cpu"`

	// MemoryPowerPerGiB is what memory draws at all times, in W for each GiB. 0 for the built-in estimate.
	MemoryPowerPerGiB float64 `mapstructure:"memory_power_per_gib"`
}

// Validate refuses what no machine has.
func (c Config) Validate() error {
	if c.CPU != "" {
		if _, ok := cpus().named(c.CPU); !ok {
			return fmt.Errorf("cpu: %q is not in the table of CPUs; accepted is a name in it such as %q, or nothing to detect it", c.CPU, "EPYC 9654")
		}
	}
	for _, limit := range []struct {
		key         string
		value, most float64
		unit        string
	}{
		{"host_share", c.HostShare, maxHostShare, " packages"},
		{"idle_power_per_cpu", c.IdlePowerPerCPU, maxPower, " W"},
		{"max_power_per_cpu", c.MaxPowerPerCPU, maxPower, " W"},
		{"memory_power_per_gib", c.MemoryPowerPerGiB, maxMemoryPower, " W"},
	} {
		// The negated comparison refuses NaN as well.
		if !(limit.value >= 0 && limit.value <= limit.most) {
			return fmt.Errorf("%s: %v%s is not between 0 (found out) and %v", limit.key, limit.value, limit.unit, limit.most)
		}
	}
	if c.MaxPowerPerCPU > 0 && c.MaxPowerPerCPU < c.IdlePowerPerCPU {
		return fmt.Errorf("max_power_per_cpu: %v W is below idle_power_per_cpu, %v W; accepted is 0 (found out) or at least that", c.MaxPowerPerCPU, c.IdlePowerPerCPU)
	}
	if c.HostShare > 0 && (c.IdlePowerPerCPU > 0 || c.MaxPowerPerCPU > 0) {
		return fmt.Errorf("host_share: %v has no effect beside idle_power_per_cpu or max_power_per_cpu; accepted is either", c.HostShare)
	}
	return nil
}

const (
	// maxPower of a logical CPU, in W, is twice the power of the largest whole package on sale (500 W in 2026).
	maxPower = 1000.0
	// maxHostShare is the largest number of packages in one machine that Linux servers are sold with.
	maxHostShare = 32.0
	// maxMemoryPower, in W/GiB, is several times what the smallest modules draw.
	maxMemoryPower = 10.0
)
