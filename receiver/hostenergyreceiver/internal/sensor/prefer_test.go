// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPreferredHost(t *testing.T) {
	var sources []Source
	for _, driver := range []Driver{Battery, Estimated, Perf, Powercap, ACPI, IPMI, Redfish} {
		sources = append(sources, Source{ID: string(driver), Scope: Host, Driver: driver})
		chosen, _ := Preferred(sources)
		require.Len(t, chosen, 1)
		if driver != Estimated {
			assert.Equal(t, driver, chosen[0].Driver, "each is better than those before")
		}
	}
}

// A package is preferred to its module, and the module told where there is nothing else of it.
func TestPreferredModule(t *testing.T) {
	module := Source{ID: "module-0", Scope: Module, Driver: HWMon}
	cpu := Source{ID: "package-0", Parent: "module-0", Scope: Package, Driver: HWMon}
	other := Source{ID: "package-1", Parent: "module-1", Scope: Package, Driver: HWMon}
	chosen, spare := Preferred([]Source{module, cpu, other})
	assert.Equal(t, []Source{cpu, other}, chosen)
	assert.Equal(t, []Source{module}, spare)
	chosen, _ = Preferred([]Source{module, other})
	assert.Equal(t, []Source{module, other}, chosen)
}

// Of whatever sources of whatever machines, those chosen do not overlap, and each other one overlaps one that is chosen
// by a driver that is not worse.
func TestPreferredNeverOverlaps(t *testing.T) {
	pool := []Source{
		{ID: "package-0-die-0", Scope: Package, Driver: Powercap},
		{ID: "package-0-die-1", Scope: Package, Driver: Powercap},
		{ID: "package-0-die-0/dram", Parent: "package-0-die-0", Scope: DRAM, Driver: Powercap},
		{ID: "redfish", Scope: Host, Driver: Redfish},
		{ID: "ipmi", Scope: Host, Driver: IPMI},
	}
	for _, name := range machines(t) {
		sources, _ := Detect(newBox(t, name).Machine)
		pool = append(pool, sources...)
	}
	rapid.Check(t, func(t *rapid.T) {
		var some []Source
		have := map[[2]string]bool{}
		for _, s := range rapid.SliceOf(rapid.SampledFrom(pool)).Draw(t, "sources") {
			if key := [2]string{s.ID, string(s.Driver)}; !have[key] {
				have[key] = true
				some = append(some, s)
			}
		}
		chosen, spare := Preferred(some)
		require.ElementsMatch(t, some, append(append([]Source{}, chosen...), spare...))
		hosts := 0
		for i, a := range chosen {
			if a.Scope == Host {
				hosts++
			}
			for _, b := range chosen[:i] {
				require.NotEqual(t, a.ID, b.ID)
				if a.counted() && b.counted() {
					require.False(t, a.Scope == Module && b.Parent == a.ID, "%s is in %s", b.ID, a.ID)
					require.False(t, b.Scope == Module && a.Parent == b.ID, "%s is in %s", a.ID, b.ID)
				}
			}
		}
		require.LessOrEqual(t, hosts, 1)
		for _, s := range spare {
			better := false
			for _, c := range chosen {
				better = better || s.overlaps(c) && c.rank() <= s.rank()
			}
			require.True(t, better, "%s by %s is spare to nothing", s.ID, s.Driver)
		}
	})
}
