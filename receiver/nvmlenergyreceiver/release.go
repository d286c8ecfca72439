// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// release lets the driver go while a change of a MIG mode is pending: the change needs a reset of the GPU,
// which is refused as long as anyone has it open (mig-parted #19).
type release struct{ since time.Time }

const (
	// pause is how long the driver is let go at a time.
	pause = 30 * time.Second
	// givenUp is how long a change may be pending until it is taken for forgotten.
	givenUp = 10 * time.Minute
)

// letGo stops all workers and closes the driver for a while.
func (f *fleet) letGo() {
	switch {
	case f.release.since.IsZero() || time.Since(f.release.since) > 2*givenUp:
		f.release.since = time.Now()
		f.logger.Info("a change of MIG mode is pending: the driver is let go, so that the GPU can be reset", zap.Duration("looks_again_after", pause))
	case time.Since(f.release.since) > givenUp:
		return
	}
	for _, g := range f.known() {
		if err := g.detach(context.Background()); err != nil {
			f.logger.Warn("the driver cannot be let go", zap.Error(err))
		}
	}
	f.close()
	f.wait = soonest
	f.due = time.Now().Add(pause)
}
