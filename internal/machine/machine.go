// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package machine lets the receivers of a process that meter parts of one machine know of each other, so that
// nothing is counted twice, and what none of them covers can be told.
package machine

import (
	"slices"
	"sync"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// Meter is a receiver. Its methods may be called at any time until it has left.
type Meter interface {
	// Devices lists what it meters. It is not decided while it is not known what they cover.
	Devices() (devices []Device, decided bool)
	// Attributed yields what workloads used of them so far, in mJ; nil is what was attributed to none. It may
	// yield a workload several times.
	Attributed(yield func(w *workload.Workload, millijoules uint64))
}

// Device has an energy of its own.
type Device struct {
	ID string // hw.id
	// Module says that the energy of a CPU and its memory is in it: energy.scope is module.
	Module      bool
	Millijoules uint64 // so far
}

var joined struct {
	mu     sync.Mutex
	byRoot map[string][]Meter
}

// Join makes a meter known to the others of the machine whose root file system is mounted at root.
func Join(root string, m Meter) (leave func()) {
	joined.mu.Lock()
	defer joined.mu.Unlock()
	if joined.byRoot == nil {
		joined.byRoot = map[string][]Meter{}
	}
	joined.byRoot[root] = append(joined.byRoot[root], m)
	return sync.OnceFunc(func() {
		joined.mu.Lock()
		defer joined.mu.Unlock()
		rest := slices.DeleteFunc(slices.Clone(joined.byRoot[root]), func(other Meter) bool { return other == m })
		if joined.byRoot[root] = rest; len(rest) == 0 {
			delete(joined.byRoot, root)
		}
	})
}

// Others are the meters of a machine but one.
func Others(root string, except Meter) []Meter {
	joined.mu.Lock()
	defer joined.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(joined.byRoot[root]), func(m Meter) bool { return m == except })
}
