// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// columns are those of a line of /proc/stat, in hundredths of a second: user, nice, system,
// idle, iowait, irq, softirq, steal, guest, guest_nice.
type columns [10]uint64

func (k columns) String() string { return strings.Trim(fmt.Sprint([10]uint64(k)), "[]") }

func writeStat(t require.TestingT, root string, cpus int, k columns) {
	var content strings.Builder
	fmt.Fprintln(&content, "cpu ", k)
	for i := range cpus {
		fmt.Fprintf(&content, "cpu%d %v\n", i, k)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/stat"), []byte(content.String()), 0o600))
}

func newModel(root string, idle, most float64) *cpuModel {
	return &cpuModel{ModelConfig: ModelConfig{IdlePowerPerCPU: idle, MaxPowerPerCPU: most}, proc: filepath.Join(root, "proc")}
}

func TestModelCountsBusyTime(t *testing.T) {
	const idle, most, cpus, seconds = 0.74, 3.5, 4, 100
	base := columns{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}
	for i, tt := range []struct {
		column string
		busy   bool
	}{
		{"user", true},
		{"nice", true},
		{"system", true},
		{"idle", false},
		{"iowait", false},
		{"irq", true},
		{"softirq", true},
		{"steal", false},
		{"guest", false}, // in user as well
		{"guest_nice", false},
	} {
		t.Run(tt.column, func(t *testing.T) {
			root, now := t.TempDir(), time.Now()
			m := newModel(root, idle, most)
			writeStat(t, root, cpus, base)
			outcome, err := m.read(now)
			require.NoError(t, err)
			require.Equal(t, joule.First, outcome)
			require.Zero(t, m.joules())

			later := base
			later[i] += 5000 // 50 s
			writeStat(t, root, cpus, later)
			_, err = m.read(now.Add(seconds * time.Second))
			require.NoError(t, err)
			want := idle * cpus * seconds
			if tt.busy {
				want += (most - idle) * 50
			}
			assert.InEpsilon(t, want, m.joules(), 1e-12)
		})
	}
}

// The estimate is the formula over the kernel's own counters, however often it is read.
func TestModelIsExact(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		cpus := rapid.IntRange(1, 256).Draw(t, "cpus")
		idle := rapid.Float64Range(0, 5).Draw(t, "idle")
		most := idle + rapid.Float64Range(0, 10).Draw(t, "dynamic")
		k := columns{rapid.Uint64Range(0, 1<<40).Draw(t, "first"), 0, 0, 1}
		m := newModel(root, idle, most)
		begin := time.Now()
		now, busy := begin, uint64(0)
		writeStat(t, root, cpus, k)
		_, err := m.read(now)
		require.NoError(t, err)
		for range rapid.IntRange(1, 20).Draw(t, "readings") {
			elapsed := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "elapsed"))
			added := rapid.Uint64Range(0, uint64(float64(cpus)*elapsed.Seconds()*100)).Draw(t, "busy")
			now = now.Add(elapsed)
			busy += added
			k[0] += added
			writeStat(t, root, cpus, k)
			outcome, err := m.read(now)
			require.NoError(t, err)
			require.Equal(t, joule.Counted, outcome)
		}
		online := float64(cpus) * now.Sub(begin).Truncate(time.Microsecond).Seconds()
		want := idle*online + (most-idle)*float64(busy)/100
		require.InDelta(t, want, m.joules(), 1e-9+want*1e-12)
	})
}

func TestModelRefusesMoreTimeThanThereIs(t *testing.T) {
	root, now := t.TempDir(), time.Now()
	m := newModel(root, 1, 2)
	writeStat(t, root, 2, columns{100, 0, 0, 100})
	_, err := m.read(now)
	require.NoError(t, err)
	writeStat(t, root, 2, columns{100_000_000, 0, 0, 100})
	outcome, err := m.read(now.Add(10 * time.Second))
	require.NoError(t, err)
	require.Equal(t, joule.Rejected, outcome)
	require.Zero(t, m.joules())

	// The next good reading counts the whole time.
	writeStat(t, root, 2, columns{1100, 0, 0, 1100})
	outcome, err = m.read(now.Add(20 * time.Second))
	require.NoError(t, err)
	require.Equal(t, joule.Counted, outcome)
	assert.InEpsilon(t, 1*2*20.0+1*10, m.joules(), 1e-12)
}

func TestModelWithoutReadings(t *testing.T) {
	root := t.TempDir()
	_, err := newModel(root, 1, 2).read(time.Now())
	require.ErrorContains(t, err, "proc")

	writeStat(t, root, 2, columns{})
	_, err = newModel(root, 1, 2).read(time.Now())
	require.ErrorContains(t, err, "holds no CPU time")

	writeStat(t, root, 0, columns{1, 1, 1, 1})
	_, err = newModel(root, 1, 2).read(time.Now())
	require.ErrorContains(t, err, "holds no CPU time")

	write(t, filepath.Join(root, "proc/stat"), "cpu x\n")
	_, err = newModel(root, 1, 2).read(time.Now())
	require.Error(t, err)
}

func TestReadCPUInfo(t *testing.T) {
	for name, want := range map[string]cpuInfo{
		"client": {model: "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz"},
		"amd":    {model: "AMD EPYC 7763 64-Core Processor", amd: true},
		"vm":     {model: "AMD EPYC", amd: true, virtual: true},
	} {
		assert.Equal(t, want, readCPUInfo(filepath.Join(tree(t, name), "proc/cpuinfo")), name)
	}
	unknown := readCPUInfo(filepath.Join(t.TempDir(), "cpuinfo"))
	assert.Zero(t, unknown)
	assert.Equal(t, "CPU", unknown.name())
}
