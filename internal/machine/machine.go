// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package machine lets the receivers of a process that meter parts of one machine know of each other, so that
// nothing is counted twice, and what none of them covers can be told.
package machine

import (
	"os"
	"path/filepath"
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

// joined are the meters, by the machine that they are on.
var joined struct {
	mu sync.Mutex
	by map[string][]Meter
}

// bootID is the same at every root and in every container of a machine, which have names and machine-ids of their own: it
// is of the kernel that runs.
const bootID = "proc/sys/kernel/random/boot_id"

// at is what tells the machine whose root file system is mounted at root from others.
func at(root string) string {
	if id, err := os.ReadFile(filepath.Join(root, bootID)); err == nil {
		return string(id)
	}
	return root
}

// Join makes a meter known to the others of the machine whose root file system is mounted at root, here or elsewhere.
func Join(root string, m Meter) (leave func()) {
	machine := at(root)
	joined.mu.Lock()
	defer joined.mu.Unlock()
	if joined.by == nil {
		joined.by = map[string][]Meter{}
	}
	joined.by[machine] = append(joined.by[machine], m)
	return sync.OnceFunc(func() {
		joined.mu.Lock()
		defer joined.mu.Unlock()
		rest := slices.DeleteFunc(slices.Clone(joined.by[machine]), func(other Meter) bool { return other == m })
		if joined.by[machine] = rest; len(rest) == 0 {
			delete(joined.by, machine)
		}
	})
}

// Others are the meters of a machine but one.
func Others(root string, except Meter) []Meter {
	machine := at(root)
	joined.mu.Lock()
	defer joined.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(joined.by[machine]), func(m Meter) bool { return m == except })
}
