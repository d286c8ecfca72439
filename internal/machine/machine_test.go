// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
