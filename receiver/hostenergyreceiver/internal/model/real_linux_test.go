// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
)

// On the machine that the test runs on, whatever that is, while one of its CPUs works.
func TestThisMachine(t *testing.T) {
	cpu, memory := New(Config{}, host.Config{})
	t.Log(cpu.Describe())
	require.Positive(t, cpu.Machine().Threads)
	begin := time.Now()
	_, err := cpu.Read(begin)
	require.NoError(t, err)
	var now time.Time
	for now = begin; now.Sub(begin) < 300*time.Millisecond; now = time.Now() {
	}
	outcome, err := cpu.Read(now)
	require.NoError(t, err)
	require.True(t, outcome.Accepted())
	watts := float64(cpu.Microjoules()) / 1e6 / now.Sub(begin).Seconds()
	whole := cpu.table(cpu.last.cpus)
	assert.Greater(t, watts, whole.idle)
	assert.LessOrEqual(t, watts, whole.max*(1+1e-4))
	if memory != nil {
		t.Log(memory.Describe())
		assert.Positive(t, memory.Idle())
	}
}
