// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakekubelet"
)

const resourceName = "example.com/renamed-gpu"

func TestAllocation(t *testing.T) {
	claimed := func(c *podresources.ClaimResource) *podresources.PodResources {
		return fakekubelet.Claim("ml", "claimer", "main", c)
	}
	one := func(pod string, shares, replicas int, shared bool) Holder {
		return Holder{Namespace: "ml", Pod: pod, Container: "main", Shares: shares, Replicas: replicas, Shared: shared}
	}
	pod := func(name string, ids ...string) *podresources.PodResources {
		return fakekubelet.Pod("ml", name, "main", resourceName, ids...)
	}
	tests := []struct {
		name        string
		pods        []*podresources.PodResources
		allocatable []string
		look        DeviceRef
		want        []Holder
		unresolved  int
	}{
		{"nobody", nil, []string{gpu0}, DeviceRef{UUID: gpu0}, nil, 0},
		{"exclusive", []*podresources.PodResources{pod("a", gpu0, gpu1)}, []string{gpu0, gpu1}, DeviceRef{UUID: gpu1}, []Holder{one("a", 1, 1, false)}, 0},
		{"not this one", []*podresources.PodResources{pod("a", gpu0)}, nil, DeviceRef{UUID: gpu1}, nil, 0},
		{
			"time-sliced",
			[]*podresources.PodResources{pod("b", gpu0+"::2"), pod("a", gpu0+"::0", gpu0+"::1")},
			[]string{gpu0 + "::0", gpu0 + "::1", gpu0 + "::2", gpu0 + "::3", gpu1 + "::0"},
			DeviceRef{UUID: gpu0},
			[]Holder{one("a", 2, 4, true), one("b", 1, 4, true)},
			0,
		},
		{"one share of a shared GPU", []*podresources.PodResources{pod("a", gpu0+"::0")}, nil, DeviceRef{UUID: gpu0}, []Holder{one("a", 1, 0, true)}, 0},
		{"MIG", []*podresources.PodResources{pod("a", mig0)}, nil, DeviceRef{MIGUUID: mig0, Node: "nvidia0", GPUInstance: 3}, []Holder{one("a", 1, 0, false)}, 0},
		{"MIG is not the whole GPU", []*podresources.PodResources{pod("a", gpu0, "nvidia0")}, nil, DeviceRef{UUID: gpu0, MIGUUID: mig0, Node: "nvidia0", GPUInstance: 3}, nil, 0},
		{"GKE", []*podresources.PodResources{pod("a", "nvidia1")}, nil, DeviceRef{UUID: gpu1, Node: "nvidia1"}, []Holder{one("a", 1, 0, false)}, 0},
		{"GKE, MIG", []*podresources.PodResources{pod("a", "nvidia1/gi3"), pod("b", "nvidia1/gi4")}, nil, DeviceRef{MIGUUID: mig0, Node: "nvidia1", GPUInstance: 3}, []Holder{one("a", 1, 0, false)}, 0},
		{"GKE, MIG of the whole size", []*podresources.PodResources{pod("a", "nvidia1/gi0")}, nil, DeviceRef{MIGUUID: mig0, Node: "nvidia1"}, []Holder{one("a", 1, 0, false)}, 0},
		{"GKE, MIG is not the whole GPU", []*podresources.PodResources{pod("a", "nvidia1/gi0")}, nil, DeviceRef{UUID: gpu1, Node: "nvidia1"}, nil, 0},
		{"GKE, node not known", []*podresources.PodResources{pod("a", "nvidia0")}, nil, DeviceRef{UUID: gpu1}, nil, 0},
		{
			"GKE, shared",
			[]*podresources.PodResources{pod("a", "nvidia1/vgpu0"), pod("b", "nvidia1/vgpu1")},
			[]string{"nvidia1/vgpu0", "nvidia1/vgpu1"},
			DeviceRef{UUID: gpu1, Node: "nvidia1"},
			[]Holder{one("a", 1, 2, true), one("b", 1, 2, true)},
			0,
		},
		{"other devices", []*podresources.PodResources{pod("a", "0000:17:00.0", "ens1f0", "")}, nil, DeviceRef{UUID: gpu0}, nil, 0},
		{
			"claim, UUID in the CDI device", []*podresources.PodResources{claimed(&podresources.ClaimResource{
				DriverName: gpuDriver, PoolName: "n", DeviceName: "gpu-0", CdiDevices: []*podresources.CDIDevice{{Name: "nvidia.com/gpu=" + gpu0}},
			})}, nil, DeviceRef{UUID: gpu0}, []Holder{one("claimer", 1, 0, false)}, 0,
		},
		{
			"claim, UUID is the name",
			[]*podresources.PodResources{claimed(&podresources.ClaimResource{DriverName: "other", DeviceName: gpu0})},
			nil,
			DeviceRef{UUID: gpu0},
			[]Holder{one("claimer", 1, 0, false)},
			0,
		},
		{
			"claim, known to the API", []*podresources.PodResources{claimed(&podresources.ClaimResource{
				DriverName: gpuDriver, PoolName: "n", DeviceName: "gpu-7",
				CdiDevices: []*podresources.CDIDevice{{Name: "k8s.gpu.nvidia.com/claim=" + uidU + "-gpu-7"}},
			})}, nil, DeviceRef{UUID: gpu1}, []Holder{one("claimer", 1, 0, false)}, 0,
		},
		{
			"claim shared by two pods", []*podresources.PodResources{
				claimed(&podresources.ClaimResource{DriverName: gpuDriver, PoolName: "n", DeviceName: "gpu-7"}),
				fakekubelet.Claim("ml", "other", "main", &podresources.ClaimResource{DriverName: gpuDriver, PoolName: "n", DeviceName: "gpu-7"}),
			}, nil, DeviceRef{UUID: gpu1}, []Holder{one("claimer", 1, 0, true), one("other", 1, 0, true)}, 0,
		},
		{
			"share of a device",
			[]*podresources.PodResources{claimed(&podresources.ClaimResource{DriverName: gpuDriver, PoolName: "n", DeviceName: "gpu-7", ShareId: new("s")})},
			nil,
			DeviceRef{UUID: gpu1},
			[]Holder{one("claimer", 1, 0, true)},
			0,
		},
		{
			"claim that nobody knows",
			[]*podresources.PodResources{claimed(&podresources.ClaimResource{DriverName: gpuDriver, PoolName: "n", DeviceName: "gpu-8"})},
			nil,
			DeviceRef{UUID: gpu1},
			nil, 1,
		},
		{
			"claim of something else",
			[]*podresources.PodResources{claimed(&podresources.ClaimResource{DriverName: "net.example.com", PoolName: "n", DeviceName: "nic-0"})},
			nil,
			DeviceRef{UUID: gpu1},
			nil, 0,
		},
	}
	claims := func(_ context.Context, d ClaimedDevice) (string, bool) {
		return gpu1, d == ClaimedDevice{Driver: gpuDriver, Pool: "n", Device: "gpu-7"}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAllocation(t.Context(), &podresources.ListPodResourcesResponse{PodResources: tt.pods},
				&podresources.AllocatableResourcesResponse{Devices: []*podresources.ContainerDevices{fakekubelet.Devices(resourceName, tt.allocatable...)}}, claims)
			k := NewKubelet(KubeletConfig{})
			k.current.Store(a)
			assert.Equal(t, tt.want, k.Holders(tt.look))
			assert.Equal(t, KubeletStats{Unresolved: tt.unresolved}, k.Stats())
		})
	}
}

func TestAllocationIsBounded(t *testing.T) {
	var ids []string
	for i := range maxDevices + 10 {
		ids = append(ids, fmt.Sprintf("GPU-00000000-0000-4000-8000-%012x", i))
	}
	a := newAllocation(t.Context(), &podresources.ListPodResourcesResponse{
		PodResources: []*podresources.PodResources{fakekubelet.Pod("ml", "a", "main", resourceName, ids...)},
	}, nil, nil)
	assert.Len(t, a.holders, maxDevices)
	assert.Equal(t, 10, a.unresolved)
}

// Whatever a kubelet answers, each holder has a name of a device and at least one share.
func FuzzPodResources(f *testing.F) {
	for _, pods := range [][]*podresources.PodResources{
		{fakekubelet.Pod("ml", "a", "main", resourceName, gpu0+"::0", "nvidia0/gi1", mig0)},
		{fakekubelet.Claim("ml", "b", "main", &podresources.ClaimResource{DriverName: gpuDriver, DeviceName: "gpu-0", ShareId: new("s")})},
	} {
		seed, err := proto.Marshal(&podresources.ListPodResourcesResponse{PodResources: pods})
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		var pods podresources.ListPodResourcesResponse
		if proto.Unmarshal(answer, &pods) != nil {
			return
		}
		var allocatable podresources.AllocatableResourcesResponse
		_ = proto.Unmarshal(answer, &allocatable)
		a := newAllocation(t.Context(), &pods, &allocatable, func(_ context.Context, d ClaimedDevice) (string, bool) {
			return gpu0, d.Pool == ""
		})
		for d, holders := range a.holders {
			assert.True(t, isDeviceUUID(d.uuid) || d.uuid == "" && d.node != "", "%+v", d)
			assert.NotEmpty(t, holders)
			for _, h := range holders {
				assert.Positive(t, h.Shares)
				assert.True(t, h.Shared || len(holders) == 1)
			}
		}
	})
}

func claimOf(name string) *podresources.ClaimResource {
	return &podresources.ClaimResource{DriverName: gpuDriver, PoolName: "n", DeviceName: name}
}
