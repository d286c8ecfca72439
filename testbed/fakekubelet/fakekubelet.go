// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package fakekubelet is a kubelet as far as its PodResources API goes: the real gRPC service on a Unix
// socket, with pods that a test sets. It can stop, start again on the same path, fail and hang.
package fakekubelet

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// Kubelet serves until it is stopped or the test ends.
type Kubelet struct {
	podresources.UnimplementedPodResourcesListerServer

	tb     testing.TB
	socket string
	server *grpc.Server
	served sync.WaitGroup

	mu          sync.Mutex
	pods        []*podresources.PodResources
	allocatable []*podresources.ContainerDevices
	err         error
	hanging     bool
	lists       int
}

// Start listens on the socket, whose folders it makes. Its path has at most 107 bytes, which
// testing.TB.TempDir of a long test name does not keep to.
func Start(tb testing.TB, socket string) *Kubelet {
	tb.Helper()
	k := &Kubelet{tb: tb, socket: socket}
	require.NoError(tb, os.MkdirAll(filepath.Dir(socket), 0o750))
	k.Restart()
	tb.Cleanup(k.Stop)
	return k
}

// SetPods replaces what List answers.
func (k *Kubelet) SetPods(pods ...*podresources.PodResources) {
	k.set(func() { k.pods = pods })
}

// SetAllocatable replaces what GetAllocatableResources answers: all ids that device plugins advertise.
func (k *Kubelet) SetAllocatable(devices ...*podresources.ContainerDevices) {
	k.set(func() { k.allocatable = devices })
}

// Fail makes List answer with an error; nil ends that.
func (k *Kubelet) Fail(err error) { k.set(func() { k.err = err }) }

// Hang makes List wait until the client gives up.
func (k *Kubelet) Hang(hanging bool) { k.set(func() { k.hanging = hanging }) }

// Lists is how often List was called.
func (k *Kubelet) Lists() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lists
}

// Stop ends all calls and removes the socket, as a kubelet that stops does.
func (k *Kubelet) Stop() {
	if k.server == nil {
		return
	}
	k.server.Stop()
	k.served.Wait()
	k.server = nil
}

// Restart listens again, after Stop.
func (k *Kubelet) Restart() {
	k.tb.Helper()
	k.Stop()
	listener, err := net.Listen("unix", k.socket)
	require.NoError(k.tb, err)
	server := grpc.NewServer()
	podresources.RegisterPodResourcesListerServer(server, k)
	k.server = server
	k.served.Go(func() { _ = server.Serve(listener) }) // it ends with Stop
}

// List implements the service.
func (k *Kubelet) List(ctx context.Context, _ *podresources.ListPodResourcesRequest) (*podresources.ListPodResourcesResponse, error) {
	k.mu.Lock()
	k.lists++
	pods, err, hanging := slices.Clone(k.pods), k.err, k.hanging
	k.mu.Unlock()
	if hanging {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &podresources.ListPodResourcesResponse{PodResources: pods}, err
}

// GetAllocatableResources implements the service.
func (k *Kubelet) GetAllocatableResources(context.Context, *podresources.AllocatableResourcesRequest) (*podresources.AllocatableResourcesResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &podresources.AllocatableResourcesResponse{Devices: slices.Clone(k.allocatable)}, nil
}

// Pod has one container that holds devices of one resource.
func Pod(namespace, pod, container, resource string, ids ...string) *podresources.PodResources {
	return &podresources.PodResources{
		Namespace: namespace, Name: pod,
		Containers: []*podresources.ContainerResources{{Name: container, Devices: []*podresources.ContainerDevices{Devices(resource, ids...)}}},
	}
}

// Claim has one container that holds a device of dynamic resource allocation.
func Claim(namespace, pod, container string, device *podresources.ClaimResource) *podresources.PodResources {
	return &podresources.PodResources{
		Namespace: namespace, Name: pod,
		Containers: []*podresources.ContainerResources{{
			Name: container,
			DynamicResources: []*podresources.DynamicResource{{
				ClaimName: pod + "-gpu", ClaimNamespace: namespace, ClaimResources: []*podresources.ClaimResource{device},
			}},
		}},
	}
}

// Devices are ids of one resource.
func Devices(resource string, ids ...string) *podresources.ContainerDevices {
	return &podresources.ContainerDevices{ResourceName: resource, DeviceIds: ids}
}

func (k *Kubelet) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}
