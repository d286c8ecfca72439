// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestCircuit(t *testing.T) {
	now := noon
	c := &circuit{now: func() time.Time { return now }}
	for range 3 {
		assert.True(t, c.allow())
	}
	c.failed()
	c.failed()
	c.failed() // those that were under way are one failure
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		now = now.Add(pause*time.Second - 1)
		assert.False(t, c.allow(), "%d s", pause)
		now = now.Add(1)
		assert.True(t, c.allow(), "%d s", pause)
		assert.False(t, c.allow(), "one tries")
		c.failed()
	}

	now = now.Add(time.Minute)
	assert.True(t, c.allow())
	c.unknown()
	assert.True(t, c.allow(), "the trial had no result")
	c.worked()
	for range 3 {
		assert.True(t, c.allow())
	}
	c.failed()
	assert.False(t, c.allow())
	now = now.Add(time.Second)
	assert.True(t, c.allow(), "it begins anew with a second")
}
