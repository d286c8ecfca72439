// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// Times from nvml.md 2.5 and the issue: a GPU that was just left is warm and clocked up still.
const (
	settle  = offset(10 * time.Second)
	stretch = offset(10 * time.Second)
)

// idle learns what the GPU draws with nobody on it.
type idle struct {
	milliwatts uint32
	fixed      bool

	quiet  bool
	from   offset // since when it is quiet
	energy uint64 // of the stretch of quiet windows
	length offset
}

// IdlePower is in mW, as learned or set; 0 if it is not known.
func (l *Ledger) IdlePower() uint32 { return l.idle.milliwatts }

// SetIdlePower fixes it, in mW. With 0 it is learned anew.
func (l *Ledger) SetIdlePower(milliwatts uint32) {
	l.idle = idle{milliwatts: milliwatts, fixed: milliwatts > 0}
}

// part is how much of the energy of a time is idle.
func (i *idle) part(energy uint64, over offset) uint64 {
	return min(energy, joule.Of(i.milliwatts, time.Duration(over)))
}

// learn takes the minimum of the mean power of stretches of 10 s, from 10 s after the last resident. A
// lower one is believed at once, a higher one for a tenth: somebody may have been there unseen.
func (i *idle) learn(quiet bool, energy uint64, begin, end offset) {
	// No energy in a second is a reading that is missing.
	if i.fixed || !quiet || energy == 0 && end-begin >= offset(time.Second) {
		i.quiet, i.energy, i.length = false, 0, 0
		return
	}
	if !i.quiet {
		i.quiet, i.from = true, begin
	}
	if begin-i.from < settle {
		return
	}
	i.energy = plus(i.energy, energy)
	i.length += end - begin
	if i.length < stretch {
		return
	}
	mean := uint32(min(float64(i.energy)*1e9/float64(i.length), 1<<32-1))
	switch {
	case mean == 0:
	case i.milliwatts == 0 || mean < i.milliwatts:
		i.milliwatts = mean
	default:
		i.milliwatts += (mean - i.milliwatts + 9) / 10
	}
	i.energy, i.length = 0, 0
}
