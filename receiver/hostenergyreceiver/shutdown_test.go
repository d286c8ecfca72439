// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestShutdownDeliversTheRest(t *testing.T) {
	root := tree(t, "amd")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, nil)
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		time.Sleep(interval / 2)
		write(t, energyFile(root, "intel-rapl:0"), "57000000")
		require.NoError(t, r.Shutdown(t.Context()))
		last := r.latest(t)["hw.energy package-0"]
		assert.InEpsilon(t, 50.0, last.value, 1e-12)
		assert.Equal(t, interval/2, last.at.Sub(last.start))
		require.Len(t, r.sink.AllMetrics(), 2)

		require.NoError(t, r.Shutdown(t.Context()), "again")
		require.Len(t, r.sink.AllMetrics(), 2)

		accepted, err := r.telemetry.GetMetric("otelcol_receiver_accepted_metric_points")
		require.NoError(t, err)
		total := int64(0)
		for _, dp := range accepted.Data.(metricdata.Sum[int64]).DataPoints {
			total += dp.Value
		}
		assert.Equal(t, int64(2), total, "the last delivery is in the receiver's telemetry")
	})
}

func TestShutdownWithoutScrape(t *testing.T) {
	root := tree(t, "client")
	never := newRig(t, root, nil)
	require.NoError(t, never.Shutdown(t.Context()))
	assert.Empty(t, never.sink.AllMetrics())

	synctest.Test(t, func(t *testing.T) {
		early := newRig(t, root, func(cfg *Config) { cfg.Controller.InitialDelay = time.Hour })
		require.NoError(t, early.Start(t.Context(), nil))
		require.NoError(t, early.Shutdown(t.Context()))
		assert.Empty(t, early.sink.AllMetrics())
	})
}
