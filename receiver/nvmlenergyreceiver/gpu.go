// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// condition of a GPU.
type condition uint8

const (
	ok      condition = iota
	suspect           // a call failed as it does when the GPU is lost
	lost              // and another one did
)

// gpu is a GPU for as long as the receiver lives, whether it can be reached or not.
type gpu struct {
	*common

	id, name    string
	index       int // where the driver showed it last; it belongs to the fleet's goroutine
	calibration CalibrationConfig
	diary       *diary

	mu     sync.Mutex // over all below; never held during a call to the driver
	worker *worker
	watch  *nvml.Watch
	// driver is the version that is loaded.
	driver    string
	moduleID  uint32
	condition condition
	meter     meter.Meter
	ledger    *ledger.Ledger // nil if energy is not split, or before the first reading
	start     time.Time      // of the first reading; zero before it
	readAt    time.Time      // of the last
	xids      map[uint64]int64
	vitals    vitals
	reported  reported
}

// newGPU is a GPU that was not seen before by this process. It goes on from what the last one knew of it.
func (f *fleet) newGPU(found discovery, driver string) (*gpu, error) {
	g := &gpu{
		common: f.common, id: found.id, name: found.name, index: found.index,
		calibration: f.cfg.calibration(found.id, found.name),
		diary:       newDiary(f.common, found.id),
		xids:        map[uint64]int64{},
	}
	kept, err := f.store.load(found.id)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	if kept != nil {
		if err := g.restore(kept, driver); err != nil {
			g.logger.Warn("what was kept of a GPU cannot be used: its energy is counted from 0", zap.String("hw.id", g.id), zap.Error(err))
		}
	}
	return g, nil
}

// reader is nil while nobody reads the GPU.
func (g *gpu) reader() *worker {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.worker
}

func (g *gpu) idle() bool { return g.reader() == nil }

func (g *gpu) busy() bool { return !g.idle() }

// attach begins to read a GPU.
func (g *gpu) attach(found discovery, driver string) {
	w := newWorker(g, found.device)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.worker, g.watch, g.driver = w, found.watch, driver
	go w.run()
}

// detach stops reading it, after a last reading. The error says which call hangs; the worker then ends
// when that returns, if ever.
func (g *gpu) detach(ctx context.Context) error {
	g.mu.Lock()
	w, watch := g.worker, g.watch
	g.mu.Unlock()
	if w == nil {
		return nil
	}
	w.stop()
	return await(ctx, w.done, watch, g.id)
}

// hung is the call that the driver has not answered for too long, if there is one.
func (g *gpu) hung() bool {
	if g.worker == nil {
		return false
	}
	_, running := g.watch.InFlight()
	return running >= patience
}
