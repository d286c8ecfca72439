// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

func TestAMDEnergyAddsCores(t *testing.T) {
	const dir = hwmon + "/hwmon2/"
	b := newBox(t, "amd-energy")
	pkg, cores := source(t, b.Machine, "package-1", HWMon).Sensor, source(t, b.Machine, "package-1/core", HWMon).Sensor
	now := time.Now()
	for _, s := range []Sensor{pkg, cores} {
		outcome, err := s.Read(now)
		require.NoError(t, err)
		require.Equal(t, joule.First, outcome)
	}
	b.write(dir+"energy1_input", "900000000") // of the other package
	b.write(dir+"energy3_input", "3000300")
	b.write(dir+"energy4_input", "4000040")
	b.write(dir+"energy7_input", "60000500")
	for s, want := range map[Sensor]uint64{pkg: 500, cores: 340} {
		outcome, err := s.Read(now.Add(time.Second))
		require.NoError(t, err)
		assert.Equal(t, joule.Counted, outcome)
		assert.Equal(t, want, s.Microjoules())
	}

	// The driver was loaded again: it counts from 0, as another device.
	require.NoError(t, os.Rename(b.path(hwmon+"/hwmon2"), b.path(hwmon+"/hwmon5")))
	b.write(hwmon+"/hwmon5/energy7_input", "2000")
	outcome, err := pkg.Read(now.Add(2 * time.Second))
	require.NoError(t, err)
	assert.Equal(t, joule.Reset, outcome)
	assert.EqualValues(t, 2500, pkg.Microjoules())
}

// Esocket has the number of a NUMA node, which may have no CPU, or of a socket where there are not as many as nodes.
func TestAMDSocketsAndNodes(t *testing.T) {
	const nodes = "sys/devices/system/node/"
	packages := func(b *box) []string { return idsBy(b.Machine, HWMon)[:2] }
	b := newBox(t, "amd-energy")
	b.write(nodes+"node1/cpulist", "")
	b.remove(nodes + "node3")
	assert.Equal(t, []string{"package-0", "package-1"}, packages(b))

	b = newBox(t, "amd-energy")
	for _, file := range []string{"energy7_label", "energy8_label"} {
		b.remove(hwmon + "/hwmon2/" + file)
	}
	assert.Equal(t, []string{"package-0", "package-1"}, packages(b), "two sockets of two nodes each")
	b.remove(nodes)
	assert.Equal(t, []string{"package-0", "package-1"}, packages(b), "a kernel without NUMA")
}
