// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

func TestFindZones(t *testing.T) {
	for name, want := range map[string][]zone{
		"client": {
			{id: "package-0", scope: scopePackage, dir: "intel-rapl:0"},
			{id: "package-0/core", parent: "package-0", scope: scopeCore, dir: "intel-rapl:0:0"},
			{id: "package-0/uncore", parent: "package-0", scope: scopeUncore, dir: "intel-rapl:0:1"},
			{id: "psys", scope: scopePsys, dir: "intel-rapl:1"},
		},
		"server": {
			{id: "package-0", scope: scopePackage, dir: "intel-rapl:0"},
			{id: "package-0/dram", parent: "package-0", scope: scopeDRAM, dir: "intel-rapl:0:0"},
			{id: "package-1-die-0", scope: scopePackage, dir: "intel-rapl:1"},
			{id: "package-1-die-0/dram", parent: "package-1-die-0", scope: scopeDRAM, dir: "intel-rapl:1:0"},
			{id: "package-1-die-1", scope: scopePackage, dir: "intel-rapl:2"},
			{id: "package-1-die-1/dram", parent: "package-1-die-1", scope: scopeDRAM, dir: "intel-rapl:2:0"},
			{id: "psys-1", scope: scopePsys, dir: "intel-rapl:3"},
		},
		"amd": {
			{id: "package-0", scope: scopePackage, dir: "intel-rapl:0"},
			{id: "package-0/core", parent: "package-0", scope: scopeCore, dir: "intel-rapl:0:0"},
		},
		"vm": nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(tree(t, name), powercap)
			for i := range want {
				want[i].dir = filepath.Join(dir, want[i].dir)
			}
			zones, err := findZones(dir)
			require.NoError(t, err)
			assert.Equal(t, want, zones)
		})
	}
}

func TestFindZonesByMMIOAlone(t *testing.T) {
	root := tree(t, "client")
	for _, zone := range []string{"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:1"} {
		require.NoError(t, os.RemoveAll(filepath.Join(root, powercap, zone)))
	}
	zones, err := findZones(filepath.Join(root, powercap))
	require.NoError(t, err)
	require.Len(t, zones, 1)
	assert.Equal(t, "package-0", zones[0].id)
	assert.True(t, strings.HasSuffix(zones[0].dir, "intel-rapl-mmio:0"))
}

func TestFindZonesWithoutPowercap(t *testing.T) {
	zones, err := findZones(filepath.Join(t.TempDir(), powercap))
	require.NoError(t, err)
	assert.Empty(t, zones)
}

type golden struct {
	Counter []struct {
		Src                     string
		Range, Prev, Cur, Delta uint64
	}
	WrapSeconds []struct {
		ESU  int
		W, S float64
	} `json:"rapl_wrap_seconds"`
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	content, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &g))
	require.NotEmpty(t, g.Counter)
	require.NotEmpty(t, g.WrapSeconds)
	return g
}

func TestGoldenCounter(t *testing.T) {
	for _, v := range readGolden(t).Counter {
		t.Run(v.Src, func(t *testing.T) {
			raw := v.Prev
			c := newCounter(v.Range, &raw)
			now := time.Now()
			outcome, err := c.read(now)
			require.NoError(t, err)
			require.Equal(t, joule.First, outcome)
			raw = v.Cur
			outcome, err = c.read(now.Add(time.Second))
			require.NoError(t, err)
			assert.Equal(t, joule.Wrapped, outcome)
			assert.Equal(t, v.Delta, c.counter.Total())
			assert.InEpsilon(t, float64(v.Delta)/1e6, c.joules(), 1e-12)
		})
	}
}

func TestGoldenWrapSeconds(t *testing.T) {
	for _, v := range readGolden(t).WrapSeconds {
		rangeUJ := math.Exp2(32) / math.Exp2(float64(v.ESU)) * 1e6
		assert.InEpsilon(t, v.S, wrapSeconds(uint64(rangeUJ), v.W), 1e-12)
	}
}

// Whatever the load, the range and the moments of reading: as long as no two are further apart than
// a quarter of the shortest wrap time, the total is what the hardware counted.
func TestCounterFollowsWraps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rangeUJ := rapid.Uint64Range(1e9, 1<<42).Draw(t, "range")
		quarter := wrapSeconds(rangeUJ, scopePackage.maxPower()) / 4
		burnt := rapid.Uint64Range(0, rangeUJ-1).Draw(t, "first")
		first, now := burnt, time.Unix(0, 0)
		raw := burnt
		c := newCounter(rangeUJ, &raw)
		_, err := c.read(now)
		require.NoError(t, err)
		for range rapid.IntRange(1, 50).Draw(t, "readings") {
			seconds := rapid.Float64Range(0, quarter).Draw(t, "seconds")
			watts := rapid.Float64Range(0, scopePackage.maxPower()).Draw(t, "watts")
			now = now.Add(time.Duration(seconds * 1e9))
			burnt += uint64(watts * seconds * 1e6)
			raw = burnt % rangeUJ
			outcome, err := c.read(now)
			require.NoError(t, err)
			require.Contains(t, []joule.Outcome{joule.Counted, joule.Wrapped}, outcome)
			require.Equal(t, burnt-first, c.counter.Total())
		}
	})
}

// After a silence in which a wrap may hide, counting goes on; what was in between is not guessed.
func TestGap(t *testing.T) {
	raw := uint64(1e6)
	st := &stream{sensor: newCounter(262143328850, &raw)}
	now := time.Now()
	for _, step := range []struct {
		later  time.Duration
		raw    uint64
		reason metadata.AttributeReason
		joules float64
	}{
		{0, 1e6, 0, 0},
		{time.Minute, 3e6, 0, 2},
		{time.Hour, 4e6, metadata.AttributeReasonGap, 2},
		{time.Hour + time.Minute, 9e6, 0, 7},
	} {
		raw = step.raw
		reason, err := st.observe(now.Add(step.later))
		require.NoError(t, err)
		assert.Equal(t, step.reason, reason)
		assert.True(t, st.current)
		assert.InDelta(t, step.joules, st.joules(), 1e-12)
	}
}

func TestCounterRefusesNoRange(t *testing.T) {
	raw := uint64(1)
	c := newCounter(0, &raw)
	_, err := c.read(time.Now())
	require.ErrorContains(t, err, "max_energy_range_uj is 0")
}

func TestReadUint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "energy_uj")
	_, err := readUint(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	write(t, file, "12a\n")
	_, err = readUint(file)
	require.ErrorContains(t, err, file)
	write(t, file, "18446744073709551615\n")
	value, err := readUint(file)
	require.NoError(t, err)
	assert.Equal(t, uint64(math.MaxUint64), value)
}

func newCounter(rangeUJ uint64, raw *uint64) *raplCounter {
	z := zone{id: "package-0", scope: scopePackage}
	return newRAPLStream(z, cpuInfo{}, func(path string) (uint64, error) {
		if filepath.Base(path) == "max_energy_range_uj" {
			return rangeUJ, nil
		}
		return *raw, nil
	}).sensor.(*raplCounter)
}
