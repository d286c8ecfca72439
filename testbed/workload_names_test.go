// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

const podUID = "6d6e7c52-3f5b-4d34-9f2e-0a4b8f1c2d3e"

// containerID is that of a container that a test makes up.
func containerID(digit string) string { return strings.Repeat(digit, 64) }

// podCGroup is where containerd puts a container of the pod.
func podCGroup(uid, id string) string {
	return "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(uid, "-", "_") +
		".slice/cri-containerd-" + id + ".scope"
}

// Real processes on one GPU have the resources that their control groups and environments say. Where control
// groups cannot be made, files say the same.
func TestWorkloadsAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		cgroup string // none leaves the process where the tests run, which may be anything
		env    []string
		want   map[string]string
	}{
		{
			"service", "",
			[]string{"OTEL_SERVICE_NAME=trainer", "OTEL_RESOURCE_ATTRIBUTES=service.version=1.2,team=a%2Cb,host.id=another,hw.id=another"},
			map[string]string{"service.name": "trainer", "service.version": "1.2", "team": "a,b"},
		},
		{
			"run of W&B", "",
			[]string{"WANDB_RUN_ID=r7", "WANDB_PROJECT=vision", "RAY_JOB_ID=01000000"},
			map[string]string{"workload.run.id": "r7", "workload.run.project": "vision", "workload.run.system": "wandb"},
		},
		{
			"run that the process names", "",
			[]string{"MLFLOW_RUN_ID=m1", "OTEL_RESOURCE_ATTRIBUTES=workload.run.id=mine"},
			map[string]string{"workload.run.id": "mine"},
		},
		{
			"job by its environment", "",
			[]string{"SLURM_JOB_ID=4712", "SLURM_JOB_NAME=train", "SLURM_JOB_ACCOUNT=physics"},
			map[string]string{"slurm.job.id": "4712", "slurm.job.name": "train", "slurm.job.account": "physics"},
		},
		{
			"container of a pod", podCGroup(podUID, containerID("a")),
			[]string{"KFP_RUN_ID=k1"},
			map[string]string{
				"workload.kind": "container", "container.id": containerID("a"), "container.runtime.name": "containerd", "k8s.pod.uid": podUID,
				"workload.run.id": "k1", "workload.run.system": "kubeflow",
			},
		},
		{
			"container of Docker", "/docker/" + containerID("b"), nil,
			map[string]string{"workload.kind": "container", "container.id": containerID("b"), "container.runtime.name": "docker"},
		},
		{
			"job by its control group", "/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0",
			[]string{"SLURM_JOB_ID=4711", "SLURM_JOB_NAME=serve"},
			map[string]string{"workload.kind": "job", "slurm.job.id": "4711", "slurm.job.name": "serve"},
		},
		{
			"unit", "/system.slice/ollama.service", nil,
			map[string]string{"workload.kind": "unit", "systemd.unit": "ollama.service"},
		},
	}
	tr := newTree(t)
	root := "/"
	g := fakenvml.GPU{UUID: uuid(0)}
	for _, tt := range tests {
		cmd := child(t, tt.env...)
		if err := place(t, cmd.Process.Pid, tt.cgroup); err != nil {
			t.Logf("no real control group: %v", err)
			root = tr.root
			tr.copied(cmd, tt.cgroup)
		} else {
			tr.real(cmd)
		}
		g.Processes = append(g.Processes, stays(cmd.Process.Pid, 10))
	}
	m := startMachine(t, root, []fakenvml.GPU{g})
	const from, to = 2 * time.Second, 4 * time.Second
	m.until(g.UUID, to)
	all := m.used(g.UUID, from, to)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			labels := []string{estimated}
			for key, value := range tt.want {
				labels = append(labels, key+"="+value)
			}
			part := (1 - float64(idleWatts)/allWatts) / float64(len(tests))
			assert.InDelta(t, part, m.used(g.UUID, from, to, labels...)/all, 0.02)

			found := m.parts(g.UUID, labels...)
			require.Len(t, found, 1)
			got := found[0].attributes
			assert.Equal(t, "h1", got["host.id"])
			if got["workload.kind"] == "process" {
				assert.Equal(t, strconv.Itoa(g.Processes[i].PID), got["process.pid"])
				assert.NotEmpty(t, got["process.creation.time"])
				assert.NotEmpty(t, got["process.executable.name"])
			}
			if tt.cgroup != "" {
				assert.Len(t, got, len(tt.want)+len(ofEach), "more than what is proven: %v", got)
			}
		})
	}
	m.finish(t)
}

// ofEach are the attributes that each stream of workload.energy has, beside workload.kind.
var ofEach = []string{"host.id", "host.name", "hw.id", "hw.type", "energy.method", "workload.attribution"}
