// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package lastscrape

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

// controller stands in for the one that scrapes.
type controller struct {
	component.StartFunc
	stopped int
	err     error
}

func (c *controller) Shutdown(context.Context) error { c.stopped++; return c.err }

func TestShutdown(t *testing.T) {
	onePoint := pmetric.NewMetrics()
	onePoint.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty()
	refused, broken := errors.New("refused"), errors.New("broken")
	for name, tc := range map[string]struct {
		metrics   pmetric.Metrics
		last, bad error
		next      consumer.Metrics
		want      error
		delivered int
	}{
		"delivers what was measured since":                  {metrics: onePoint, delivered: 1},
		"delivers nothing if there is none":                 {metrics: pmetric.NewMetrics()},
		"says that the delivery was refused":                {metrics: onePoint, next: consumertest.NewErr(refused), want: refused},
		"says that the last scrape failed":                  {metrics: pmetric.NewMetrics(), last: broken, want: broken},
		"delivers though the scrapes did not stop in order": {metrics: onePoint, bad: broken, want: broken, delivered: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := &controller{err: tc.bad}
			sink := &consumertest.MetricsSink{}
			if tc.next == nil {
				tc.next = sink
			}
			calls := 0
			r, err := Wrap(c, receivertest.NewNopSettings(component.MustNewType("test")), tc.next, func(context.Context) (pmetric.Metrics, error) {
				calls++
				assert.Equal(t, 1, c.stopped, "the scrapes have stopped")
				return tc.metrics, tc.last
			})
			require.NoError(t, err)
			require.ErrorIs(t, r.Shutdown(t.Context()), tc.want)
			require.NoError(t, r.Shutdown(t.Context()), "again")
			assert.Equal(t, 1, calls)
			assert.Len(t, sink.AllMetrics(), tc.delivered)
		})
	}
}
