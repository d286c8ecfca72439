// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

var (
	_ sensor.Sensor = (*CPU)(nil)
	_ sensor.Sensor = (*Memory)(nil)
)

var start = time.Now()

// columns are those of a line of /proc/stat, in hundredths of a second: user, nice, system, idle, iowait, irq, softirq,
// steal, guest, guest_nice.
type columns [10]uint64

func writeStat(t require.TestingT, root string, cpus int, k columns) {
	line := strings.Trim(fmt.Sprint([10]uint64(k)), "[]")
	var content strings.Builder
	fmt.Fprintln(&content, "cpu ", line)
	for i := range cpus {
		fmt.Fprintf(&content, "cpu%d %v\n", i, line)
	}
	write(t, filepath.Join(root, "proc/stat"), content.String())
}

// newTestCPU has 1 W for each CPU when idle and 5 W at full load.
func newTestCPU(root string) *CPU {
	cpu, _ := New(Config{IdlePowerPerCPU: 1, MaxPowerPerCPU: 5}, host.Config{RootPath: root})
	return cpu
}

func TestWhatIsBusy(t *testing.T) {
	const cpus, seconds = 4, 100
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
			root := t.TempDir()
			cpu := newTestCPU(root)
			writeStat(t, root, cpus, base)
			outcome, err := cpu.Read(start)
			require.NoError(t, err)
			require.Equal(t, joule.First, outcome)
			require.Zero(t, cpu.Microjoules())

			later := base
			later[i] += 20000 // half of 4 CPUs in 100 s
			writeStat(t, root, cpus, later)
			outcome, err = cpu.Read(start.Add(seconds * time.Second))
			require.NoError(t, err)
			require.Equal(t, joule.Counted, outcome)
			want := 1e6 * cpus * seconds * 1.0
			if tt.busy {
				want += 1e6 * cpus * seconds * 4 * 0.69
			}
			assert.InDelta(t, want, float64(cpu.Microjoules()), 2)
		})
	}
}

// An interval of constant utilisation may be split anywhere, and read by others in between.
func TestSplittingChangesNothing(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		cpus := rapid.IntRange(1, 64).Draw(t, "cpus")
		perSecond := rapid.IntRange(0, 100*cpus).Draw(t, "ticks a second")
		steps := rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 20).Draw(t, "seconds")
		writeStat(t, root, cpus, columns{1000, 0, 0, 1000})
		cpu := newTestCPU(root)
		_, err := cpu.Read(start)
		require.NoError(t, err)
		at := 0
		var before uint64
		for _, seconds := range steps {
			at += seconds
			writeStat(t, root, cpus, columns{1000 + uint64(at*perSecond), 0, 0, 1000})
			outcome, err := cpu.Read(start.Add(time.Duration(at) * time.Second))
			require.NoError(t, err)
			require.Equal(t, joule.Counted, outcome)
			require.GreaterOrEqual(t, cpu.Microjoules(), before)
			before = cpu.Microjoules()
		}
		u := float64(perSecond) / float64(100*cpus)
		want := 1e6 * float64(at*cpus) * (1 + 4*packageShape.part(u))
		require.InDelta(t, want, float64(cpu.Microjoules()), 2+want*1e-9)
	})
}

// Whatever the load does, the energy is between idle and maximum power.
func TestEnergyIsBounded(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		cpus := rapid.IntRange(1, 8).Draw(t, "cpus")
		writeStat(t, root, cpus, columns{1000, 0, 0, 1000})
		cpu := newTestCPU(root)
		_, err := cpu.Read(start)
		require.NoError(t, err)
		counted, seconds, busy := 0.0, 0.0, uint64(1000)
		for range rapid.IntRange(1, 20).Draw(t, "readings") {
			step := rapid.Float64Range(0.01, 100).Draw(t, "seconds")
			seconds += step
			busy += rapid.Uint64Range(0, uint64(200*step*float64(cpus))).Draw(t, "busy") // up to twice what can be
			writeStat(t, root, cpus, columns{busy, 0, 0, 1000})
			outcome, err := cpu.Read(start.Add(time.Duration(seconds * 1e9)))
			require.NoError(t, err)
			if outcome.Accepted() {
				counted = seconds
			}
			require.GreaterOrEqual(t, float64(cpu.Microjoules()), 1e6*counted*float64(cpus)-2-counted)
			require.LessOrEqual(t, float64(cpu.Microjoules()), 5e6*counted*float64(cpus)+2+counted)
		}
	})
}

// A tick too much in one interval is not lost.
func TestExcessIsCarried(t *testing.T) {
	root := t.TempDir()
	cpu := newTestCPU(root)
	writeStat(t, root, 1, columns{1000, 0, 0, 1000})
	_, err := cpu.Read(start)
	require.NoError(t, err)
	writeStat(t, root, 1, columns{1110, 0, 0, 1000})
	_, err = cpu.Read(start.Add(time.Second))
	require.NoError(t, err)
	assert.InDelta(t, 5e6, float64(cpu.Microjoules()), 2)
	writeStat(t, root, 1, columns{1110, 0, 0, 1090})
	_, err = cpu.Read(start.Add(2 * time.Second))
	require.NoError(t, err)
	assert.InDelta(t, 5e6+1e6*(1+4*0.22), float64(cpu.Microjoules()), 2)
}

func TestMoreTimeThanThereIs(t *testing.T) {
	root := t.TempDir()
	cpu := newTestCPU(root)
	writeStat(t, root, 2, columns{100, 0, 0, 100})
	_, err := cpu.Read(start)
	require.NoError(t, err)
	writeStat(t, root, 2, columns{100_000_000, 0, 0, 100})
	outcome, err := cpu.Read(start.Add(10 * time.Second))
	require.NoError(t, err)
	require.Equal(t, joule.Rejected, outcome)
	require.Zero(t, cpu.Microjoules())

	// The next good reading counts the whole time.
	writeStat(t, root, 2, columns{2100, 0, 0, 2100})
	outcome, err = cpu.Read(start.Add(20 * time.Second))
	require.NoError(t, err)
	require.Equal(t, joule.Counted, outcome)
	assert.InDelta(t, 1e6*2*20*(1+4*0.69), float64(cpu.Microjoules()), 2)
}

func TestNoReading(t *testing.T) {
	root := t.TempDir()
	cpu := newTestCPU(root)
	_, err := cpu.Read(start)
	require.ErrorContains(t, err, "proc")
	for content, want := range map[string]columns{"": {}, "cpu x\n": {1}} {
		if content == "" {
			writeStat(t, root, 2, want)
		} else {
			write(t, filepath.Join(root, "proc/stat"), content)
		}
		_, err = newTestCPU(root).Read(start)
		require.Error(t, err)
	}
	writeStat(t, root, 0, columns{1, 1, 1, 1})
	_, err = newTestCPU(root).Read(start)
	require.ErrorContains(t, err, "holds no CPU time")
}

// Both models get the whole of the CPU time, in whichever order and however often each is read.
func TestOneMeterForBoth(t *testing.T) {
	root := tree(t, "vm-turin")
	rapid.Check(t, func(t *rapid.T) {
		cpu, memory := New(Config{}, root)
		busy := uint64(0)
		for at := range 30 {
			writeStat(t, root.RootPath, 2, columns{busy, 0, 0, 1000})
			busy += 100
			now := start.Add(time.Duration(at) * time.Second)
			last := at == 0 || at == 29
			for _, s := range []sensor.Sensor{cpu, memory} {
				if last || rapid.Bool().Draw(t, "read") {
					_, err := s.Read(now)
					require.NoError(t, err)
				}
			}
		}
		require.InEpsilon(t, 29*cpu.times(2).at(0.5), float64(cpu.Microjoules())/1e6, 1e-6)
		require.InEpsilon(t, 29*memory.at(0.5), float64(memory.Microjoules())/1e6, 1e-6)
	})
}

func TestCurve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := curve{rapid.Float64Range(0, 100).Draw(t, "idle"), 0, rapid.SampledFrom([]shape{packageShape, memoryShape}).Draw(t, "shape")}
		c.max = c.idle + rapid.Float64Range(0, 500).Draw(t, "load")
		a, b := rapid.Float64Range(0, 1).Draw(t, "a"), rapid.Float64Range(0, 1).Draw(t, "b")
		require.InDelta(t, c.idle, c.at(0), 1e-9)
		require.InDelta(t, c.max, c.at(1), 1e-9)
		require.LessOrEqual(t, c.at(min(a, b)), c.at(max(a, b))+1e-9, "it rises")
		// Concave: a mean of two loads draws no less than the mean of their powers.
		require.GreaterOrEqual(t, c.at((a+b)/2)+1e-9, (c.at(a)+c.at(b))/2)
		require.False(t, math.IsNaN(c.at(a)))
	})
}
