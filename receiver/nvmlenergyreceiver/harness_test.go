// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml/nvmltest"
)

// harness runs the receiver as the collector does, inside a synctest bubble.
type harness struct {
	*nvmlEnergyReceiver

	t         *testing.T
	telemetry *componenttest.Telemetry
	logs      *observer.ObservedLogs
	sink      consumertest.MetricsSink
}

const firstCollection = 1500 * time.Millisecond

func newConfig(change func(*Config)) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Host.HostID, cfg.Host.HostName = "machine", "node"
	cfg.Processes.Enabled = false                 // has tests of its own
	cfg.Controller.InitialDelay = firstCollection // between two polls
	if change != nil {
		change(cfg)
	}
	return cfg
}

func newHarness(t *testing.T, cfg *Config, d *nvmltest.Driver) *harness {
	t.Helper()
	h := &harness{t: t, telemetry: componenttest.NewTelemetry()}
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = h.telemetry.NewTelemetrySettings()
	core, logs := observer.New(zap.InfoLevel)
	set.Logger, h.logs = zap.New(core), logs
	var err error
	h.nvmlEnergyReceiver, err = newNVMLEnergyReceiver(cfg, set, &h.sink, d)
	require.NoError(t, err)
	t.Cleanup(func() { assert.Empty(t, d.Misuses()) })
	t.Cleanup(func() { assert.NoError(t, h.telemetry.Shutdown(context.Background())) })
	return h
}

// run starts the receiver. It has collected once when run returns, and is shut down after the test.
func run(t *testing.T, d *nvmltest.Driver, change func(*Config)) *harness {
	t.Helper()
	return runOn(t, d, componenttest.NewNopHost(), change)
}

func runOn(t *testing.T, d *nvmltest.Driver, host component.Host, change func(*Config)) *harness {
	t.Helper()
	h := newHarness(t, newConfig(change), d)
	require.NoError(t, h.Start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, h.Shutdown(context.Background())) })
	time.Sleep(firstCollection)
	synctest.Wait()
	return h
}

// tick goes on to the next collection.
func (h *harness) tick() {
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

// measured is a data point of hw.energy.
type measured struct {
	joules    float64
	start, at time.Time
}

// energy is the last point of each GPU's counter in the last collection, by UUID.
func (h *harness) energy() map[string]measured {
	h.t.Helper()
	points := map[string]measured{}
	for _, dp := range h.last("hw.energy") {
		id, _ := dp.Attributes().Get("hw.id")
		points[id.Str()] = measured{dp.DoubleValue(), dp.StartTimestamp().AsTime(), dp.Timestamp().AsTime()}
	}
	return points
}

// joules is energy without the times.
func (h *harness) joules() map[string]float64 {
	h.t.Helper()
	joules := map[string]float64{}
	for id, p := range h.energy() {
		joules[id] = p.joules
	}
	return joules
}

// status is the state of a GPU in the last collection.
func (h *harness) status(gpu string) string {
	h.t.Helper()
	all := h.sink.AllMetrics()
	require.NotEmpty(h.t, all)
	return statusOf(h.t, all[len(all)-1], gpu)
}

func statusOf(t *testing.T, metrics pmetric.Metrics, gpu string) (state string) {
	t.Helper()
	for _, dp := range pointsOf(metrics, "hw.status") {
		id, _ := dp.Attributes().Get("hw.id")
		if s, _ := dp.Attributes().Get("hw.state"); id.Str() == gpu && dp.IntValue() == 1 {
			require.Empty(t, state, "two states of one GPU")
			state = s.Str()
		}
	}
	return state
}

// firstMessages is like messages, of which there may be more.
func (h *harness) firstMessages(n int) []string {
	all := h.messages()
	return all[:min(n, len(all))]
}

// last is the points of one metric in the last collection.
func (h *harness) last(name string) []pmetric.NumberDataPoint {
	h.t.Helper()
	all := h.sink.AllMetrics()
	require.NotEmpty(h.t, all)
	return pointsOf(all[len(all)-1], name)
}

func pointsOf(metrics pmetric.Metrics, name string) (points []pmetric.NumberDataPoint) {
	for _, resource := range metrics.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				if metric.Name() != name {
					continue
				}
				if metric.Type() == pmetric.MetricTypeSum {
					points = slices.AppendSeq(points, values(metric.Sum().DataPoints().All()))
				} else {
					points = slices.AppendSeq(points, values(metric.Gauge().DataPoints().All()))
				}
			}
		}
	}
	return points
}

func values[T any](pairs iter.Seq2[int, T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, value := range pairs {
			if !yield(value) {
				return
			}
		}
	}
}

// skipped is the receiver's own count of readings by reason.
func (h *harness) skipped() map[string]int64 {
	h.t.Helper()
	counts := map[string]int64{}
	got, err := h.telemetry.GetMetric("otelcol_nvmlenergy.readings.skipped")
	if err != nil {
		return counts
	}
	for _, dp := range got.Data.(metricdata.Sum[int64]).DataPoints {
		reason, _ := dp.Attributes.Value("reason")
		counts[reason.AsString()] = dp.Value
	}
	return counts
}

// messages is what has been logged since the last call, without the self-report.
func (h *harness) messages() (messages []string) {
	for _, entry := range h.logs.TakeAll() {
		if !strings.HasPrefix(entry.Message, "self-report") {
			messages = append(messages, entry.Message)
		}
	}
	return messages
}
