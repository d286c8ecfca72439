// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package grid

import (
	"sync/atomic"
	"time"
)

// Source is what the gridintensity extension offers to other components.
type Source interface {
	// Feed is the intensity of a zone, which may be named as for Static; the same zone has the same feed.
	// The error names what the source's configuration lacks for the zone. It makes no request.
	Feed(zone string, signal Signal) (*Feed, error)
}

// Feed is the intensity of a zone as it becomes known. Reading it takes no lock and makes no request.
type Feed struct {
	// Of is what is counted: the boundary, basis and gas of the source's first choice.
	Of Provenance
	// WithLosses are the sources whose numbers have the losses of the grid in them.
	WithLosses []string
	// History is how far back the source may still come to know what it does not; 0: it knows all that it ever will.
	History time.Duration

	timeline atomic.Pointer[Timeline]
	wanted   atomic.Int64 // Unix ns, 0 if nothing is
	wake     chan struct{}
}

// NewFeed starts with what is known when nothing has been asked for.
func NewFeed(of Provenance, t *Timeline) *Feed {
	f := &Feed{Of: of, wake: make(chan struct{}, 1)}
	f.timeline.Store(t)
	return f
}

// Timeline is what is known now.
func (f *Feed) Timeline() *Timeline { return f.timeline.Load() }

// Publish replaces what is known.
func (f *Feed) Publish(t *Timeline) { f.timeline.Store(t) }

// Want asks for the history from a time on, which somebody has energy of.
func (f *Feed) Want(from time.Time) {
	ns := from.UnixNano()
	for {
		wanted := f.wanted.Load()
		if wanted != 0 && wanted <= ns {
			return
		}
		if f.wanted.CompareAndSwap(wanted, ns) {
			break
		}
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Wanted is from when on history was asked for; zero if it was not.
func (f *Feed) Wanted() time.Time {
	if ns := f.wanted.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Wake receives when Wanted has changed.
func (f *Feed) Wake() <-chan struct{} { return f.wake }
