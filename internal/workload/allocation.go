// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"context"
	"slices"

	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// Holder is a container that devices are allocated to, whether it uses them or not.
type Holder struct {
	Namespace, Pod, Container string
	// Shares is how many shares of the device the container holds; 1 of an exclusive device.
	Shares int
	// Replicas is how many shares of the device there are; 0 if the kubelet does not say.
	Replicas int
	// Shared is true if others may use the device as well: it is advertised in shares, or several
	// containers hold it.
	Shared bool
}

// Owns reports whether the workload is the holder's. It is false where the workload's names are not known.
func (h Holder) Owns(w *Workload) bool {
	a := w.Attributes
	return w.Kind == Container && h.Pod != "" && a["k8s.namespace.name"] == h.Namespace &&
		a["k8s.pod.name"] == h.Pod && a["k8s.container.name"] == h.Container
}

// Owner is the holder as a workload, for energy that no process accounts for. It has the ids of the
// container and the pod where the kubelet's logs prove them.
func (r *Resolver) Owner(h Holder) *Workload {
	w := &Workload{Kind: Container, Attributes: map[string]string{}}
	proven := attributes{of: w.Attributes}
	proven.pod(podNames{namespace: h.Namespace, pod: h.Pod, container: h.Container})
	if names, ok := r.pods.current(h.Namespace, h.Pod, h.Container); ok {
		proven.container(CGroup{ContainerID: names.id, PodUID: names.uid})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.intern(w)
}

// allocation is an answer of the kubelet, by device.
type allocation struct {
	holders map[device][]Holder
	// unresolved are devices of claims that nothing here maps to a UUID, and those above maxDevices.
	unresolved int
}

// claimed devices of dynamic resource allocation, mapped to UUIDs where known.
type claimResolver func(ctx context.Context, c ClaimedDevice) (uuid string, ok bool)

// ClaimedDevice is the name of a device of dynamic resource allocation.
type ClaimedDevice struct{ Driver, Pool, Device string }

// maxDevices bounds what one answer may make us keep: 16 GPUs with 7 instances each and 48 shares of those.
const maxDevices = 8192

func newAllocation(
	ctx context.Context, pods *podresources.ListPodResourcesResponse,
	allocatable *podresources.AllocatableResourcesResponse, claims claimResolver,
) *allocation {
	a := &allocation{holders: map[device][]Holder{}}
	for _, pod := range pods.GetPodResources() {
		for _, container := range pod.GetContainers() {
			h := Holder{Namespace: pod.GetNamespace(), Pod: pod.GetName(), Container: container.GetName()}
			for _, resource := range container.GetDevices() {
				for _, id := range resource.GetDeviceIds() {
					if d, replica, ok := parseDeviceID(id); ok {
						a.add(d, h, replica)
					}
				}
			}
			for _, claim := range container.GetDynamicResources() {
				for _, resource := range claim.GetClaimResources() {
					a.claim(ctx, resource, h, claims)
				}
			}
		}
	}
	a.share(allocatable)
	return a
}

func (a *allocation) add(d device, h Holder, replica bool) {
	holders := a.holders[d]
	i := slices.IndexFunc(holders, func(o Holder) bool {
		return o.Namespace == h.Namespace && o.Pod == h.Pod && o.Container == h.Container
	})
	if i < 0 {
		if holders == nil && len(a.holders) >= maxDevices {
			a.unresolved++
			return
		}
		holders, i = append(holders, h), len(holders)
	}
	holders[i].Shares++
	holders[i].Shared = holders[i].Shared || replica
	a.holders[d] = holders
}

// claim maps a device of dynamic resource allocation: a UUID in the name of its CDI devices or in its own,
// else whoever knows.
func (a *allocation) claim(ctx context.Context, r *podresources.ClaimResource, h Holder, claims claimResolver) {
	for _, cdi := range r.GetCdiDevices() {
		if uuid, ok := uuidWithin(cdi.GetName()); ok {
			a.add(device{uuid: uuid}, h, r.GetShareId() != "")
			return
		}
	}
	uuid, ok := uuidWithin(r.GetDeviceName())
	if !ok && claims != nil {
		uuid, ok = claims(ctx, ClaimedDevice{r.GetDriverName(), r.GetPoolName(), r.GetDeviceName()})
	}
	switch {
	case ok:
		a.add(device{uuid: uuid}, h, r.GetShareId() != "")
	case r.GetDriverName() == gpuDriver:
		a.unresolved++
	}
}

// share completes the holders of devices that have several or may have.
func (a *allocation) share(allocatable *podresources.AllocatableResourcesResponse) {
	replicas := map[device]int{}
	for _, resource := range allocatable.GetDevices() {
		for _, id := range resource.GetDeviceIds() {
			if d, _, ok := parseDeviceID(id); ok {
				replicas[d]++
			}
		}
	}
	for d, holders := range a.holders {
		for i := range holders {
			holders[i].Shared = holders[i].Shared || len(holders) > 1
			holders[i].Replicas = replicas[d]
		}
		slices.SortFunc(holders, func(x, y Holder) int {
			return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Pod, y.Pod), cmp.Compare(x.Container, y.Container))
		})
	}
}

// gpuDriver is NVIDIA's driver for dynamic resource allocation.
const gpuDriver = "gpu.nvidia.com"
