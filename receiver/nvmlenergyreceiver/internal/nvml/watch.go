// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"sync"
	"time"
)

// Watch knows the call that the driver has not yet answered. Others than the caller may look: a call that
// hangs cannot be ended, and may hang for hours (open-gpu-kernel-modules #1333, go-nvml #152). The zero
// value is ready to use.
type Watch struct {
	mu     sync.Mutex
	symbol string
	since  time.Time
}

// Begin notes a call. There is one at a time.
func (w *Watch) Begin(symbol string) {
	w.mu.Lock()
	w.symbol, w.since = symbol, time.Now()
	w.mu.Unlock()
}

// End notes its answer.
func (w *Watch) End() {
	w.mu.Lock()
	w.symbol = ""
	w.mu.Unlock()
}

// InFlight is the call that has no answer yet and how long it has been running; "" if there is none.
func (w *Watch) InFlight() (symbol string, running time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.symbol == "" {
		return "", 0
	}
	return w.symbol, time.Since(w.since)
}
