// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"iter"
	"slices"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// discovery is what the driver shows at an index.
type discovery struct {
	index    int
	id, name string
	device   nvml.Device
	watch    *nvml.Watch
	err      error
}

// probe looks at one index in a goroutine of its own, as opening a sick GPU may hang.
type probe struct {
	index int
	watch nvml.Watch
	found discovery // once done is closed
	done  chan struct{}
}

func (p *probe) answered() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// probeAll looks at indices, but for those at which a look is still going on. What there is comes as each
// answers or has run out of patience: one that hangs does not keep the others waiting.
func (f *fleet) probeAll(indices []int) iter.Seq[discovery] {
	found := make(chan discovery, len(indices))
	begun := len(f.probes)
	for _, index := range indices {
		if i := slices.IndexFunc(f.probes[:begun], func(p *probe) bool { return p.index == index }); i >= 0 {
			found <- discovery{index: index, err: overdue(&f.probes[i].watch, "")}
			continue
		}
		p := &probe{index: index, done: make(chan struct{})}
		f.probes = append(f.probes, p)
		go p.look(f.driver)
		go func() {
			if err := await(context.Background(), p.done, &p.watch, ""); err != nil {
				found <- discovery{index: p.index, err: err}
				return
			}
			found <- p.found
		}()
	}
	return func(yield func(discovery) bool) {
		for range indices {
			if !yield(<-found) {
				return
			}
		}
	}
}

func (p *probe) look(driver nvml.Driver) {
	defer close(p.done)
	found := &p.found
	found.index, found.watch = p.index, &p.watch
	if found.device, found.err = driver.Device(p.index, &p.watch); found.err != nil {
		return
	}
	if found.id, found.err = found.device.UUID(); found.err != nil {
		return
	}
	found.name, found.err = found.device.Name()
}
