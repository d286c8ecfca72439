// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakekubelet

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

func TestKubelet(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "pod-resources", "kubelet.sock")
	k := Start(t, socket)
	k.SetPods(Pod("ml", "a", "main", "nvidia.com/gpu", "x"))
	k.SetAllocatable(Devices("nvidia.com/gpu", "x", "y"))

	client := func() podresources.PodResourcesListerClient {
		connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { connection.Close() })
		return podresources.NewPodResourcesListerClient(connection)
	}
	list := func(ctx context.Context) (*podresources.ListPodResourcesResponse, error) {
		return client().List(ctx, &podresources.ListPodResourcesRequest{})
	}
	pods, err := list(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "a", pods.GetPodResources()[0].GetName())
	devices, err := client().GetAllocatableResources(t.Context(), &podresources.AllocatableResourcesRequest{})
	require.NoError(t, err)
	assert.Equal(t, []string{"x", "y"}, devices.GetDevices()[0].GetDeviceIds())
	assert.Equal(t, 1, k.Lists())

	k.Stop()
	k.Stop()
	_, err = os.Stat(socket)
	require.ErrorIs(t, err, fs.ErrNotExist)
	k.Restart()
	pods, err = list(t.Context())
	require.NoError(t, err)
	assert.Len(t, pods.GetPodResources(), 1, "pods outlive the kubelet")

	k.Fail(errors.New("no"))
	_, err = list(t.Context())
	require.ErrorContains(t, err, "no")
	k.Hang(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = list(ctx)
	require.ErrorContains(t, err, "DeadlineExceeded")
}
