// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"time"
)

// worker is the one goroutine that calls the driver. Whoever needs something from the GPUs asks it,
// and waits no longer than the patience there is with a driver: a call that hangs cannot be undone.
type worker struct {
	watch     *watch
	questions chan func(*fleet)
	quit      chan struct{}
	done      chan struct{}
}

func startWorker(f *fleet, w *watch) *worker {
	wk := &worker{watch: w, questions: make(chan func(*fleet)), quit: make(chan struct{}), done: make(chan struct{})}
	go wk.run(f)
	return wk
}

func (w *worker) run(f *fleet) {
	defer close(w.done)
	defer f.close()
	f.maintain()
	for {
		var due <-chan time.Time
		if !f.due.IsZero() {
			due = time.After(time.Until(f.due))
		}
		select {
		case <-w.quit:
			return
		case question := <-w.questions:
			question(f)
		case <-due:
			f.maintain()
		}
	}
}

// ask has the worker answer a question. It gives up when a single call to the driver takes too long,
// and says which.
func ask[T any](ctx context.Context, w *worker, question func(*fleet) T) (answer T, err error) {
	answered := make(chan T, 1)
	questions := w.questions
	for {
		select {
		case questions <- func(f *fleet) { answered <- question(f) }:
			questions = nil
		case answer = <-answered:
			return answer, nil
		case <-ctx.Done():
			return answer, w.watch.overdue()
		case <-time.After(w.watch.left()):
			if w.watch.left() <= 0 {
				return answer, w.watch.overdue()
			}
		}
	}
}

// stop ends the goroutine and closes the driver. The error says which call has to be left behind.
func (w *worker) stop(ctx context.Context) error {
	close(w.quit)
	for {
		select {
		case <-w.done:
			return nil
		case <-ctx.Done():
			return w.watch.overdue()
		case <-time.After(w.watch.left()):
			if w.watch.left() <= 0 {
				return w.watch.overdue()
			}
		}
	}
}
