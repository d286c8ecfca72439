// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// kind of CPU, which its curve depends on.
type kind struct {
	// idle and max power, as parts of the TDP.
	idle, max float64
	// uncertainty is the relative standard uncertainty of the power of a CPU whose TDP is known, and why it is that.
	uncertainty float64
	reason      string
}

// Teads' runs are those with 60 repetitions, for the curves, and all for the uncertainty (TestUncertaintyCovers...).
var (
	// xeon: the mean of the six CPUs that Teads measured and whose TDP is known (0.117 and 1.026).
	xeon = kind{0.12, 1.02, 0.30, "runs of Teads on the same CPUs differ as much"}
	// epyc: package power of 65 W (Rome, TDP 225 W) and 100 W (Milan, TDP 280 W) when idle, close to the TDP under load
	// (AnandTech, AMD Epyc Milan Review, 2021, page 5). I/O dies do not sleep.
	epyc = kind{0.30, 1.00, 0.40, "a judgement: idle is known for two CPUs only"}
	// arm servers: idle 30 to 50 W at 250 W (the same page, on Ampere).
	arm = kind{0.16, 1.00, 0.40, "a judgement: idle is known for one CPU only"}
	// client: a few watts idle, and their TDP for as long as the cooling takes it.
	client = kind{0.05, 1.00, 0.50, "a judgement: boost and firmware limits differ as much"}
)

func kindOf(class string) kind {
	switch class {
	case "client":
		return client
	case "arm":
		return arm
	case "naples", "rome", "milan", "genoa", "bergamo", "siena", "turin", "turin-dense", "workstation":
		return epyc
	}
	return xeon
}

// classOf a CPU that is not in the table by name: cloud providers show "AMD EPYC" or "Intel(R) Xeon(R) CPU @ 2.20GHz".
func classOf(m Machine) (class string, known bool) {
	if m.ARM {
		return "arm", true
	}
	model := strings.ToUpper(m.Model)
	if strings.Contains(model, "EPYC") {
		for _, g := range generations {
			if g.intel || g.family != m.Family || m.Number < g.from || m.Number > g.to {
				continue
			}
			return g.class, true
		}
		return "", false
	}
	if strings.Contains(model, "XEON") {
		for _, g := range generations {
			if g.intel && g.family == m.Family && m.Number >= g.from && m.Number <= g.to && m.Stepping >= g.stepping {
				return g.class, true
			}
		}
		return "", false
	}
	for _, name := range []string{"CORE", "RYZEN", "PENTIUM", "CELERON", "ATHLON", "ULTRA"} {
		if strings.Contains(model, name) {
			return "client", true
		}
	}
	return "", false
}

// generations by what CPUID says. Intel: Linux, arch/x86/include/asm/intel-family.h; 0x55 is Skylake, and Cascade or
// Cooper Lake from stepping 5 on. AMD: arch/x86/kernel/cpu/amd.c tells generations of Zen apart by such ranges, and in
// them those named EPYC are the servers'.
var generations = []struct {
	intel    bool
	family   int
	from, to int
	stepping int // the least
	class    string
}{
	{true, 6, 0x3f, 0x3f, 0, "haswell"},
	{true, 6, 0x4f, 0x4f, 0, "broadwell"},
	{true, 6, 0x55, 0x55, 5, "cascadelake"},
	{true, 6, 0x55, 0x55, 0, "skylake"},
	{true, 6, 0x6a, 0x6c, 0, "icelake"},
	{true, 6, 0x8f, 0x8f, 0, "sapphirerapids"},
	{true, 6, 0xcf, 0xcf, 0, "emeraldrapids"},
	{true, 6, 0xad, 0xae, 0, "graniterapids"},
	{true, 6, 0xaf, 0xaf, 0, "sierraforest"},
	{false, 23, 0x00, 0x0f, 0, "naples"},
	{false, 23, 0x30, 0x3f, 0, "rome"},
	{false, 25, 0x00, 0x0f, 0, "milan"},
	{false, 25, 0x10, 0x1f, 0, "genoa"},
	{false, 25, 0xa0, 0xaf, 0, "bergamo"},
	{false, 26, 0x00, 0x0f, 0, "turin"},
	{false, 26, 0x10, 0x1f, 0, "turin-dense"},
}
