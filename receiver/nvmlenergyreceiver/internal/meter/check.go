// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import "time"

// check compares the counter with the power, minute by minute.
type check struct {
	since          time.Time
	counted, drawn uint64 // mJ
	now            time.Time

	disagreement float64
	known        bool
}

// minute is long enough for the counter's steps and the lag of the mean to be below 2 %.
const minute = time.Minute

func (c *check) observe(r Reading, o Outcome, counted, integrated uint64, trusted bool) {
	if !trusted || o.Gap || r.CounterErr != nil || r.PowerErr != nil || !o.Counter.Accepted() {
		c.since = time.Time{}
		return
	}
	if c.since.IsZero() {
		// The power of this reading covers a time before it.
		c.since, c.counted, c.drawn = r.At, 0, 0
		return
	}
	c.counted += counted
	c.drawn += integrated
	c.now = r.At
}

// conclude ends a minute. A GPU that is as good as off tells nothing.
func (c *check) conclude() bool {
	if c.since.IsZero() || c.now.Sub(c.since) < minute {
		return false
	}
	elapsed := c.now.Sub(c.since)
	c.since = time.Time{}
	if float64(c.drawn) < asleep*elapsed.Seconds() {
		return false
	}
	c.disagreement, c.known = (float64(c.counted)-float64(c.drawn))/float64(c.drawn), true
	return true
}
