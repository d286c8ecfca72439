// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !(linux && cgo)

package nvmlenergyreceiver

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
)

func TestIdleWithoutCgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newDriver(""), nil)
		entries := h.logs.TakeAll()
		require.Len(t, entries, 1)
		assert.Equal(t, "the receiver is idle", entries[0].Message)
		assert.Contains(t, entries[0].ContextMap()["error"], "CGO_ENABLED=1")
		h.tick()
		assert.Zero(t, h.sink.DataPointCount())
		assert.Empty(t, h.messages())
	})
}

func TestRequiredWithoutCgo(t *testing.T) {
	h := newHarness(t, newConfig(func(c *Config) { c.Required = true }), newDriver(""))
	require.ErrorContains(t, h.Start(t.Context(), componenttest.NewNopHost()), "required: no NVIDIA GPU can be read: this binary was built without NVML")
	require.NoError(t, h.Shutdown(context.Background()))
}
