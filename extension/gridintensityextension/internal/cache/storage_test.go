// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// files is a client of the real extension.
func files(t *testing.T, folder string) storage.Client {
	t.Helper()
	factory := filestorage.NewFactory()
	c := factory.CreateDefaultConfig().(*filestorage.Config)
	c.Directory = folder
	e, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), c)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	client, err := e.(storage.Extension).GetClient(t.Context(), component.KindExtension, component.MustNewID("gridintensity"), "")
	require.NoError(t, err)
	return client
}

func TestARestartForgetsNothing(t *testing.T) {
	folder := t.TempDir()
	a := newAgent(t, nil, files(t, folder))
	a.keep(latDE, entry(noon, 300))
	a.keep(histDE, entry(noon, 310))
	a.keep(latDE, entry(noon.Add(time.Second), 320))
	require.NoError(t, a.Close(t.Context()))

	a = newAgent(t, nil, files(t, folder))
	a.wants(latDE, entry(noon.Add(time.Second), 320), Storage)
	a.wants(histDE, entry(noon, 310), Storage)
	assert.Empty(t, a.failed())
	assert.Zero(t, a.logs.Len())
}

func TestStorageKeepsForADay(t *testing.T) {
	disk := newMemory()
	a := newAgent(t, nil, disk)
	a.keep(latDE, entry(noon, 300))
	a.keep(histDE, entry(noon.Add(-time.Hour), 310))

	a.wait(23*time.Hour - time.Second)
	a.wants(histDE, entry(noon.Add(-time.Hour), 310), Storage)
	a.wait(time.Second)
	a.hasNothing(histDE)
	assert.Contains(t, disk.kept, histDE.String())

	a.keep(Key{What: "other"}, entry(a.now, 320))
	assert.NotContains(t, disk.kept, histDE.String(), "with the next entry, the old ones go")
	a.wants(latDE, entry(noon, 300), Storage)

	newAgentAt(t, noon.Add(100*time.Hour), nil, disk)
	assert.Equal(t, []string{contents}, keys(disk), "and with a start")
	assert.JSONEq(t, `{}`, string(disk.kept[contents]))

	a = newAgentAt(t, noon.Add(100*time.Hour), nil, disk)
	a.keep(latDE, entry(noon, 300))
	assert.Equal(t, []string{contents}, keys(disk), "nor is one kept that is too old")
	assert.Empty(t, a.failed())
}

func keys(m *memory) (names []string) {
	for name := range m.kept {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestStorageNeverReplacesNewerByOlder(t *testing.T) {
	disk := newMemory()
	a := newAgent(t, nil, disk)
	a.keep(latDE, entry(noon, 300))
	a.keep(latDE, entry(noon.Add(-time.Second), 310))
	a.wants(latDE, entry(noon, 300), Storage)
	a = newAgent(t, nil, disk)
	a.keep(latDE, entry(noon.Add(-time.Second), 310))
	a.wants(latDE, entry(noon, 300), Storage)

	// A clock that was wrong does not block what comes later.
	a = newAgentAt(t, noon.Add(-2*time.Hour), nil, disk)
	assert.NotContains(t, disk.kept, latDE.String())
	a.keep(latDE, entry(noon.Add(-2*time.Hour), 320))
	a.wants(latDE, entry(noon.Add(-2*time.Hour), 320), Storage)
	assert.Empty(t, a.failed())
}

func TestAClockThatIsSetBack(t *testing.T) {
	a := newAgent(t, nil, newMemory())
	a.keep(latDE, entry(noon, 300))
	a.wait(-2 * time.Hour)
	a.hasNothing(latDE)
	assert.Equal(t, map[string]int{"storage/clock": 1}, a.failed())
	a.keep(latDE, entry(noon.Add(-2*time.Hour), 310))
	a.wants(latDE, entry(noon.Add(-2*time.Hour), 310), Storage)
}

func TestAStorageThatFails(t *testing.T) {
	disk := newMemory()
	a := newAgent(t, nil, disk)
	a.keep(latDE, entry(noon, 300))
	disk.fail(true)
	a.hasNothing(latDE)
	a.hasNothing(latDE)
	a.keep(latDE, entry(noon.Add(time.Second), 310))
	assert.Equal(t, map[string]int{"storage/unavailable": 3}, a.failed())
	assert.Equal(t, 1, a.logs.Len())

	disk.fail(false)
	a.wants(latDE, entry(noon, 300), Storage)
	a.keep(latDE, entry(noon.Add(time.Second), 310))
	a.wants(latDE, entry(noon.Add(time.Second), 310), Storage)
	assert.Equal(t, 2, a.logs.Len())
	assert.Empty(t, a.failed())

	disk.fail(true)
	a = newAgent(t, nil, disk)
	assert.Equal(t, map[string]int{"storage/unavailable": 1}, a.failed(), "a start goes on without")
	disk.fail(false)
	a.keep(latDE, entry(noon, 300))
	a.wants(latDE, entry(noon, 300), Storage)
}

func TestGarbageInTheStorage(t *testing.T) {
	disk := newMemory()
	a := newAgent(t, nil, disk)
	a.keep(latDE, entry(noon, 300))
	disk.kept[latDE.String()] = []byte("<html>")
	a.hasNothing(latDE)
	a.hasNothing(latDE)
	assert.Equal(t, map[string]int{"storage/malformed": 1}, a.failed())
	a.keep(histDE, entry(noon, 310))
	assert.NotContains(t, disk.kept, latDE.String(), "it is removed")
	a.keep(latDE, entry(noon.Add(-time.Minute), 310))
	a.wants(latDE, entry(noon.Add(-time.Minute), 310), Storage)

	disk.kept[contents] = []byte("[]")
	a = newAgent(t, nil, disk)
	assert.Equal(t, map[string]int{"storage/malformed": 1}, a.failed())
	a.hasNothing(latDE)
	a.keep(latDE, entry(noon, 300))
	a.wants(latDE, entry(noon, 300), Storage)
}

// A storage that keeps nothing is legal.
func TestNopStorage(t *testing.T) {
	a := newAgent(t, nil, storage.NewNopClient())
	a.keep(latDE, entry(noon, 300))
	a.hasNothing(latDE)
}
