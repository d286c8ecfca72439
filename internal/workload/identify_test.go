// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResolve(t *testing.T) {
	pod := "0::/kubepods.slice/kubepods-pod" + strings.ReplaceAll(uidU, "-", "_") + ".slice/"
	tests := []struct {
		name    string
		process fixture
		kind    Kind
		want    map[string]string
	}{
		{
			"container of a pod, with names",
			fixture{cgroup: pod + "cri-containerd-" + idA + ".scope"},
			Container,
			map[string]string{
				"container.id": idA, "container.runtime.name": "containerd", "k8s.pod.uid": uidU,
				"k8s.namespace.name": "ml", "k8s.pod.name": "train-0", "k8s.container.name": "pytorch",
			},
		},
		{
			"container inside of a pod's container: names of the pod only",
			fixture{cgroup: pod + "cri-containerd-" + idA + ".scope/docker/" + idB},
			Container,
			map[string]string{
				"container.id": idB, "container.runtime.name": "docker", "k8s.pod.uid": uidU,
				"k8s.namespace.name": "ml", "k8s.pod.name": "train-0",
			},
		},
		{
			"container that names itself",
			fixture{
				cgroup: "0::/system.slice/docker-" + idB + ".scope",
				env:    []string{"OTEL_SERVICE_NAME=trainer", "OTEL_RESOURCE_ATTRIBUTES=service.name=other,team=ml%20ops,k8s.pod.name=x", "SLURM_JOB_ID=4"},
			},
			Container,
			map[string]string{
				"container.id": idB, "container.runtime.name": "docker", "service.name": "trainer", "team": "ml ops",
				"k8s.pod.name": "x", "slurm.job.id": "4",
			},
		},
		{
			"what the cgroup proves is not overridden",
			fixture{
				cgroup: pod + "cri-containerd-" + idA + ".scope",
				env:    []string{"OTEL_RESOURCE_ATTRIBUTES=k8s.pod.uid=" + uidV + ",container.id=" + idB + ",k8s.pod.name=forged,host.id=forged,k8s.node.name=n1"},
			},
			Container,
			map[string]string{
				"container.id": idA, "container.runtime.name": "containerd", "k8s.pod.uid": uidU, "k8s.node.name": "n1",
				"k8s.namespace.name": "ml", "k8s.pod.name": "train-0", "k8s.container.name": "pytorch",
			},
		},
		{
			"quadlet",
			fixture{cgroup: "0::/system.slice/trainer.service/libpod-payload-" + idB},
			Container,
			map[string]string{"container.id": idB, "container.runtime.name": "podman", "systemd.unit": "trainer.service"},
		},
		{
			"ECS task without a container",
			fixture{cgroup: "9:memory:/ecs/" + hash},
			Container,
			map[string]string{"aws.ecs.task.id": hash},
		},
		{
			"Slurm",
			fixture{
				cgroup: "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0",
				env:    []string{"SLURM_JOB_ID=7", "SLURM_JOB_NAME=llama", "SLURM_JOB_ACCOUNT=ai", "SLURM_JOB_PARTITION=gpu", "WANDB_PROJECT=p", "TORCHELASTIC_RUN_ID=none"},
			},
			Job,
			map[string]string{
				"slurm.job.id": "7", "slurm.job.name": "llama", "slurm.job.account": "ai", "slurm.job.partition": "gpu",
				"workload.run.system": "wandb", "workload.run.project": "p",
			},
		},
		{
			"Slurm, inherited environment of another job", fixture{
				cgroup: "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0",
				env:    []string{"SLURM_JOB_ID=6", "SLURM_JOB_NAME=other", "PBS_JOBID=1.pbs"},
			}, Job, map[string]string{"slurm.job.id": "7"},
		},
		{
			"Slurm, SLUID", fixture{
				cgroup: "0::/system.slice/slurmstepd.scope/sG2Z3VG0XV3HC0/step_0/user/task_0", env: []string{"SLURM_JOB_ID=8"},
			}, Job, map[string]string{"slurm.job.id": "8", "slurm.job.sluid": "sG2Z3VG0XV3HC0"},
		},
		{
			"Slurm without cgroups",
			fixture{cgroup: "0::/system.slice/slurmd.service", env: []string{"SLURM_JOB_ID=9"}},
			Job,
			map[string]string{"slurm.job.id": "9"},
		},
		{
			"PBS",
			fixture{cgroup: "0::/system.slice/pbs.service", env: []string{"PBS_JOBID=12.server", "PBS_JOBNAME=j", "PBS_QUEUE=q"}},
			Job,
			map[string]string{"pbs.job.id": "12.server", "pbs.job.name": "j", "pbs.queue": "q"},
		},
		{
			"LSF",
			fixture{cgroup: "0::/", env: []string{"LSB_JOBID=13", "LSB_JOBNAME=j"}},
			Job,
			map[string]string{"lsf.job.id": "13", "lsf.job.name": "j"},
		},
		{
			"unit",
			fixture{cgroup: "0::/system.slice/ollama.service", env: []string{"OTEL_RESOURCE_ATTRIBUTES=container.id=" + idA + ",systemd.unit=forged"}},
			Unit,
			map[string]string{"systemd.unit": "ollama.service"},
		},
		{
			"unit of a user",
			fixture{cgroup: "0::/user.slice/user-7.slice/user@7.service/app.slice/a.service"},
			Unit,
			map[string]string{"systemd.unit": "a.service", "user.id": "7"},
		},
		{
			"virtual machine",
			fixture{cgroup: "3:memory:/machine/vm1.libvirt-qemu/emulator"},
			Unit,
			map[string]string{"libvirt.domain.name": "vm1"},
		},
		{
			"process",
			fixture{cgroup: "0::/", start: 12345, exe: "/usr/bin/python3.12 (deleted)"},
			Process,
			map[string]string{
				"process.pid": "42", "process.executable.name": "python3.12", "process.creation.time": "2023-11-14T22:15:23.45Z",
			},
		},
		{
			"process, executable hidden",
			fixture{cgroup: "0::/", comm: "a) R (b\xff"},
			Process,
			map[string]string{
				"process.pid": "42", "process.executable.name": "a) R (b\uFFFD", "process.creation.time": "2023-11-14T22:13:21.00Z",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTree(t)
			tr.logs("ml", "train-0", "pytorch", idA, uidU, 0)
			tr.process(42, tt.process)
			r := tr.resolver()
			w, err := r.Resolve(42)
			require.NoError(t, err)
			assert.Equal(t, tt.kind, w.Kind)
			assert.Equal(t, tt.want, w.Attributes)
			again, err := r.Resolve(42)
			require.NoError(t, err)
			assert.Same(t, w, again)
		})
	}
}
