// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"fmt"
	"time"
)

// Event happens to a GPU at a time.
type Event struct {
	At   time.Duration
	Kind EventKind
}

// EventKind is in the words of the scenario language.
type EventKind string

const (
	// Reset starts the energy counter again at 0.
	Reset EventKind = "reset"
	// Lost makes each call on the GPU fail with NVML_ERROR_GPU_IS_LOST, until Back.
	Lost EventKind = "lost"
	// Back ends Lost.
	Back EventKind = "back"
	// Detach takes the GPU away: the count shrinks, indices shift, its handles stay lost for good.
	Detach EventKind = "detach"
	// Attach brings it back. A GPU whose first event of the two is Attach is not there before it.
	Attach EventKind = "attach"
	// Hang makes each call on the GPU block, until Unhang.
	Hang EventKind = "hang"
	// Unhang ends Hang.
	Unhang EventKind = "unhang"
	// Stuck stops the energy counter, until Unstuck or Resume or a Reset.
	Stuck EventKind = "stuck"
	// Unstuck lets the counter jump to what it would have shown.
	Unstuck EventKind = "unstuck"
	// Resume lets the counter go on from where it stood.
	Resume EventKind = "resume"
	// MIGOn turns MIG on. Without MIGOn and MIGOff it is on if the GPU has instances.
	MIGOn EventKind = "mig on"
	// MIGOff turns MIG off. The handles of its instances become stale.
	MIGOff EventKind = "mig off"
	// MIGPending has the other mode wait for a reset.
	MIGPending EventKind = "mig pending"
)

// Glitch makes the counter show so many mJ for one update period.
func Glitch(mJ uint64) EventKind { return EventKind(fmt.Sprintf("glitch %d", mJ)) }

// Xid is an error that the driver reports.
func Xid(number int) EventKind { return EventKind(fmt.Sprintf("xid %d", number)) }

// XidOn is one that it can attribute to a MIG device.
func XidOn(number int, m Instance) EventKind {
	return EventKind(fmt.Sprintf("xid %d %d %d", number, m.GI, m.CI))
}
