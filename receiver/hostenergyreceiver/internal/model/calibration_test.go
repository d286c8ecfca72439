// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// tables says what the table of a CPU has, in W.
var tables = curve{100, 500, packageShape}

// observe a load for some seconds on a machine with a curve of its own.
func observe(c *calibration, truth curve, utilisation, seconds, noise float64) {
	over := span{seconds: seconds, busy: seconds * utilisation, table: seconds * tables.at(utilisation)}
	if fitted, ok := c.curve(); ok {
		over.fitted = seconds * fitted.at(utilisation)
	}
	c.observe(tables, over, seconds*truth.at(utilisation)*(1+noise))
}

func TestFitRecoversIdleAndLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := curve{rapid.Float64Range(60, 180).Draw(t, "idle"), 0, packageShape}
		truth.max = truth.idle + rapid.Float64Range(250, 700).Draw(t, "load")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		outliers := rapid.Bool().Draw(t, "outliers")
		var c calibration
		for i := range 2000 {
			noise := 0.03 * random.NormFloat64()
			if outliers && i > 100 && random.Float64() < 0.01 {
				noise = 2
			}
			observe(&c, truth, square(random.Float64()), 1, noise)
		}
		fitted, ok := c.curve()
		require.True(t, ok)
		require.InEpsilon(t, truth.idle, fitted.idle, 0.02)
		require.InEpsilon(t, truth.max-truth.idle, fitted.max-fitted.idle, 0.02)
		idle, ok := c.idle()
		require.True(t, ok)
		require.InEpsilon(t, truth.idle, idle, 0.02)
	})
}

// Load that stays where it is says nothing of the rest; the fit must stay with the table in that, for however long.
func TestConstantLoadDoesNotDiverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.Float64Range(0.6, 1.6).Draw(t, "factor")
		utilisation := rapid.Float64Range(0, 1).Draw(t, "utilisation")
		truth := tables.times(factor)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var c calibration
		for range 5000 {
			observe(&c, truth, utilisation, 10, 0.02*random.NormFloat64())
		}
		fitted, ok := c.curve()
		require.True(t, ok)
		require.InEpsilon(t, truth.at(utilisation), fitted.at(utilisation), 0.01, "right where it was measured")
		require.True(t, fitted.idle >= 0 && fitted.max >= fitted.idle, "%+v", fitted)
		for _, pair := range [][2]float64{{fitted.idle, tables.idle}, {fitted.max, tables.max}} {
			require.InDelta(t, pair[1], pair[0], 1.05*pair[1], "%+v", fitted)
		}
		_, ok = c.idle()
		if utilisation > 0.3 {
			require.False(t, ok, "idle power is not known")
		}
		if utilisation < 0.005 {
			require.True(t, ok)
		}
	})
}

func TestPerfectModelHasNoError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c calibration
		for _, u := range rapid.SliceOfN(rapid.Float64Range(0, 1), 100, 200).Draw(t, "loads") {
			observe(&c, tables, u, 5, 0)
		}
		table, fitted, ok := c.errors()
		require.True(t, ok)
		require.InDelta(t, 0, table, 1e-9)
		require.InDelta(t, 0, fitted, 1e-9)
	})
}

func TestErrorIsThatOfTheEnergy(t *testing.T) {
	var c calibration
	_, _, ok := c.errors()
	require.False(t, ok)
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		observe(&c, tables.times(0.8), random.Float64(), 1, 0)
	}
	table, fitted, ok := c.errors()
	require.True(t, ok)
	assert.InDelta(t, 0.25, table, 1e-9)
	assert.InDelta(t, 0, fitted, 0.01)
}

func TestFitFollows(t *testing.T) {
	var c calibration
	random := rand.New(rand.NewPCG(1, 2))
	for _, factor := range []float64{1, 1.5, 0.7} {
		for range 300_000 {
			observe(&c, tables.times(factor), random.Float64(), 5, 0.02*random.NormFloat64())
		}
		fitted, _ := c.curve()
		assert.InEpsilon(t, factor*tables.idle, fitted.idle, 0.03)
		assert.InEpsilon(t, factor*tables.max, fitted.max, 0.03)
	}
}

// Whatever is measured, power is not negative and does not fall with load.
func TestFitIsPlausible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// From falling with load, as when something else than CPUs works, to nothing at all below half load.
		truth := curve{rapid.Float64Range(-300, 600).Draw(t, "idle"), rapid.Float64Range(1, 600).Draw(t, "max"), packageShape}
		var c calibration
		for i := range 1000 {
			observe(&c, truth, float64(i%100)/100, 5, 0)
		}
		fitted, _ := c.curve()
		require.GreaterOrEqual(t, fitted.idle, 0.0)
		require.GreaterOrEqual(t, fitted.max, fitted.idle)
		require.Less(t, fitted.max, 5*tables.max)
	})
}

func TestNonsenseIsNotFitted(t *testing.T) {
	var c calibration
	for _, joules := range []float64{0, -1, math.NaN(), math.Inf(1), 1e9} {
		c.observe(tables, span{seconds: 100, table: 1}, joules)
	}
	assert.Zero(t, c)
}

// The machine's own curve, that of another CPU than the table says, replaces the table's when the counters vanish.
func TestCalibratedCPU(t *testing.T) {
	root := t.TempDir()
	cpu := newTestCPU(root) // 1 and 5 W for each CPU
	truth := curve{4, 12, packageShape}
	random := rand.New(rand.NewPCG(1, 2))
	busy, measured := uint64(1000), 0.0
	now := start
	var utilisation float64
	step := func() {
		utilisation = math.Round(random.Float64()*100) / 100
		now = now.Add(time.Second)
		busy += uint64(math.Round(utilisation * 200))
		measured += 1e6 * truth.at(utilisation)
		writeStat(t, root, 2, columns{busy, 0, 0, 1000})
	}
	step()
	for i := range 300 {
		outcome, err := cpu.Read(now)
		require.NoError(t, err)
		require.True(t, outcome.Accepted())
		cpu.Calibrate(uint64(measured))
		if i < 60 {
			_, _, ok := cpu.Error()
			require.False(t, ok)
			_, fitted := cpu.Idle()
			require.False(t, fitted)
			require.NotContains(t, cpu.Describe(), "fitted")
		}
		step()
	}
	idle, fitted := cpu.Idle()
	require.True(t, fitted)
	assert.InEpsilon(t, truth.idle, idle, 0.02)
	table, calibrated, ok := cpu.Error()
	require.True(t, ok)
	assert.Less(t, table, -0.1)
	assert.InDelta(t, 0, calibrated, 0.01)
	assert.Less(t, cpu.Uncertainty(), 0.1)
	assert.Contains(t, cpu.Describe(), "CPU, fitted to what was measured: 4")

	// Counters are gone.
	cpu.Break()
	_, err := cpu.Read(now)
	require.NoError(t, err)
	before := cpu.Microjoules()
	for range 100 {
		step()
		_, err := cpu.Read(now)
		require.NoError(t, err)
		assert.InEpsilon(t, 1e6*truth.at(utilisation), float64(cpu.Microjoules()-before), 0.05)
		before = cpu.Microjoules()
	}
	// They are back, from another value: a base, nothing else.
	seconds := cpu.fit.seconds
	cpu.Calibrate(5)
	assert.InDelta(t, seconds, cpu.fit.seconds, 0)
}

func TestCalibrationNeedsBoth(t *testing.T) {
	root := t.TempDir()
	cpu := newTestCPU(root)
	read := func(seconds float64, busy uint64) {
		t.Helper()
		writeStat(t, root, 2, columns{busy, 0, 0, 1000})
		_, err := cpu.Read(start.Add(time.Duration(seconds * 1e9)))
		require.NoError(t, err)
	}
	read(0, 1000)
	cpu.Calibrate(1_000_000)
	assert.Zero(t, cpu.fit.seconds)
	read(1, 1100)
	cpu.Calibrate(9_000_000)
	assert.InDelta(t, 1, cpu.fit.seconds, 1e-9)
	read(1.1, 1100) // too soon
	cpu.Calibrate(9_800_000)
	assert.InDelta(t, 1, cpu.fit.seconds, 1e-9)
	read(2, 1_000_000) // rejected
	cpu.Calibrate(17_000_000)
	assert.InDelta(t, 1, cpu.fit.seconds, 1e-9)
	read(3, 1300)
	read(3.5, 2_000_000) // rejected, after one that was not taken
	cpu.Calibrate(28_000_000)
	assert.InDelta(t, 1, cpu.fit.seconds, 1e-9)
	read(4, 1400) // covers what came before
	cpu.Calibrate(33_000_000)
	assert.InDelta(t, 4, cpu.fit.seconds, 1e-9)
	assert.InEpsilon(t, 8, cpu.fit.table.measured/4, 1e-9)
	read(5, 1500)
	cpu.Calibrate(1_000) // starts again
	assert.InDelta(t, 4, cpu.fit.seconds, 1e-9)
	read(6, 1600)
	cpu.Calibrate(8_001_000)
	assert.InDelta(t, 5, cpu.fit.seconds, 1e-9)
}

func BenchmarkRead(b *testing.B) {
	root := b.TempDir()
	writeStat(b, root, 192, columns{1000, 0, 0, 1000})
	cpu := newTestCPU(root)
	now, measured := start, uint64(0)
	for b.Loop() {
		now, measured = now.Add(time.Second), measured+200_000_000
		if _, err := cpu.Read(now); err != nil {
			b.Fatal(err)
		}
		cpu.Calibrate(measured)
	}
}
