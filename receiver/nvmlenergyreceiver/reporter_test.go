// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func TestTimestampsNeverGoBack(t *testing.T) {
	r, now := &reporter{}, time.Now()
	first := r.timestamp(now)
	assert.Equal(t, pcommon.NewTimestampFromTime(now), first)
	assert.Equal(t, first+1, r.timestamp(now.Add(-time.Hour)), "the wall clock was set back")
	assert.Equal(t, first+2, r.timestamp(now), "two readings at once")
	assert.Equal(t, first+1e9, r.timestamp(now.Add(time.Second)))
}
