// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// patience is how long an answer of the driver is waited for. Calls take microseconds, the first
// ones up to seconds; those that took longer hung for hours (open-gpu-kernel-modules #1333, go-nvml #152).
const patience = 5 * time.Second

const (
	// soonest and latest bound the time between two searches for a GPU that is missing. A search in
	// vain costs microseconds without a driver and milliseconds with one.
	soonest = time.Second
	latest  = time.Minute
	// rediscovery is how long a new GPU may go unnoticed.
	rediscovery = time.Minute
)

var (
	errNoGPU   = errors.New("the NVIDIA driver has no GPU")
	errAllLost = errors.New("all GPUs are lost")
)

// fleet is the driver and all GPUs it has ever shown. One goroutine opens the driver, finds GPUs, and has
// each read by a worker of its own.
type fleet struct {
	*common

	driver nvml.Driver
	watch  nvml.Watch // over the calls that are for no GPU
	host   statusHost

	mu       sync.Mutex
	gpus     []*gpu
	problem  error // why no GPU can be read, nil if one can
	stopping bool  // no more GPUs are read

	// The rest belongs to the goroutine.
	opened  bool
	version string
	due     time.Time
	wait    time.Duration
	// strangers are the last logged errors of GPUs that have not yet told their UUID.
	strangers string
	probes    []*probe
	count     int // of GPUs, when they were last looked at
	release   release

	searched chan struct{} // closed after the first search
	quit     chan struct{}
	done     chan struct{}
}

func newFleet(c *common, driver nvml.Driver, host statusHost) *fleet {
	return &fleet{
		common: c, driver: driver, host: host,
		searched: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// known is all GPUs there have ever been.
func (f *fleet) known() []*gpu {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.gpus)
}

func (f *fleet) trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem
}

// ready waits for the first search, and returns why it found nothing that can be read.
func (f *fleet) ready(ctx context.Context) error {
	if err := await(ctx, f.searched, &f.watch, ""); err != nil {
		return err
	}
	return f.trouble()
}

func (f *fleet) run() {
	defer close(f.done)
	f.maintain()
	close(f.searched)
	for {
		var due <-chan time.Time
		if !f.due.IsZero() {
			due = time.After(time.Until(f.due))
		}
		select {
		case <-f.quit:
			f.end()
			return
		case <-f.lost:
			f.wait = soonest
			f.due = time.Now().Add(f.wait)
		case <-f.pending:
			f.letGo()
		case <-due:
			f.maintain()
		}
	}
}

// maintain opens the driver if need be, finds new GPUs, and gives lost ones their handle back.
func (f *fleet) maintain() {
	err := f.find()
	f.explain(err)
	switch {
	case errors.Is(err, nvml.ErrBuiltWithout):
		f.due = time.Time{}
	case err != nil || slices.ContainsFunc(f.known(), (*gpu).idle):
		f.wait = min(max(2*f.wait, soonest), latest)
		f.due = time.Now().Add(f.wait)
	default:
		f.wait = 0
		f.due = time.Now().Add(rediscovery)
	}
}

// explain logs a change of the reason why no GPU can be read.
func (f *fleet) explain(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && (f.problem == nil || f.problem.Error() != err.Error()) {
		message := "no NVIDIA GPU can be read: no points until one can"
		if errors.Is(err, nvml.ErrBuiltWithout) {
			message = "the receiver is idle"
		}
		f.logger.Warn(message, zap.Error(err))
		f.host.problem(err)
	}
	if err == nil && f.problem != nil {
		f.host.fine()
	}
	f.problem = err
}

func (f *fleet) find() error {
	if !f.opened {
		if err := f.open(); err != nil {
			return err
		}
	}
	err := f.enumerate()
	if slices.ContainsFunc(f.known(), (*gpu).busy) {
		f.mourn(err)
		return nil
	}
	switch {
	case err != nil:
	case len(f.known()) > 0:
		err = errAllLost
	default:
		err = errNoGPU
	}
	// Initialising again is how a driver that was reloaded, or its new GPUs, come into sight.
	f.close()
	return err
}

// mourn logs a change of the reason why some GPUs cannot be opened while others can be read.
func (f *fleet) mourn(err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != f.strangers && problem != "" {
		f.logger.Warn("GPUs cannot be opened: no points of them until they can", zap.Error(err))
	}
	f.strangers = problem
}

func (f *fleet) open() error {
	f.watch.Begin("nvmlInit_v2")
	err := f.driver.Open()
	f.watch.End()
	if err != nil {
		return err
	}
	f.opened = true
	f.watch.Begin("nvmlSystemGetDriverVersion")
	version, err := f.driver.Version()
	f.watch.End()
	if err == nil && version != f.version {
		f.logger.Info("NVIDIA driver", zap.String("version", version))
		f.version = version
	}
	return nil
}

// close lets the driver go, unless a call is still running that would not survive it.
func (f *fleet) close() {
	if !f.opened {
		return
	}
	f.probes = slices.DeleteFunc(f.probes, (*probe).answered)
	if len(f.probes) > 0 || slices.ContainsFunc(f.known(), (*gpu).busy) {
		return
	}
	f.opened = false
	f.watch.Begin("nvmlShutdown")
	err := f.driver.Close()
	f.watch.End()
	if err != nil {
		f.logger.Warn("the NVIDIA driver was not closed", zap.Error(err))
	}
}

// enumerate goes by UUID, as the indices shift when a GPU goes away. While all are being read there is
// nothing to find, and their drivers are left in peace.
func (f *fleet) enumerate() error {
	f.watch.Begin("nvmlDeviceGetCount_v2")
	count, err := f.driver.Count()
	f.watch.End()
	if err != nil {
		return err
	}
	gpus := f.known()
	f.probes = slices.DeleteFunc(f.probes, (*probe).answered)
	if len(gpus) == count && !slices.ContainsFunc(gpus, (*gpu).idle) {
		return nil
	}
	var failed []discovery
	for found := range f.probeAll(f.unknown(count)) {
		if found.err == nil {
			found.err = f.admit(found)
		}
		if found.err != nil {
			failed = append(failed, found)
		}
	}
	f.probes = slices.DeleteFunc(f.probes, (*probe).answered)
	if len(f.known()) >= count {
		return nil // those that failed are known, and their loss was logged when they were read
	}
	slices.SortFunc(failed, func(a, b discovery) int { return a.index - b.index })
	var errs []error
	for _, found := range failed {
		errs = append(errs, fmt.Errorf("GPU %d: %w", found.index, found.err))
	}
	return errors.Join(errs...)
}

// unknown are the indices at which there may be something new: those of GPUs that are being read are left in
// peace as long as nothing has come or gone.
func (f *fleet) unknown(count int) (indices []int) {
	same := count == f.count
	f.count = count
	for index := range count {
		read := func(g *gpu) bool { return g.index == index && g.busy() }
		if !same || !slices.ContainsFunc(f.gpus, read) {
			indices = append(indices, index)
		}
	}
	return indices
}

// admit has a GPU read that is new, or was lost.
func (f *fleet) admit(found discovery) error {
	i := slices.IndexFunc(f.gpus, func(g *gpu) bool { return g.id == found.id })
	if i >= 0 {
		g := f.gpus[i]
		g.index = found.index
		if g.idle() {
			f.logger.Info("GPU is back", zap.String("hw.id", g.id))
			f.attach(g, found)
		}
		return nil
	}
	g, err := f.newGPU(found, f.version)
	if err != nil {
		return err
	}
	f.logger.Info("GPU found", zap.String("hw.id", g.id), zap.String("hw.name", g.name))
	f.mu.Lock()
	f.gpus = append(f.gpus, g)
	f.mu.Unlock()
	f.attach(g, found)
	return nil
}

func (f *fleet) attach(g *gpu, found discovery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stopping {
		g.attach(found, f.version)
	}
}

// stop ends all goroutines and closes the driver. The error says which calls have to be left behind; when
// these return, if ever, the rest ends.
func (f *fleet) stop(ctx context.Context) error {
	f.mu.Lock()
	f.stopping = true
	f.mu.Unlock()
	close(f.quit)
	var errs []error
	for _, g := range f.known() {
		errs = append(errs, g.detach(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return await(ctx, f.done, &f.watch, "")
}

// end closes the driver after the last call has returned.
func (f *fleet) end() {
	for _, g := range f.known() {
		if w := g.reader(); w != nil {
			w.stop()
			<-w.done
		}
	}
	for _, p := range f.probes {
		<-p.done
	}
	f.close()
}

// await waits for a goroutine, but not for one whose call to the driver hangs.
func await(ctx context.Context, done <-chan struct{}, watch *nvml.Watch, id string) error {
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return overdue(watch, id)
		case <-time.After(patience / 50):
			if _, running := watch.InFlight(); running >= patience {
				return overdue(watch, id)
			}
		}
	}
}

// overdue says which call is in flight and for how long.
func overdue(watch *nvml.Watch, id string) error {
	symbol, running := watch.InFlight()
	if symbol == "" {
		return errors.New("the NVIDIA driver answers too slowly")
	}
	if id != "" {
		symbol += " of " + id
	}
	return fmt.Errorf("the NVIDIA driver does not answer: %s has been running for %v", symbol, running.Round(time.Millisecond))
}
