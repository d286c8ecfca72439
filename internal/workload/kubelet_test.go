// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakekubelet"
)

func socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "pod-resources", "kubelet.sock")
}

func TestKubeletComesAndGoes(t *testing.T) {
	path := socket(t)
	core, logs := observer.New(zap.InfoLevel)
	k := NewKubelet(KubeletConfig{Socket: path, Logger: zap.New(core)})
	now := time.Unix(1000, 0)
	k.now = func() time.Time { return now }
	logged := func(want ...string) {
		t.Helper()
		for _, entry := range logs.TakeAll() {
			require.NotEmpty(t, want, entry.Message)
			assert.Contains(t, entry.Message, want[0])
			want = want[1:]
		}
		assert.Empty(t, want)
	}
	ref := DeviceRef{UUID: gpu0}

	require.ErrorIs(t, k.Refresh(t.Context()), fs.ErrNotExist)
	require.ErrorIs(t, k.Refresh(t.Context()), fs.ErrNotExist)
	assert.Nil(t, k.Holders(ref))
	logged() // that there is none is normal

	fake := fakekubelet.Start(t, path)
	fake.SetPods(fakekubelet.Pod("ml", "a", "main", "nvidia.com/gpu", gpu0))
	fake.SetAllocatable(fakekubelet.Devices("nvidia.com/gpu", gpu0, gpu1))
	for range 2 {
		require.NoError(t, k.Refresh(t.Context()))
	}
	assert.Equal(t, []Holder{{Namespace: "ml", Pod: "a", Container: "main", Shares: 1, Replicas: 1}}, k.Holders(ref))
	logged("says which pods hold")

	fake.Stop()
	for range 2 {
		require.ErrorIs(t, k.Refresh(t.Context()), fs.ErrNotExist)
	}
	assert.Len(t, k.Holders(ref), 1, "containers outlive a restart of the kubelet")
	assert.Equal(t, selfreport.Absent, k.Row().State)
	logged("socket is gone")

	fake.Restart()
	fake.SetPods(fakekubelet.Pod("ml", "b", "main", "nvidia.com/gpu", gpu0))
	require.NoError(t, k.Refresh(t.Context()))
	assert.Equal(t, "b", k.Holders(ref)[0].Pod)
	assert.Equal(t, selfreport.Used, k.Row().State)
	logged("says which pods hold")

	fake.Fail(errors.New("not now"))
	for range 2 {
		require.ErrorContains(t, k.Refresh(t.Context()), "not now")
	}
	assert.Len(t, k.Holders(ref), 1)
	assert.Equal(t, selfreport.Refused, k.Row().State)
	assert.Contains(t, k.Row().Detail, "not now")
	logged("does not say")
	now = now.Add(memory + 1)
	require.Error(t, k.Refresh(t.Context()))
	assert.Nil(t, k.Holders(ref), "not for ever")

	fake.Fail(nil)
	require.NoError(t, k.Refresh(t.Context()))
	logged("says which pods hold")
	assert.Equal(t, KubeletStats{Refreshes: 11, Failures: 3}, k.Stats())
}

func TestKubeletHangs(t *testing.T) {
	path := socket(t)
	fake := fakekubelet.Start(t, path)
	fake.Hang(true)
	k := NewKubelet(KubeletConfig{Socket: path})
	assert.Equal(t, 5*time.Second, k.deadline)
	k.deadline = 10 * time.Millisecond
	require.ErrorContains(t, k.Refresh(t.Context()), "DeadlineExceeded")
	assert.EqualValues(t, 1, k.Stats().Failures)
}

func TestCancelledRefreshIsNoFailure(t *testing.T) {
	path := socket(t)
	fakekubelet.Start(t, path)
	core, logs := observer.New(zap.InfoLevel)
	k := NewKubelet(KubeletConfig{Socket: path, Logger: zap.New(core)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, k.Refresh(ctx), "Canceled")
	assert.Zero(t, k.Stats().Failures)
	assert.Zero(t, logs.Len())
}

func TestSocketOfNobody(t *testing.T) {
	path := socket(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	k := NewKubelet(KubeletConfig{Socket: path})
	require.Error(t, k.Refresh(t.Context()))
	assert.EqualValues(t, 1, k.Stats().Failures)
}

func TestUnresolvedClaimsAreLoggedOnce(t *testing.T) {
	path := socket(t)
	core, logs := observer.New(zap.WarnLevel)
	k := NewKubelet(KubeletConfig{Socket: path, Logger: zap.New(core)})
	fake := fakekubelet.Start(t, path)
	fake.SetPods(fakekubelet.Claim("ml", "a", "main", claimOf("gpu-0")))
	for range 3 {
		require.NoError(t, k.Refresh(t.Context()))
	}
	assert.Equal(t, 1, logs.FilterMessageSnippet("resource_slices").Len())
	assert.Equal(t, 1, k.Stats().Unresolved)
}

func TestPolling(t *testing.T) {
	path := socket(t)
	fake := fakekubelet.Start(t, path)
	synctest.Test(t, func(t *testing.T) {
		k := NewKubelet(KubeletConfig{Socket: path})
		k.Start()
		defer k.Shutdown()
		time.Sleep(100 * time.Millisecond)
		assert.Equal(t, 1, fake.Lists(), "at once")
		k.Hint()
		k.Hint()
		time.Sleep(pause)
		assert.Equal(t, 2, fake.Lists(), "hints are one")
		time.Sleep(interval)
		assert.Equal(t, 3, fake.Lists(), "every 15 s")
	})
}

func TestShutdownWithoutStart(t *testing.T) {
	k := NewKubelet(KubeletConfig{})
	k.Shutdown()
	k.Start()
	k.Shutdown()
	k.Shutdown()
}
