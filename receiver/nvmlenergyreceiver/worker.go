// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

const (
	// slowly is how often a GPU is asked for its processes: a list of them takes milliseconds and holds a lock
	// of the whole driver (MangoHud #2104).
	slowly = time.Second
	// seldom is how often it is asked for events and the MIG mode.
	seldom = 5 * time.Second
)

// worker is the one goroutine that calls the driver for a GPU, with one call at a time. If that hangs, all
// others go on.
type worker struct {
	gpu    *gpu
	device nvml.Device
	census *census // nil if energy is not split

	lacks    map[string]bool // what the GPU does not support
	strikes  int             // readings in a row that failed as those of a lost GPU do
	slowAt   time.Time
	seldomAt time.Time
	vitalsAt time.Time
	asleep   time.Duration // how long the machine has been suspended since it booted

	once sync.Once
	quit chan struct{}
	done chan struct{}
}

func newWorker(g *gpu, device nvml.Device) *worker {
	w := &worker{
		gpu: g, device: device, lacks: map[string]bool{},
		asleep: g.suspended(),
		quit:   make(chan struct{}), done: make(chan struct{}),
	}
	return w
}

func (w *worker) stop() { w.once.Do(func() { close(w.quit) }) }

// run reads the GPU until it is lost or stop is called; then once more.
func (w *worker) run() {
	defer close(w.done)
	defer w.leave()
	w.arrive()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-w.quit:
			w.poll()
			return
		case <-timer.C:
		}
		if w.poll(); w.strikes > 1 {
			return
		}
		timer.Reset(w.interval())
	}
}

// interval is how long to wait for the next poll: not long if the GPU seems to be lost. All GPUs are polled at
// the same moments, which wakes the processor once instead of many times.
func (w *worker) interval() time.Duration {
	now, poll := time.Now(), w.gpu.cfg.PollInterval
	wished := w.gpu.meter.Interval(now, now.Truncate(poll).Add(poll).Sub(now))
	if w.strikes > 0 {
		return min(wished, slowly)
	}
	return wished
}

// arrive asks what stays the same for a handle.
func (w *worker) arrive() {
	g := w.gpu
	limits := meter.ReadLimits(w.device)
	moduleID, _ := w.device.ModuleID()
	if g.tenants != nil {
		node := ""
		if minor, err := w.device.Minor(); err == nil {
			node = fmt.Sprintf("nvidia%d", minor)
		}
		w.census = newCensus(g.tenants, g.id, node, g.diary)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moduleID = moduleID
	g.condition = ok
	g.meter.Attach(limits, meter.Calibration{Gain: g.calibration.Gain, Offset: 1000 * g.calibration.Offset})
}

// leave books what is known, and tells the fleet if the GPU was lost.
func (w *worker) leave() {
	g := w.gpu
	if w.census != nil {
		w.census.close()
	}
	w.device.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.worker = nil
	if g.ledger != nil {
		g.ledger.Flush()
		g.ledger.Presence(g.readAt, ledger.Presence{})
	}
	if w.strikes > 1 {
		g.condition = lost
		g.diary.lost()
		select {
		case g.lost <- struct{}{}:
		default:
		}
	}
}

// poll reads the GPU once.
func (w *worker) poll() {
	g := w.gpu
	reading := w.gpu.meter.Read(w.device, time.Now)
	slow := w.slowAt.IsZero() || reading.At.Sub(w.slowAt) >= slowly*9/10
	var taken taken
	var events []nvml.Event
	if w.seldomAt.IsZero() || reading.At.Sub(w.seldomAt) >= seldom*9/10 {
		w.seldomAt = reading.At
		events = w.events()
		w.mig()
	}
	if slow {
		w.slowAt = reading.At
		if w.census != nil {
			taken = w.census.take(w.device, reading.At)
		}
	}
	vitals, fresh := w.vitals(reading.At)

	g.mu.Lock()
	defer g.mu.Unlock()
	if slow {
		w.wake()
	}
	w.judge(reading)
	for _, e := range events {
		w.note(e)
	}
	if fresh {
		g.vitals = vitals
	}
	outcome := g.meter.Book(reading)
	g.diary.reading(reading, outcome, g.meter.Source())
	if outcome.Checked {
		g.diary.disagreement(g.meter.Disagreement())
	}
	if outcome.Booked {
		g.book(reading.At, outcome.Growth)
	}
	if slow && g.ledger != nil && w.census != nil {
		w.census.tell(g.ledger, reading.At, taken)
	}
}

// wake looks whether the machine has been suspended.
func (w *worker) wake() {
	asleep := w.gpu.suspended()
	if slept := asleep - w.asleep; slept > time.Second {
		w.gpu.logger.Info("the machine was suspended", zap.Duration("for", slept))
		w.gpu.meter.Suspended()
	}
	w.asleep = asleep
}

// book adds energy up to a time.
func (g *gpu) book(at time.Time, growth meter.Growth) {
	if g.start.IsZero() {
		g.start = at
	}
	if g.ledger == nil && g.tenants != nil {
		g.adopt(ledger.New(g.ledgerConfig(), at))
	}
	if g.ledger != nil {
		g.ledger.Energy(at, growth.Counter, growth.Integrated)
		g.ledger.Close(at)
	}
	g.readAt = at
}

// adopt takes a ledger, in which what is configured counts for more than what was found out.
func (g *gpu) adopt(l *ledger.Ledger) {
	if milliwatts := uint32(1000 * g.calibration.IdlePower); milliwatts > 0 {
		l.SetIdlePower(milliwatts)
	}
	g.ledger = l
}

// judge decides whether the GPU is lost.
func (w *worker) judge(r meter.Reading) {
	g := w.gpu
	before := g.condition
	switch {
	case isLost(r.CounterErr) || isLost(r.PowerErr):
		w.strikes++
		g.condition = suspect
	case r.CounterErr != nil && !meter.Unsupported(r.CounterErr) || r.PowerErr != nil && !meter.Unsupported(r.PowerErr):
		g.condition = suspect
	default:
		w.strikes = 0
		g.condition = ok
	}
	if before == suspect && g.condition == ok {
		g.logger.Debug("GPU is well again", zap.String("hw.id", g.id))
	}
}

// events takes the news of the GPU. It costs nothing while hw.errors is off.
func (w *worker) events() []nvml.Event {
	if !w.gpu.cfg.Metrics.Metrics.HwErrors.Enabled {
		return nil
	}
	return ask(w, "events", w.device.Events)
}

func (w *worker) note(e nvml.Event) {
	if e.MIGChanged {
		w.gpu.logger.Info("the MIG instances of a GPU have changed", zap.String("hw.id", w.gpu.id))
		return
	}
	w.gpu.xids[e.Xid]++
	w.gpu.logger.Warn("the driver reports an error of a GPU", zap.String("hw.id", w.gpu.id), zap.Uint64("nvidia.xid", e.Xid))
}

// mig looks for a pending change of mode, to which this process may be in the way.
func (w *worker) mig() {
	if w.gpu.cfg.ReleaseHandles == releaseNever {
		return
	}
	mode := ask(w, "MIG mode", func() (mode [2]bool, err error) {
		mode[0], mode[1], err = w.device.MIG()
		return mode, err
	})
	if mode[0] != mode[1] {
		select {
		case w.gpu.pending <- struct{}{}:
		default:
		}
	}
}

// ask makes a call that the GPU need not support, and no more if it does not.
func ask[T any](w *worker, what string, call func() (T, error)) (value T) {
	if w.lacks[what] {
		return value
	}
	value, err := call()
	switch {
	case meter.Unsupported(err):
		w.lacks[what] = true
	case isLost(err):
		// The next reading of energy finds out.
	default:
		w.gpu.diary.note(what, err)
		return value
	}
	var none T
	return none
}

// isLost reports whether an error is one of those that lost GPUs, stale handles and unloaded drivers give.
func isLost(err error) bool {
	for _, failure := range []nvml.Failure{nvml.Uninitialized, nvml.DriverNotLoaded, nvml.InvalidArgument, nvml.GPUIsLost, nvml.ResetRequired, nvml.GPUNotFound, nvml.LibraryMismatch} {
		if errors.Is(err, failure) {
			return true
		}
	}
	return false
}

// reasonOf sorts an error by what is to be done: nothing, look for the GPU again, or try again.
func reasonOf(err error) metadata.AttributeReason {
	switch {
	case meter.Unsupported(err):
		return metadata.AttributeReasonUnsupported
	case isLost(err):
		return metadata.AttributeReasonLost
	default:
		return metadata.AttributeReasonUnreadable
	}
}

// outcomeReason is the reason why the counter's growth did not count, or not in full; 0 if it did.
func outcomeReason(o joule.Outcome) metadata.AttributeReason {
	switch o {
	case joule.Rejected:
		return metadata.AttributeReasonImplausible
	case joule.Rebased:
		return metadata.AttributeReasonRebased
	case joule.Reset:
		return metadata.AttributeReasonReset
	case joule.Gap:
		return metadata.AttributeReasonGap
	default:
		return 0
	}
}
