// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// server is one that Teads measured, at loads of 0, 10, ... 100 %.
type server struct {
	name, cpu        string
	sockets          int
	gib              float64
	packages, memory []float64 // W
}

func (s server) short() bool { return strings.Contains(s.name, "February") }

func measuredServers(t *testing.T) (servers []server) {
	t.Helper()
	file, err := os.Open("testdata/teads.csv")
	require.NoError(t, err)
	defer file.Close()
	r := csv.NewReader(file)
	r.Comment = '#'
	records, err := r.ReadAll()
	require.NoError(t, err)
	value := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return v
	}
	for _, f := range records[1:] {
		if len(servers) == 0 || servers[len(servers)-1].name != f[0] {
			servers = append(servers, server{name: f[0], cpu: f[1], sockets: int(value(f[2])), gib: value(f[3])})
		}
		s := &servers[len(servers)-1]
		require.InDelta(t, 10*len(s.packages), value(f[4]), 0)
		s.packages, s.memory = append(s.packages, value(f[5])), append(s.memory, value(f[6]))
	}
	require.Len(t, servers, 10)
	return servers
}

// deviation collects by how much a curve is off, as logarithms: products of factors have symmetric errors in these.
type deviation struct{ squares, n float64 }

func (d *deviation) add(c curve, watts []float64) {
	for i, w := range watts {
		d.squares += square(math.Log(c.at(float64(i)/10) / w))
		d.n++
	}
}

func (d *deviation) rms() float64 { return math.Sqrt(d.squares / d.n) }

// sigma is the standard deviation of the logarithm for a relative standard uncertainty.
func sigma(uncertainty float64) float64 { return math.Sqrt(math.Log(1 + square(uncertainty))) }

func TestShapeFitsMeasurements(t *testing.T) {
	var packages, memory deviation
	for _, s := range measuredServers(t) {
		if s.short() {
			continue
		}
		packages.add(curve{s.packages[0], s.packages[10], packageShape}, s.packages)
		memory.add(curve{s.memory[0], s.memory[10], memoryShape}, s.memory)
	}
	assert.Less(t, packages.rms(), misfit)
	assert.Less(t, memory.rms(), 0.04)
	// That much is left to what runs, where the two powers are configured.
	assert.Less(t, packages.rms(), sigma(uConfigured))
}

func TestUncertaintyCoversMeasurements(t *testing.T) {
	var row, kindOnly, class, average, memory deviation
	squares := 0.0
	for _, s := range measuredServers(t) {
		m := Machine{Model: s.cpu, Sockets: s.sockets}
		e := newEstimate(Config{}, m)
		require.InDelta(t, uMeasured, e.uncertainty, 0)
		row.add(e.curve, s.packages)

		// As if it had not been measured.
		r, ok := cpus().named(s.cpu)
		require.True(t, ok)
		kindOnly.add(curve{xeon.idle, xeon.max, packageShape}.times(r.tdp*float64(s.sockets)), s.packages)

		// As if its name were hidden.
		threads := float64(s.sockets * r.threads)
		hidden := newEstimate(Config{}, hide(t, r.class, s.sockets, int(threads)))
		class.add(hidden.curve, s.packages)
		squares += square(sigma(hidden.uncertainty)) / 10
		average.add(curve{defaultIdle, defaultMax, packageShape}.times(threads), s.packages)

		if s.name != "i3" {
			memory.add(curve{memoryIdle, memoryMax, memoryShape}.times(s.gib), s.memory)
		}
	}
	for _, tt := range []struct {
		name        string
		rms, stated float64
	}{
		{"the same CPU was measured", row.rms(), sigma(uMeasured)},
		{"TDP known", kindOnly.rms(), sigma(xeon.uncertainty)},
		{"class known", class.rms(), math.Sqrt(squares)},
		{"average of a cloud", average.rms(), sigma(uDefault)},
		{"memory", memory.rms(), sigma(uMemory)},
	} {
		t.Logf("%s: %.3f of %.3f stated", tt.name, tt.rms, tt.stated)
		assert.LessOrEqual(t, tt.rms, tt.stated, tt.name)
		assert.Greater(t, tt.rms, tt.stated/4, "%s: stated far too large", tt.name)
	}
}

// hide a CPU of a class behind the name that clouds give it.
func hide(t *testing.T, class string, sockets, threads int) Machine {
	t.Helper()
	for _, g := range generations {
		if g.class == class {
			return Machine{Model: "Intel(R) Xeon(R) CPU @ 2.50GHz", Family: g.family, Number: g.from, Stepping: g.stepping, Sockets: sockets, Threads: threads}
		}
	}
	require.Fail(t, "no such class", class)
	return Machine{}
}
