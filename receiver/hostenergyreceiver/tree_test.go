// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/tools/txtar"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// tree unpacks testdata/name.txtar, the root of a machine. Real paths have colons, which neither
// Go modules nor Windows allow in file names.
func tree(tb testing.TB, name string) (root string) {
	tb.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	require.NoError(tb, err)
	root = tb.TempDir()
	for _, file := range archive.Files {
		write(tb, filepath.Join(root, file.Name), string(file.Data))
	}
	return root
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(tb, os.WriteFile(path, []byte(content), 0o600))
}

func energyFile(root, zone string) string {
	return filepath.Join(root, "sys/class/powercap", zone, "energy_uj")
}

// reading replaces how the rig's machine is read.
func (r *rig) reading(read func(path string) ([]byte, error)) {
	machine := r.scraper.machine
	r.scraper.machine = func() sensor.Machine {
		m := machine()
		m.ReadFile = read
		return m
	}
}

// rig is a receiver on a tree, with what comes out of it.
type rig struct {
	*hostEnergyReceiver
	sink      *consumertest.MetricsSink
	logs      *observer.ObservedLogs
	telemetry *componenttest.Telemetry
}

func newRig(tb testing.TB, root string, change func(*Config)) *rig {
	tb.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Host.RootPath = root
	cfg.Controller.InitialDelay = 0
	cfg.Attribution.Enabled = false // has tests of its own
	cfg.Model.IdlePowerPerCPU, cfg.Model.MaxPowerPerCPU = 0.74, 3.5
	if change != nil {
		change(cfg)
	}
	r := &rig{sink: new(consumertest.MetricsSink), telemetry: componenttest.NewTelemetry()}
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = r.telemetry.NewTelemetrySettings()
	core, logs := observer.New(zap.InfoLevel)
	set.Logger, r.logs = zap.New(core), logs

	var err error
	r.hostEnergyReceiver, err = newHostEnergyReceiver(cfg, set, r.sink)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx := context.WithoutCancel(tb.Context())
		require.NoError(tb, r.Shutdown(ctx))
		require.NoError(tb, r.telemetry.Shutdown(ctx))
	})
	return r
}

// point is a data point with all that the tests look at.
type point struct {
	value     float64
	start, at time.Time
	attrs     map[string]any
	resource  map[string]any
}

// points are the points of one delivery by metric name and hw.id.
func points(t *testing.T, metrics pmetric.Metrics) map[string]point {
	t.Helper()
	found := map[string]point{}
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				var dps pmetric.NumberDataPointSlice
				if m.Type() == pmetric.MetricTypeGauge {
					dps = m.Gauge().DataPoints()
				} else {
					require.True(t, m.Sum().IsMonotonic())
					require.Equal(t, pmetric.AggregationTemporalityCumulative, m.Sum().AggregationTemporality())
					dps = m.Sum().DataPoints()
				}
				for _, dp := range dps.All() {
					id, _ := dp.Attributes().Get("hw.id")
					key := m.Name() + " " + id.Str()
					require.NotContains(t, found, key, "reported twice")
					found[key] = point{
						value: dp.DoubleValue(), start: dp.StartTimestamp().AsTime(), at: dp.Timestamp().AsTime(),
						attrs: dp.Attributes().AsRaw(), resource: rm.Resource().Attributes().AsRaw(),
					}
				}
			}
		}
	}
	return found
}

func values(points map[string]point) map[string]float64 {
	found := map[string]float64{}
	for key, p := range points {
		found[key] = p.value
	}
	return found
}

// latest are the points of the last delivery.
func (r *rig) latest(t *testing.T) map[string]point {
	t.Helper()
	all := r.sink.AllMetrics()
	require.NotEmpty(t, all)
	return points(t, all[len(all)-1])
}
