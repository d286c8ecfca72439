// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package resourceslices

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"k8s.io/client-go/rest"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakekubelet"
)

const (
	gpu0 = "GPU-11111111-aaaa-4bbb-8ccc-000000000000"
	mig0 = "MIG-22222222-aaaa-5bbb-8ccc-000000000000"
)

// api is the Kubernetes API as far as ResourceSlices go.
type api struct {
	status   int
	body     string
	requests []*http.Request
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests = append(a.requests, r)
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

func index(t *testing.T, a *api) (*Index, *time.Time, *observer.ObservedLogs) {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	core, logs := observer.New(zap.InfoLevel)
	x, err := New(&rest.Config{Host: server.URL, BearerToken: "secret"}, zap.New(core))
	require.NoError(t, err)
	now := time.Unix(0, 0)
	x.now = func() time.Time { return now }
	return x, &now, logs
}

func device(name string) workload.ClaimedDevice {
	return workload.ClaimedDevice{Driver: "gpu.nvidia.com", Pool: "node-a", Device: name}
}

func TestUUID(t *testing.T) {
	recorded, err := os.ReadFile("testdata/resourceslices.json")
	require.NoError(t, err)
	a := &api{status: http.StatusOK, body: string(recorded)}
	x, now, logs := index(t, a)
	for name, want := range map[string]string{
		"gpu-0":                  gpu0,
		"gpu-1-mig-1g10gb-19-0":  mig0,
		"gpu-9":                  "",
		"gpu-of-old-generation":  "",
		"gpu-of-another-pool":    "",
		"gpu-without-attributes": "",
	} {
		uuid, ok := x.UUID(t.Context(), device(name))
		assert.Equal(t, want, uuid, name)
		assert.Equal(t, want != "", ok, name)
	}
	require.Len(t, a.requests, 1, "not for each device")
	assert.Equal(t, "/apis/resource.k8s.io/v1/resourceslices", a.requests[0].URL.Path)
	assert.Equal(t, "spec.driver=gpu.nvidia.com,spec.nodeName=node-a", a.requests[0].URL.Query().Get("fieldSelector"))
	assert.Equal(t, "Bearer secret", a.requests[0].Header.Get("Authorization"))

	a.body = `{"items":[]}`
	*now = now.Add(again)
	_, ok := x.UUID(t.Context(), device("gpu-0"))
	assert.False(t, ok, "the device is gone")
	assert.Zero(t, logs.Len())
}

func TestFailuresAreLoggedOnce(t *testing.T) {
	a := &api{status: http.StatusForbidden}
	x, now, logs := index(t, a)
	for _, change := range []func(){
		func() {},
		func() { a.status, a.body = http.StatusOK, "{" },
		func() { a.body = "{}" },
	} {
		change()
		_, ok := x.UUID(t.Context(), device("gpu-0"))
		assert.False(t, ok)
		*now = now.Add(again)
	}
	require.Equal(t, 2, logs.Len())
	assert.Contains(t, logs.All()[0].Message, "allow list of resourceslices")
	assert.Contains(t, logs.All()[1].Message, "again")
}

func TestKeptWhileTheAPIIsAway(t *testing.T) {
	recorded, err := os.ReadFile("testdata/resourceslices.json")
	require.NoError(t, err)
	a := &api{status: http.StatusOK, body: string(recorded)}
	x, now, _ := index(t, a)
	_, ok := x.UUID(t.Context(), device("gpu-0"))
	require.True(t, ok)
	a.status = http.StatusServiceUnavailable
	*now = now.Add(again)
	_, ok = x.UUID(t.Context(), device("gpu-0"))
	assert.True(t, ok)
}

func TestOutsideOfKubernetes(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := InCluster(zap.NewNop())
	require.ErrorContains(t, err, "resource_slices")
}

// The kubelet says which device, the API which GPU that is.
func TestWithKubelet(t *testing.T) {
	recorded, err := os.ReadFile("testdata/resourceslices.json")
	require.NoError(t, err)
	x, _, _ := index(t, &api{status: http.StatusOK, body: string(recorded)})
	socket := filepath.Join(t.TempDir(), "kubelet.sock")
	fake := fakekubelet.Start(t, socket)
	for i, name := range []string{"gpu-0", "gpu-1-mig-1g10gb-19-0"} {
		fake.SetPods(fakekubelet.Claim("ml", fmt.Sprint("pod-", i), "main", &podresources.ClaimResource{
			DriverName: "gpu.nvidia.com", PoolName: "node-a", DeviceName: name,
			CdiDevices: []*podresources.CDIDevice{{Name: "k8s.gpu.nvidia.com/claim=c0ffee00-1111-4222-8333-444455556666-" + name}},
		}))
		k := workload.NewKubelet(workload.KubeletConfig{Socket: socket, Claims: x.UUID})
		require.NoError(t, k.Refresh(t.Context()))
		ref := []workload.DeviceRef{{UUID: gpu0}, {MIGUUID: mig0, Node: "nvidia1", GPUInstance: 3}}[i]
		assert.Equal(t, []workload.Holder{{Namespace: "ml", Pod: fmt.Sprint("pod-", i), Container: "main", Shares: 1}}, k.Holders(ref))
	}
}
