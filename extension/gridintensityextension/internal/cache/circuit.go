// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"sync"
	"time"
)

// circuit leaves a server alone after a failure, after each further one for twice as long.
type circuit struct {
	now func() time.Time

	mu    sync.Mutex
	pause time.Duration // 0 while it works
	until time.Time
	trial bool // one call finds out whether it works again
}

const (
	shortestPause = time.Second
	longestPause  = time.Minute
)

func (c *circuit) allow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pause == 0 {
		return true
	}
	if c.trial || c.now().Before(c.until) {
		return false
	}
	c.trial = true
	return true
}

func (c *circuit) failed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pause > 0 && !c.trial {
		return // several calls were under way when it began: that is one failure
	}
	c.pause = min(max(2*c.pause, shortestPause), longestPause)
	c.until = c.now().Add(c.pause)
	c.trial = false
}

func (c *circuit) worked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pause, c.trial = 0, false
}

func (c *circuit) unknown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trial = false
}
