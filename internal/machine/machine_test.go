// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

type meter struct{ id string }

func (m *meter) Devices() ([]Device, bool) { return []Device{{ID: m.id}}, true }

func (m *meter) Attributed(func(*workload.Workload, uint64)) {}

func TestOthers(t *testing.T) {
	a, b, elsewhere := &meter{"a"}, &meter{"b"}, &meter{"c"}
	leave := Join("/", a)
	defer Join("/", b)()
	defer Join("/hostfs", elsewhere)()
	assert.Equal(t, []Meter{b}, Others("/", a))
	assert.Equal(t, []Meter{a}, Others("/", b))
	assert.Empty(t, Others("/hostfs", elsewhere))
	before := Others("/", nil)
	leave()
	leave()
	assert.Empty(t, Others("/", b))
	assert.Equal(t, []Meter{a, b}, before, "a list is not changed by who leaves")
}

// A machine is the same wherever its file system is mounted, and whatever names it has there: it runs one kernel.
func TestOneMachineAtTwoRoots(t *testing.T) {
	mount := func(boot string) string {
		root := t.TempDir()
		path := filepath.Join(root, bootID)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(boot+"\n"), 0o600))
		return root
	}
	const boot = "0a1b2c3d-0000-4000-8000-000000000001"
	own, hostfs, other := mount(boot), mount(boot), mount("0a1b2c3d-0000-4000-8000-000000000002")
	a, b := &meter{"a"}, &meter{"b"}
	leave := Join(own, a)
	defer Join(hostfs, b)()
	assert.Equal(t, []Meter{b}, Others(own, a))
	assert.Equal(t, []Meter{a}, Others(hostfs, b))
	assert.Empty(t, Others(other, nil))
	assert.Empty(t, Others(t.TempDir(), nil))
	leave()
	assert.Empty(t, Others(hostfs, b))
}
