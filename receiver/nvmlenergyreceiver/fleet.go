// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// fleet is the driver and all GPUs it has ever shown. It belongs to the worker's goroutine.
type fleet struct {
	driver   driver
	reporter *reporter
	logger   *zap.Logger

	gpus   []*gpu
	known  atomic.Int64 // how many GPUs there are, for others to read
	opened bool

	// due is when to maintain again; zero for never.
	due  time.Time
	wait time.Duration
	// problem is why no GPU can be read, nil if one can.
	problem error
	// strangers are the last logged errors of GPUs that have not yet told their UUID.
	strangers string
}

const (
	// soonest and latest bound the time between two searches for a GPU that is missing. A search in
	// vain costs microseconds without a driver and milliseconds with one.
	soonest = time.Second
	latest  = time.Minute
	// rediscovery is how long a new GPU may go unnoticed.
	rediscovery = time.Minute
)

// maintain opens the driver if need be, finds new GPUs, and gives lost ones their handle back.
func (f *fleet) maintain() {
	err := f.find()
	f.explain(err)
	switch {
	case errors.Is(err, errBuiltWithout):
		f.due = time.Time{}
	case err != nil || slices.ContainsFunc(f.gpus, (*gpu).lost):
		f.wait = min(max(2*f.wait, soonest), latest)
		f.due = time.Now().Add(f.wait)
	default:
		f.wait = 0
		f.due = time.Now().Add(rediscovery)
	}
}

// hurry has maintain called soon, after a loss.
func (f *fleet) hurry() {
	f.wait = soonest
	f.due = time.Now().Add(f.wait)
}

// explain logs a change of the reason why no GPU can be read.
func (f *fleet) explain(err error) {
	if err != nil && (f.problem == nil || f.problem.Error() != err.Error()) {
		message := "no NVIDIA GPU can be read: no points until one can"
		if errors.Is(err, errBuiltWithout) {
			message = "the receiver is idle"
		}
		f.logger.Warn(message, zap.Error(err))
	}
	f.problem = err
}

func (f *fleet) find() error {
	if !f.opened {
		if err := f.driver.open(); err != nil {
			return err
		}
		f.opened = true
	}
	err := f.enumerate()
	if err == nil && !slices.ContainsFunc(f.gpus, (*gpu).present) {
		if err = errNoGPU; len(f.gpus) > 0 {
			err = errAllLost
		}
	}
	if err != nil {
		// Initialising again is how a driver that was reloaded, or its new GPUs, come into sight.
		f.close()
	}
	return err
}

// enumerate goes by UUID, as the indices shift when a GPU goes away.
func (f *fleet) enumerate() error {
	count, err := f.driver.count()
	if err != nil {
		return err
	}
	var failed []string
	for index := range count {
		handle, err := f.driver.device(index)
		if err == nil {
			err = f.admit(handle)
		}
		if err != nil {
			failed = append(failed, fmt.Sprintf("GPU %d: %v", index, err))
		}
	}
	strangers := count - len(f.gpus)
	problem := strings.Join(failed, "; ")
	if strangers <= 0 {
		problem = "" // those that failed are known, and their loss is logged when they are read
	}
	if len(f.gpus) == 0 && problem != "" {
		return errors.New(problem)
	}
	if problem != f.strangers && problem != "" {
		f.logger.Warn("GPUs cannot be opened: no points of them until they can", zap.Int("gpus", strangers), zap.String("error", problem))
	}
	f.strangers = problem
	return nil
}

// admit takes a handle for a new GPU, or for one that was lost.
func (f *fleet) admit(handle device) error {
	id, err := handle.uuid()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(f.gpus, func(g *gpu) bool { return g.id == id })
	if i >= 0 && f.gpus[i].present() {
		return nil
	}
	name, err := handle.name()
	if err != nil {
		return err
	}
	if i < 0 {
		f.gpus = append(f.gpus, &gpu{id: id, name: name, troubles: map[string]metadata.AttributeReason{}})
		f.known.Add(1)
		i = len(f.gpus) - 1
		f.logger.Info("GPU found", zap.String("hw.id", id), zap.String("hw.name", name))
	} else {
		f.logger.Info("GPU is back", zap.String("hw.id", id))
	}
	f.gpus[i].acquire(handle)
	return nil
}

// collect reads all GPUs and makes a point of each reading that counts.
func (f *fleet) collect(ctx context.Context) pmetric.Metrics {
	for _, g := range f.gpus {
		wasPresent := g.present()
		f.reporter.report(ctx, g)
		if wasPresent && g.lost() {
			f.hurry()
		}
	}
	return f.reporter.emit()
}

func (f *fleet) close() {
	if !f.opened {
		return
	}
	f.opened = false
	for _, g := range f.gpus {
		g.device = nil // a handle must not be used after this
	}
	if err := f.driver.close(); err != nil {
		f.logger.Warn("the NVIDIA driver was not closed", zap.Error(err))
	}
}
