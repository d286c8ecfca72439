// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// harness is a translator and what it skipped.
type harness struct {
	*Translator
	mu      sync.Mutex
	skipped map[string]int // by reason and metric
}

func newHarness(tb testing.TB, change func(*Config)) *harness {
	tb.Helper()
	h := &harness{skipped: map[string]int{}}
	cfg := DefaultConfig()
	change(&cfg)
	t, err := New(cfg, "1.2.3", func(reason, metric string, points int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.skipped[reason+" "+metric] += points
	})
	require.NoError(tb, err)
	h.Translator = t
	return h
}

func withPresets(names ...string) func(*Config) {
	return func(c *Config) { c.Presets = names }
}

// translate returns the points made, by metric and hw.id.
func (h *harness) translate(rm pmetric.ResourceMetrics) map[string][]pmetric.NumberDataPoint {
	before := rm.ScopeMetrics().Len()
	h.Translate(rm)
	found := map[string][]pmetric.NumberDataPoint{}
	for i := before; i < rm.ScopeMetrics().Len(); i++ {
		for _, m := range rm.ScopeMetrics().At(i).Metrics().All() {
			for _, point := range m.Sum().DataPoints().All() {
				key := m.Name() + " " + label(point.Attributes(), "hw.id")
				if m.Name() == string(Workload) {
					key = m.Name() + " " + label(point.Attributes(), "hw.type") + " " + label(point.Attributes(), "container.name")
				}
				found[key] = append(found[key], point)
			}
		}
	}
	return found
}

// joules returns the one value of each.
func joules(tb testing.TB, found map[string][]pmetric.NumberDataPoint) map[string]float64 {
	tb.Helper()
	values := map[string]float64{}
	for key, points := range found {
		require.Len(tb, points, 1, key)
		values[key] = points[0].DoubleValue()
	}
	return values
}

// scrape reads an exposition as the prometheus receiver does: counters become cumulative sums without a start,
// all else gauges, labels attributes.
func scrape(tb testing.TB, file string, at time.Time) pmetric.ResourceMetrics {
	tb.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	require.NoError(tb, err)
	defer f.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(f)
	require.NoError(tb, err)
	rm := pmetric.NewResourceMetrics()
	rm.Resource().Attributes().PutStr("service.name", file)
	rm.Resource().Attributes().PutStr("service.instance.id", "10.0.0.7:9400")
	rm.Resource().Attributes().PutStr("server.address", "10.0.0.7")
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	for name, family := range families {
		m := metrics.AppendEmpty()
		m.SetName(name)
		m.SetDescription(family.GetHelp())
		var points pmetric.NumberDataPointSlice
		if family.GetType() == dto.MetricType_COUNTER {
			sum := m.SetEmptySum()
			sum.SetIsMonotonic(true)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			points = sum.DataPoints()
		} else {
			points = m.SetEmptyGauge().DataPoints()
		}
		for _, metric := range family.GetMetric() {
			point := points.AppendEmpty()
			point.SetTimestamp(pcommon.NewTimestampFromTime(at))
			point.SetDoubleValue(metric.GetCounter().GetValue() + metric.GetGauge().GetValue())
			for _, l := range metric.GetLabel() {
				if l.GetValue() != "" { // an empty label is none
					point.Attributes().PutStr(l.GetName(), l.GetValue())
				}
			}
		}
	}
	return rm
}

// sample is a foreign point, for tests to write down.
type sample struct {
	metric      string
	kind        Kind
	start, time time.Time
	value       float64
	gone        bool
	labels      map[string]string
}

func resource(name string, samples ...sample) pmetric.ResourceMetrics {
	rm := pmetric.NewResourceMetrics()
	rm.Resource().Attributes().PutStr("service.instance.id", name)
	rm.Resource().Attributes().PutStr("host.name", "node-1")
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	for _, s := range samples {
		m := metrics.AppendEmpty()
		m.SetName(s.metric)
		var point pmetric.NumberDataPoint
		if s.kind == Gauge {
			point = m.SetEmptyGauge().DataPoints().AppendEmpty()
		} else {
			m.SetEmptySum().SetIsMonotonic(true)
			m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			point = m.Sum().DataPoints().AppendEmpty()
		}
		if !s.start.IsZero() {
			point.SetStartTimestamp(pcommon.NewTimestampFromTime(s.start))
		}
		point.SetTimestamp(pcommon.NewTimestampFromTime(s.time))
		point.SetDoubleValue(s.value)
		point.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(s.gone))
		for key, value := range s.labels {
			point.Attributes().PutStr(key, value)
		}
	}
	return rm
}

func dcgmEnergy(at time.Time, joules float64, labels ...string) sample {
	s := sample{metric: "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", time: at, value: joules * 1000, labels: map[string]string{"UUID": "GPU-1"}}
	for i := 0; i+1 < len(labels); i += 2 {
		s.labels[labels[i]] = labels[i+1]
	}
	return s
}

func dcgmPower(at time.Time, watts float64) sample {
	return sample{metric: "DCGM_FI_DEV_POWER_USAGE", kind: Gauge, time: at, value: watts, labels: map[string]string{"UUID": "GPU-1"}}
}

func keplerGPU(at time.Time, joules float64) sample {
	return sample{metric: "kepler_node_gpu_joules_total", time: at, value: joules, labels: map[string]string{"gpu_uuid": "GPU-1", "node_name": "node-1"}}
}

func native(name string, at time.Time, hwID, hwType string) sample {
	return sample{metric: name, time: at, value: 1, labels: map[string]string{"hw.id": hwID, "hw.type": hwType}}
}
