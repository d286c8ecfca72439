// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// fileCounter accumulates a file that counts microjoules.
type fileCounter struct {
	reader
	counter joule.Counter
	naps    naps
	// wraps says that the counter has a range, in a file beside it. It is read before the first reading.
	wraps bool
}

func newFileCounter(r reader, scope Scope, wraps bool) *fileCounter {
	return &fileCounter{reader: r, wraps: wraps, naps: r.machine.naps(), counter: joule.Counter{MaxRate: scope.maxPower() * microjoules}}
}

const microjoules = 1e6 // in a joule

func (c *fileCounter) Read(now time.Time) (joule.Outcome, error) {
	raw, err := c.read()
	if err != nil {
		return joule.Rejected, err
	}
	if c.wraps && c.counter.Range == 0 {
		path := filepath.Join(filepath.Dir(c.at.value), "max_energy_range_uj")
		most, err := c.machine.number(path)
		if err != nil {
			return joule.Rejected, err
		}
		if most == 0 {
			return joule.Rejected, fmt.Errorf("%s: 0 is no range of a counter", path)
		}
		c.counter.Range = most
	}
	if c.naps.woke() { // clients reset their counters meanwhile, and that may look like a wrap
		c.counter.Break()
	}
	return c.counter.Observe(raw, now), nil
}

func (c *fileCounter) Microjoules() uint64 { return c.counter.Total() }

// Interval is a quarter of the shortest time in which the counter can wrap.
func (c *fileCounter) Interval() time.Duration {
	const (
		unknown  = time.Minute            // while the range is not known
		shortest = 100 * time.Millisecond // against a range that is nonsense
	)
	switch {
	case !c.wraps:
		return 0
	case c.counter.Range == 0:
		return unknown
	}
	wrap := float64(c.counter.Range) / c.counter.MaxRate
	return max(time.Duration(wrap/4*float64(time.Second)), shortest)
}
