// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFailure(t *testing.T) {
	require.EqualError(t, GPUIsLost, "the GPU is lost (NVML error 15)")
	require.EqualError(t, Failure(77), "failed (NVML error 77)")
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Watch{}
		symbol, running := w.InFlight()
		assert.Empty(t, symbol)
		assert.Zero(t, running)
		w.Begin(SymbolEnergy)
		time.Sleep(time.Second)
		symbol, running = w.InFlight()
		assert.Equal(t, SymbolEnergy, symbol)
		assert.Equal(t, time.Second, running)
		w.End()
		symbol, _ = w.InFlight()
		assert.Empty(t, symbol)
	})
}
