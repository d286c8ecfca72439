// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

const zones = "sys/class/powercap/"

func source(t *testing.T, m Machine, id string, driver Driver) Source {
	t.Helper()
	sources, _ := Detect(m)
	for _, s := range sources {
		if s.ID == id && s.Driver == driver {
			return s
		}
	}
	require.Failf(t, "no source", "%s by %s", id, driver)
	return Source{}
}

func idsBy(m Machine, driver Driver) (found []string) {
	sources, _ := Detect(m)
	for _, s := range sources {
		if s.Driver == driver {
			found = append(found, s.ID)
		}
	}
	return found
}

// MSR and MMIO show the same counter: it is read through the former, or through the latter where that is all there is.
func TestTwiceTheSame(t *testing.T) {
	b := newBox(t, "laptop")
	s := source(t, b.Machine, "package-0", Powercap)
	assert.Equal(t, b.path(zones+"intel-rapl:0/energy_uj"), s.Sensor.(*fileCounter).at.value)
	for _, zone := range []string{"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:1"} {
		b.remove(zones + zone)
	}
	assert.Equal(t, []string{"package-0"}, idsBy(b.Machine, Powercap))
	s = source(t, b.Machine, "package-0", Powercap)
	assert.Equal(t, b.path(zones+"intel-rapl-mmio:0/energy_uj"), s.Sensor.(*fileCounter).at.value)
}

// Some kernels show an AMD package's counter once for each die of it, see newZone.
func TestDiesOfAMDAreOnePackage(t *testing.T) {
	b := newBox(t, "amd-epyc")
	b.write(zones+"intel-rapl:0/name", "package-0-die-0")
	for _, zone := range []string{"intel-rapl:1", "intel-rapl:2"} {
		b.write(zones+zone+"/name", "package-0-die-"+zone[len(zone)-1:])
		b.write(zones+zone+"/energy_uj", "7000000")
		b.write(zones+zone+"/max_energy_range_uj", "65532610987")
	}
	assert.Equal(t, []string{"package-0"}, idsBy(b.Machine, Powercap))
	b.write("sys/bus/event_source/devices/power/cpumask", "0-1")
	b.write("sys/devices/system/cpu/cpu1/topology/die_id", "1")
	assert.Equal(t, []string{"package-0", "package-0/core"}, idsBy(b.Machine, Perf))
}

// The same parts have the same IDs by whatever driver.
func TestIDsAreTheSame(t *testing.T) {
	for _, name := range []string{"intel-client", "intel-server", "intel-dies"} {
		b := newBox(t, name)
		assert.ElementsMatch(t, idsBy(b.Machine, Powercap), idsBy(b.Machine, Perf), name)
	}
	grace, amd := newBox(t, "grace"), newBox(t, "amd-energy")
	assert.Subset(t, idsBy(grace.Machine, HWMon), idsBy(amd.Machine, HWMon))
}

// A counter that vanishes tells an error, and what it counted meanwhile is added when it is back, wherever that is.
func TestCounterVanishesAndReturns(t *testing.T) {
	b := newBox(t, "intel-server")
	dram := source(t, b.Machine, "package-0/dram", Powercap).Sensor
	now := time.Now()
	read := func(after time.Duration) (joule.Outcome, error) {
		now = now.Add(after)
		return dram.Read(now)
	}
	outcome, err := read(0)
	require.NoError(t, err)
	require.Equal(t, joule.First, outcome)

	b.remove(zones)
	_, err = read(time.Second)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "intel-rapl:0")

	// The packages are numbered the other way now: where the memory of the first was is that of the second.
	for _, z := range []struct{ dir, name, energy string }{
		{"intel-rapl:0", "package-1", "1"},
		{"intel-rapl:0:0", "dram", "4000000"},
		{"intel-rapl:1", "package-0", "1"},
		{"intel-rapl:1:0", "dram", "2500000"},
	} {
		b.write(zones+z.dir+"/name", z.name)
		b.write(zones+z.dir+"/energy_uj", z.energy)
		b.write(zones+z.dir+"/max_energy_range_uj", "65712999613")
	}
	outcome, err = read(time.Second)
	require.NoError(t, err)
	assert.Equal(t, joule.Counted, outcome)
	assert.EqualValues(t, 500_000, dram.Microjoules())

	b.write(zones+"intel-rapl:1:0/energy_uj", "2600000")
	_, err = read(time.Second)
	require.NoError(t, err)
	assert.EqualValues(t, 600_000, dram.Microjoules())

	b.write(zones+"intel-rapl:1:0/energy_uj", "2700000")
	outcome, err = read(time.Hour)
	require.NoError(t, err)
	assert.Equal(t, joule.Gap, outcome, "a wrap may hide in it")
	assert.EqualValues(t, 600_000, dram.Microjoules())
}

func TestEnergyIsADirectory(t *testing.T) {
	b := newBox(t, "intel-client")
	b.remove(zones + "intel-rapl:0/energy_uj")
	b.write(zones+filepath.Join("intel-rapl:0", "energy_uj", "file"), "1")
	assert.NotContains(t, idsBy(b.Machine, Powercap), "package-0", "what cannot be read is no source")
	assert.Contains(t, idsBy(b.Machine, Perf), "package-0")
}
