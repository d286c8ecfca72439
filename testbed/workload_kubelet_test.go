// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakekubelet"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// What the kubelet gives to a container is the container's, from when it says so. It comes, goes and comes back while the
// collector runs.
func TestWorkloadsOfTheKubelet(t *testing.T) {
	t.Parallel()
	const (
		whole, asleep, sliced, mig, claimed, hints = 0, 1, 2, 3, 4, 5

		otherUID = "7d6e7c52-3f5b-4d34-9f2e-0a4b8f1c2d3e"
		ofPod    = "k8s.pod.name="
	)
	tr := newTree(t)
	socket := filepath.Join(tr.root, "var/lib/kubelet/pod-resources/kubelet.sock")
	ids := map[string]string{"train": containerID("a"), "a": containerID("b"), "b": containerID("c"), "m": containerID("d"), "sleep": containerID("e"), "next": containerID("f"), "dra": containerID("0")}
	uid := func(pod string) string { return ids[pod][:8] + otherUID[8:] }
	pids := map[string]int{}
	for pod, id := range ids {
		tr.logs("ml", pod, uid(pod), "main", id)
		pids[pod] = tr.made(100_000+len(pids), podCGroup(uid(pod), id), "WANDB_RUN_ID=run-of-"+pod)
	}

	const migUUID = "MIG-00000000-0000-4000-8000-000000000000"
	instances := []fakenvml.Instance{
		{UUID: migUUID, GI: 1, Slices: 4, SMs: 64, End: forever},
		{UUID: "MIG-00000000-0000-4000-8000-000000000001", GI: 2, Slices: 2, SMs: 32, End: forever},
	}
	on := func(i int, p fakenvml.Process) fakenvml.Process {
		p.On = &instances[i]
		return p
	}
	gpus := []fakenvml.GPU{
		whole:   {Processes: []fakenvml.Process{stays(pids["train"], 30), stays(4_000_000, 10)}},
		asleep:  {Power: fakenvml.Const{Watts: idleWatts}},
		sliced:  {Processes: []fakenvml.Process{stays(pids["a"], 30)}},
		mig:     {Instances: instances, Processes: []fakenvml.Process{on(0, stays(pids["m"], 25)), on(1, stays(pids["train"], 25))}},
		claimed: {Processes: []fakenvml.Process{stays(pids["train"], 10)}},
		hints:   {Power: fakenvml.Const{Watts: idleWatts}},
	}
	// A process that nobody knows has the collector ask the kubelet, which it else does each 15 s.
	for i := range 40 {
		p := stays(tr.made(200_000+i, "/system.slice/ollama.service"), 0)
		p.Start = time.Duration(i) * time.Second
		gpus[hints].Processes = append(gpus[hints].Processes, p)
	}
	for i := range gpus {
		gpus[i].UUID = uuid(i)
	}
	m := startMachine(t, tr.root, gpus, "processes::idle: reserved")

	m.until(uuid(whole), 2*time.Second)
	assert.NotEmpty(t, m.parts(uuid(whole), ofPod+"train", estimated), "without a kubelet, those who are at work share")
	assert.NotEmpty(t, m.parts(uuid(asleep), nobody))

	const resource, shared = "nvidia.com/gpu", "nvidia.com/gpu.shared"
	kubelet := fakekubelet.Start(t, socket)
	kubelet.SetAllocatable(fakekubelet.Devices(shared, uuid(sliced)+"::0", uuid(sliced)+"::1", uuid(sliced)+"::2", uuid(sliced)+"::3"))
	kubelet.SetPods(
		fakekubelet.Pod("ml", "train", "main", resource, uuid(whole)),
		fakekubelet.Pod("ml", "sleep", "main", resource, uuid(asleep)),
		fakekubelet.Pod("ml", "a", "main", shared, uuid(sliced)+"::0"),
		fakekubelet.Pod("ml", "b", "main", shared, uuid(sliced)+"::1", uuid(sliced)+"::2"),
		fakekubelet.Claim("ml", "dra", "main", &podresources.ClaimResource{
			DriverName: "gpu.nvidia.com", PoolName: "n1", DeviceName: "gpu-4", CdiDevices: []*podresources.CDIDevice{{Name: "nvidia.com/gpu=" + uuid(claimed)}},
		}),
		fakekubelet.Pod("ml", "m", "main", "nvidia.com/mig-4g.40gb", migUUID),
	)
	// owned waits for the GPU to be a pod's, and returns when that was, since the GPU was read first.
	owned := func(gpu int, pod string) time.Duration {
		m.eventually(func() bool { return len(m.parts(uuid(gpu), ofPod+pod, exclusive)) > 0 }, pod+" to own a GPU")
		s := m.parts(uuid(gpu), ofPod+pod, exclusive)[0]
		assert.Equal(t, []string{"container", ids[pod], uid(pod), "ml", "main"}, []string{
			s.attributes["workload.kind"], s.attributes["container.id"], s.attributes["k8s.pod.uid"],
			s.attributes["k8s.namespace.name"], s.attributes["k8s.container.name"],
		})
		return s.points[1].time.Sub(m.began(uuid(gpu)))
	}
	from := max(owned(whole, "train"), owned(asleep, "sleep"), owned(claimed, "dra"), owned(mig, "m"))
	m.eventually(func() bool { return len(m.parts(uuid(sliced), ofPod+"b")) > 0 }, "the shares of a GPU")
	kubelet.Stop()

	to := from + 3*time.Second
	const (
		idle   = float64(idleWatts) / allWatts
		active = 1 - idle
	)
	for _, tt := range []struct {
		name   string
		gpu    int
		stakes []stake
	}{
		{"a whole GPU", whole, []stake{{ofPod + "train", exclusive, 1}}},
		{"a whole GPU that is not used", asleep, []stake{{ofPod + "sleep", exclusive, 1}}},
		{"a whole GPU by a claim", claimed, []stake{{ofPod + "dra", exclusive, 1}}},
		{"shares of a GPU", sliced, []stake{{ofPod + "a", measured, active + idle/4}, {ofPod + "b", estimated, idle / 2}, {nobody, measured, idle / 4}}},
		{"a MIG device", mig, []stake{
			{ofPod + "m", exclusive, active*2/3 + idle*4/7}, {ofPod + "train", measured, active/3 + idle*2/7}, {nobody, measured, idle / 7},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { m.assertStakes(t, uuid(tt.gpu), span{from, to, tt.stakes}) })
	}
	require.Equal(t, "run-of-train", m.parts(uuid(whole), ofPod+"train", exclusive)[0].attributes["workload.run.id"])

	kubelet.SetPods(fakekubelet.Pod("ml", "next", "main", resource, uuid(asleep)))
	kubelet.Restart()
	from = owned(asleep, "next")
	m.assertStakes(t, uuid(asleep), span{from, from + time.Second, []stake{{ofPod + "next", exclusive, 1}}})
	m.finish(t)
	assert.Contains(t, m.output.String(), "the kubelet's socket is gone")
}
