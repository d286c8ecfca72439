// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// burst draws so much from when until when, and idleWatts otherwise.
func burst(t *testing.T, watts float64, from, to time.Duration) fakenvml.Waveform {
	t.Helper()
	points := fmt.Sprintf("%d,%v\n%d,%d\n", from.Milliseconds(), watts, to.Milliseconds(), idleWatts)
	if from > 0 {
		points = fmt.Sprintf("0,%d\n", idleWatts) + points
	}
	trace, err := fakenvml.LoadTrace(writeFile(t, "power.csv", points))
	require.NoError(t, err)
	return trace
}

// What a process makes a GPU draw is its own, however short it lives, and is reported when it is gone. What a GPU
// draws when nobody uses it is learned.
func TestWorkloadsComeAndGo(t *testing.T) {
	t.Parallel()
	const (
		second, tick = time.Second, 100 * time.Millisecond

		joules  = 90 // 300 W more for 300 ms
		nearly  = 12 // what a GPU draws in one update of its counter, when idle
		unknown = 4_000_000

		learned  = 5
		learning = 21 * second // 10 s to cool down, 10 s to learn, and what the last windows are longer
		comes    = 23 * second
		goes     = comes + second
	)
	tr := newTree(t)
	a, b := child(t, "OTEL_SERVICE_NAME=a"), child(t, "OTEL_SERVICE_NAME=b")
	ofA, ofB := tr.real(a), tr.real(b)
	runs := func(pid int, from, to time.Duration) fakenvml.Process {
		return fakenvml.Process{PID: pid, SMPercent: 80, Memory: 1 << 30, Start: from, End: to}
	}
	short := burst(t, 400, 31*tick, 34*tick)
	m := startMachine(t, tr.root, []fakenvml.GPU{
		{UUID: uuid(0), Power: short, Processes: []fakenvml.Process{runs(ofA, 31*tick, 34*tick)}},
		{UUID: uuid(1), Power: short, Processes: []fakenvml.Process{runs(ofB, 0, second), runs(ofA, 31*tick, 34*tick)}},
		{UUID: uuid(2), Power: short, Processes: []fakenvml.Process{runs(unknown, 31*tick, 34*tick)}},
		{UUID: uuid(3), Power: burst(t, 400, 0, 3*second), Processes: []fakenvml.Process{runs(ofB, 0, 3*second)}},
		{UUID: uuid(4), Power: short, Processes: []fakenvml.Process{stays(ofA, 0)}},
		learned: {UUID: uuid(learned), Name: "A GPU that is not calibrated", Power: burst(t, 400, comes, goes), Processes: []fakenvml.Process{runs(ofA, comes, goes)}},
	})
	m.eventually(func() bool { return len(m.parts(uuid(3), "service.name=b")) > 0 }, "a process at work")
	end(b) // while the driver lists it still
	m.until(uuid(learned), learning)
	m.assertStakes(t, uuid(learned), span{0, learning, []stake{{nobody, measured, 1}}})
	m.until(uuid(learned), goes+second)
	found := m.gauge("idle_power", uuid(learned))
	require.Len(t, found, 1)
	assert.InEpsilon(t, idleWatts, found[0], 0.01)
	for _, tt := range []struct {
		name string
		gpu  int
		of   string
		want float64
		goes time.Duration
		ends bool
	}{
		{"a short process on a GPU that nobody has used", 0, "service.name=a", joules, 34 * tick, true},
		{"a short process on a GPU that somebody has used", 1, "service.name=a", joules, 34 * tick, true},
		{"a short process that cannot be seen", 2, unattributed, joules, 34 * tick, false},
		{"a process that was killed", 3, "service.name=b", 10 * joules, 3 * second, true},
		{"a process that is there and does nothing", 4, unattributed, joules, 34 * tick, false},
		{"a process on a GPU whose idle power is learned", learned, "service.name=a", 300, goes, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parts := m.parts(uuid(tt.gpu), tt.of, measured)
			if !assert.InDelta(t, tt.want, sum(parts), nearly) {
				m.log(t, uuid(tt.gpu))
			}
			require.Len(t, parts, 1)
			last := parts[0].last().time.Sub(m.began(uuid(tt.gpu)))
			assert.Greater(t, last, tt.goes, "it is reported after its end")
			if tt.ends {
				assert.Less(t, last, tt.goes+3*second, "its stream has ended")
			}
		})
	}
	m.finish(t)
}

// At max_workloads, workloads that come are summed as other until a place is free.
func TestWorkloadsBeyondTheLimit(t *testing.T) {
	t.Parallel()
	const (
		change = 3 * time.Second
		second = time.Second
	)
	tr := newTree(t)
	run := func(name string, from, to time.Duration) fakenvml.Process {
		return fakenvml.Process{PID: tr.real(child(t, "OTEL_SERVICE_NAME="+name)), SMPercent: 20, Start: from, End: to}
	}
	g := fakenvml.GPU{UUID: uuid(0), Processes: []fakenvml.Process{
		run("first", 0, change), run("second", 0, forever), // those that are there first
		run("third", 1500*time.Millisecond, forever), run("fourth", 1500*time.Millisecond, forever),
		run("late", 8*second, forever), // the first was told by then
	}}
	m := startMachine(t, tr.root, []fakenvml.GPU{g}, "processes::max_workloads: 2")
	m.until(g.UUID, 5*second)
	assert.Equal(t, []float64{2}, m.gauge("workloads_refused", ""))
	m.until(g.UUID, 11*second)
	assert.Equal(t, []float64{2}, m.gauge("workloads", ""))

	const other = "workload.kind=other"
	m.assertStakes(t, g.UUID, span{9500 * time.Millisecond, 11 * second, []stake{
		{nobody, measured, 1. / 3}, {"service.name=second", estimated, 1. / 6}, {"service.name=late", estimated, 1. / 6}, {other, estimated, 1. / 3},
	}})
	m.finish(t)
	for name, want := range map[string]int{"first": 1, "second": 1, "third": 0, "fourth": 0, "late": 1} {
		found := m.parts(g.UUID, "service.name="+name, estimated)
		assert.Len(t, found, want, name)
	}
}
