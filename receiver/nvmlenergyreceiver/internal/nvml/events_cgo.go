// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

const (
	wanted = nvml.EventTypeXidCriticalError | nvml.EventMigConfigChange
	// waitMillis is the least that the driver waits for.
	waitMillis = 1
	// mostEvents of a call: a GPU that fails all the time does not hold up the rest.
	mostEvents = 64
)

type eventSet struct{ set nvml.EventSet }

func (e *eventSet) free() { _ = e.set.Free() }

// Events has those that were read before an error.
func (d *device) Events() (events []Event, err error) {
	if d.events == nil {
		return nil, d.listen()
	}
	for len(events) < mostEvents {
		if err := d.begin(SymbolEventWait); err != nil {
			return events, err
		}
		data, ret := d.events.set.Wait(waitMillis)
		err := d.end(SymbolEventWait, ret)
		switch {
		case errors.Is(err, Timeout):
			return events, nil
		case err != nil:
			return events, err
		case data.EventType == nvml.EventTypeXidCriticalError:
			events = append(events, Event{Xid: data.EventData})
		case data.EventType == nvml.EventMigConfigChange:
			events = append(events, Event{MIGChanged: true})
		}
	}
	return events, nil
}

// listen registers for the events that the GPU can have. It leaves nothing behind if it fails.
func (d *device) listen() error {
	for _, symbol := range []string{SymbolEventCreate, SymbolEventRegister, SymbolEventWait, SymbolEventFree} {
		if err := d.session.lacks(symbol); err != nil {
			return err
		}
	}
	if err := d.begin(SymbolEventTypes); err != nil {
		return err
	}
	types, ret := d.handle.GetSupportedEventTypes()
	if err := d.end(SymbolEventTypes, ret); err != nil {
		return err
	}
	if types &= wanted; types == 0 {
		return fmt.Errorf("%s: %w", SymbolEventTypes, NotSupported)
	}

	if err := d.begin(SymbolEventCreate); err != nil {
		return err
	}
	set, ret := d.session.nvml.EventSetCreate()
	if err := d.end(SymbolEventCreate, ret); err != nil {
		return err
	}
	events := &eventSet{set}
	d.session.hold(events)

	if err := d.begin(SymbolEventRegister); err != nil {
		d.session.release(events)
		return err
	}
	ret = d.handle.RegisterEvents(types, set)
	if err := d.end(SymbolEventRegister, ret); err != nil {
		d.session.release(events)
		return err
	}
	d.events = events
	return nil
}
