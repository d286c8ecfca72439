// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

const (
	exclusive = "workload.attribution=exclusive"
	measured  = "workload.attribution=measured_share"
	estimated = "workload.attribution=estimated_share"

	nobody       = "workload.kind=idle"
	unattributed = "workload.kind=unattributed"
)

// stake is who has what part of a GPU's energy, told apart by a label, and how that was found.
type stake struct {
	of, attribution string
	part            float64
}

// span is from when until when, since the GPU was read first, the stakes are those.
type span struct {
	from, to time.Duration
	stakes   []stake
}

// assertStakes checks who has what of what was used in the span. Nobody else has anything.
func (m *machine) assertStakes(t *testing.T, gpu string, s span) {
	t.Helper()
	m.until(gpu, s.to)
	all := m.used(gpu, s.from, s.to)
	rest := all
	for _, stake := range s.stakes {
		part := m.used(gpu, s.from, s.to, stake.of, stake.attribution)
		assert.InDelta(t, stake.part, part/all, 0.02, "%s: the part of %s, %s, from %v to %v", gpu, stake.of, stake.attribution, s.from, s.to)
		rest -= part
	}
	assert.Less(t, rest/all, 0.02, "%s: the part of others from %v to %v", gpu, s.from, s.to)
	if t.Failed() {
		m.log(t, gpu)
	}
}

// A GPU draws a third of its energy for nothing. The rest goes to those who are at work.
func TestWorkloadsShareAGPU(t *testing.T) {
	t.Parallel()
	const (
		idle   = float64(idleWatts) / allWatts
		active = 1 - idle
		begun  = 2 * time.Second // all have been seen, and their activity
		middle = 5 * time.Second // when MIG instances change
		later  = 7 * time.Second
		enough = 9 * time.Second
	)
	tr := newTree(t)
	a, b := tr.real(child(t, "OTEL_SERVICE_NAME=a")), tr.real(child(t, "OTEL_SERVICE_NAME=b"))
	const ofA, ofB = "service.name=a", "service.name=b"
	const hidden = 4_000_000 // a PID that is not in the tree

	mig := func(uuid string, gi, slices, sms int, from, to time.Duration) *fakenvml.Instance {
		return &fakenvml.Instance{UUID: uuid, GI: gi, Slices: slices, SMs: sms, Start: from, End: to}
	}
	on := func(i *fakenvml.Instance, p fakenvml.Process) fakenvml.Process {
		p.On, p.Start = i, i.Start
		return p
	}
	with := func(memory uint64, p fakenvml.Process) fakenvml.Process {
		p.Memory = memory
		return p
	}
	large, small := mig("MIG-large", 1, 4, 64, 0, forever), mig("MIG-small", 2, 2, 32, 0, forever)
	before1, before2 := mig("MIG-1", 1, 3, 60, 0, middle), mig("MIG-2", 2, 3, 60, 0, middle)
	after := mig("MIG-3", 0, 7, 132, middle, forever)

	tests := []struct {
		name      string
		power     float64 // allWatts if 0
		arch      string
		processes []fakenvml.Process
		instances []*fakenvml.Instance
		spans     []span
	}{
		{
			name: "nobody", power: idleWatts,
			spans: []span{{0, enough, []stake{{nobody, measured, 1}}}},
		},
		{
			name:  "nobody, and it is at work",
			spans: []span{{0, enough, []stake{{nobody, measured, idle}, {unattributed, measured, active}}}},
		},
		{
			name:      "one",
			processes: []fakenvml.Process{stays(a, 30)},
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {ofA, measured, active}}}},
		},
		{
			name:      "two take turns",
			processes: []fakenvml.Process{stays(a, 60), stays(b, 20)},
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {ofA, estimated, active * 3 / 4}, {ofB, estimated, active / 4}}}},
		},
		{
			name:      "one at work and one there",
			processes: []fakenvml.Process{stays(a, 60), stays(b, 0)},
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {ofA, measured, active}}}},
		},
		{
			name:      "one that cannot be seen",
			processes: []fakenvml.Process{stays(hidden, 60)},
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {unattributed, measured, active}}}},
		},
		{
			name:      "one of two cannot be seen",
			processes: []fakenvml.Process{stays(hidden, 60), stays(a, 20)},
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {unattributed, measured, active * 3 / 4}, {ofA, estimated, active / 4}}}},
		},
		{
			name: "MIG instances by activity and size", arch: "hopper",
			instances: []*fakenvml.Instance{large, small},
			processes: []fakenvml.Process{on(large, stays(a, 30)), on(small, stays(b, 20))}, // 19.2 and 6.4 SMs
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {ofA, measured, active * 3 / 4}, {ofB, measured, active / 4}}}},
		},
		{
			name: "MIG instances by size", arch: "ga100",
			instances: []*fakenvml.Instance{large, small},
			processes: []fakenvml.Process{on(large, stays(a, 30)), on(small, stays(b, 60))},
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {ofA, estimated, active * 2 / 3}, {ofB, estimated, active / 3}}}},
		},
		{
			name: "two in one MIG instance by memory", arch: "hopper",
			instances: []*fakenvml.Instance{large},
			processes: []fakenvml.Process{on(large, stays(a, 30)), on(large, with(3<<30, stays(b, 60)))},
			spans:     []span{{begun, enough, []stake{{nobody, measured, idle}, {ofA, estimated, active / 4}, {ofB, estimated, active * 3 / 4}}}},
		},
		{
			name: "MIG instances that change", arch: "hopper",
			instances: []*fakenvml.Instance{before1, before2, after},
			processes: []fakenvml.Process{on(before1, stays(a, 20)), on(before2, stays(b, 60)), on(after, stays(b, 40))},
			spans: []span{
				{begun, middle - time.Second, []stake{{nobody, measured, idle}, {ofA, measured, active / 4}, {ofB, measured, active * 3 / 4}}},
				{later, enough, []stake{{nobody, measured, idle}, {ofB, measured, active}}},
			},
		},
	}
	var gpus []fakenvml.GPU
	for i, tt := range tests {
		g := fakenvml.GPU{UUID: uuid(i), Arch: tt.arch, Processes: tt.processes, Power: fakenvml.Const{Watts: cmp.Or(tt.power, allWatts)}}
		for _, instance := range tt.instances {
			g.Instances = append(g.Instances, *instance)
		}
		gpus = append(gpus, g)
	}
	m := startMachine(t, tr.root, gpus)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, s := range tt.spans {
				m.assertStakes(t, uuid(i), s)
			}
		})
	}
	assert.Equal(t, []float64{idleWatts}, m.gauge("idle_power", uuid(1)))
	m.finish(t)
}
