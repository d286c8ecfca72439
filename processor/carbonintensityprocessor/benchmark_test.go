// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/deltatocumulativeprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

// heap is what a collector keeps in memory (RssAnon of `make run`: 16 MB). Without it, a program that
// holds nothing but this benchmark would collect its garbage several times as often as a collector.
var heap = make([]byte, 16<<20)

// batchPoints is what a node with 8 GPUs and 72 workloads sends at once.
const batchPoints = 80

// BenchmarkPoint compares, per point, this processor with the ways to do the same or a like thing
// with the processors that exist, and with the floor: a bare copy of the metric with the same
// attributes. Each iteration is one batch; `make bench` prints them side by side.
func BenchmarkPoint(b *testing.B) {
	intensity := mustIntensity(b, &Config{Zone: "DE", Boundary: "lifecycle"})
	labels := labelsOf(&intensity)
	up, down := gridOfTwoDays()
	for _, streams := range []int{1, 1000, 100_000, 1_000_000} {
		contenders := []contender{
			{"floor", cumulative, bareCopy(labels)},
			{"carbonintensity", cumulative, ours(nop, map[string]any{"zone": "DE"})},
			{"live", cumulative, ours(up, live)},
			{"live_provider_down", cumulative, ours(down, live)},
			{"transform", cumulative, started(nop, transformprocessor.NewFactory(), transformConfig(labels))},
			{"delta_to_cumulative", delta, started(nop, deltatocumulativeprocessor.NewFactory(), map[string]any{"max_streams": 2_000_000})},
		}
		if streams <= 100_000 { // the windows of a million devices take gigabytes
			contenders = append(contenders,
				contender{"deep_location_based", cumulative, ours(up, deep("zone_from", "foreign", "revisions", "uncertainty", "embodied"))},
				contender{"deep", cumulative, ours(up, deep(slices.Collect(maps.Keys(depths))...))})
		}
		for _, c := range contenders {
			c.run(b, streams)
		}
	}
}

// depths are what can be asked for that takes time for each point, or for each device.
var depths = map[string]map[string]any{
	"zone_from":    {"zone_from": []any{map[string]any{"attribute": "host.name", "match": "node-.*", "zone": "DE"}}},
	"foreign":      {"foreign": map[string]any{"presets": []any{"dcgm", "kepler"}}},
	"revisions":    {"revisions": map[string]any{}},
	"uncertainty":  {"uncertainty": map[string]any{}},
	"embodied":     {"embodied": map[string]any{}},
	"marginal":     {"marginal": true},
	"market_based": {"sites": map[string]any{"DE": map[string]any{"market_based": 20}}},
}

func deep(names ...string) map[string]any {
	settings := with(live, nil)
	for _, name := range names {
		maps.Copy(settings, depths[name])
	}
	return settings
}

// BenchmarkDepth says what each of the depths costs by itself, over "live" of BenchmarkPoint.
func BenchmarkDepth(b *testing.B) {
	up, _ := gridOfTwoDays()
	for _, name := range slices.Sorted(maps.Keys(depths)) {
		contender{name, cumulative, ours(up, deep(name))}.run(b, 1000)
	}
}

type contender struct {
	name        string
	temporality pmetric.AggregationTemporality
	start       func(*testing.B) func(pmetric.Metrics) error
}

func (c contender) run(b *testing.B, streams int) {
	b.Helper()
	b.Run(fmt.Sprintf("streams=%d/processor=%s", streams, c.name), func(b *testing.B) {
		process, batches := c.start(b), makeBatches(streams)
		var clock pcommon.Timestamp
		for _, md := range batches { // every stream is known before the clock starts
			clock++
			rewind(md, c.temporality, clock)
			require.NoError(b, process(md))
		}
		took := make([]time.Duration, 0, b.N)
		var points int
		var total time.Duration
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			md := batches[i%len(batches)]
			clock++
			points += rewind(md, c.temporality, clock)
			begin := time.Now()
			err := process(md)
			took = append(took, time.Since(begin))
			total += took[i]
			if err != nil {
				b.Fatal(err)
			}
		}
		runtime.KeepAlive(heap)
		slices.Sort(took)
		b.ReportMetric(float64(total.Nanoseconds())/float64(b.N), "ns/op")
		b.ReportMetric(float64(total.Nanoseconds())/float64(points), "ns/point")
		b.ReportMetric(float64(took[len(took)*95/100].Nanoseconds()), "p95-ns/op")
	})
}

var nop = componenttest.NewNopHost()

// gridOfTwoDays is what a provider said of two days, each five minutes, and what is left when it is down: a value that
// is carried on, and the year's average.
func gridOfTwoDays() (up, down fakeGrid) {
	var values []grid.Value
	for at := base.Truncate(time.Hour); at.Before(base.Add(48 * time.Hour)); at = at.Add(5 * time.Minute) {
		values = append(values, said("DE", "a", grid.Measured, at, at.Add(5*time.Minute), 300+float64(at.Minute())))
	}
	year := grid.Fixed(344, "DE", grid.Lifecycle)
	upFeed := grid.NewFeed(lifecycle, grid.NewTimeline(values, 2, &year, always))
	return fakeGrid{"DE": upFeed, "DEmarginal": upFeed},
		fakeGrid{"DE": grid.NewFeed(lifecycle, grid.NewTimeline(values[:1], 2, &year, always))}
}

// base is when the benchmarks' energy begins to be used. tick is the time between two batches: each of the streams of
// 1250 batches is read each 10 s.
var base = time.Now()

const tick = 8 * time.Millisecond

// BenchmarkState measures what it costs to keep the state of a stream, and to take it up again.
func BenchmarkState(b *testing.B) {
	const streams = 100_000
	settings := map[string]any{"zone": "DE", "storage": "file_storage"}
	var stopping, starting, size float64
	for b.Loop() {
		m := &storetest.Memory{}
		r := newRunOn(b, storetest.Host(m), nopSettings(), settings)
		for _, md := range makeBatches(streams) {
			rewind(md, cumulative, 1)
			require.NoError(b, r.p.ConsumeMetrics(b.Context(), md))
		}
		begin := time.Now()
		require.NoError(b, r.p.Shutdown(b.Context()))
		stopping += time.Since(begin).Seconds()
		for _, content := range m.Content() {
			size += float64(len(content))
		}
		begin = time.Now()
		newRunOn(b, storetest.Host(m), nopSettings(), settings)
		starting += time.Since(begin).Seconds()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(stopping*1e9/streams/float64(b.N), "ns-stopping/stream")
	b.ReportMetric(starting*1e9/streams/float64(b.N), "ns-starting/stream")
	b.ReportMetric(size/streams/float64(b.N), "B/stream")
}

// BenchmarkMemory measures what the state of a stream costs.
func BenchmarkMemory(b *testing.B) {
	const streams = 100_000
	for b.Loop() {
		process := started(nop, NewFactory(), map[string]any{"zone": "DE"})(b)
		batches := makeBatches(streams)
		before := heapInUse()
		for _, md := range batches {
			rewind(md, cumulative, 1)
			require.NoError(b, process(md))
			rewind(md, cumulative, 1)
		}
		b.ReportMetric(float64(heapInUse()-before)/streams, "B/stream")
		runtime.KeepAlive(batches)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// makeBatches spreads the streams over batches of one host each.
func makeBatches(streams int) []pmetric.Metrics {
	var batches []pmetric.Metrics
	for host := 0; streams > 0; host++ {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("host.id", fmt.Sprintf("%032x", host))
		rm.Resource().Attributes().PutStr("host.name", fmt.Sprintf("node-%d", host))
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("hw.energy")
		m.SetUnit("J")
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		for i := range min(streams, batchPoints) {
			dp := sum.DataPoints().AppendEmpty()
			dp.Attributes().PutStr("hw.id", fmt.Sprintf("GPU-%08d-0000-0000-0000-%012d", host, i%8))
			dp.Attributes().PutStr("hw.type", "gpu")
			dp.Attributes().PutStr("hw.name", "NVIDIA H100 80GB HBM3")
			dp.Attributes().PutStr("energy.method", "counter")
			dp.Attributes().PutStr("energy.scope", fmt.Sprintf("gpu-%02d", i))
		}
		batches = append(batches, md)
		streams -= batchPoints
	}
	return batches
}

// rewind takes back what a processor did to a batch, moves it on in time and counts its points. It
// touches each attribute, since a batch that has just been decoded is in the processor's cache.
func rewind(md pmetric.Metrics, temporality pmetric.AggregationTemporality, clock pcommon.Timestamp) int {
	scopes := md.ResourceMetrics().At(0).ScopeMetrics()
	scope := 0
	scopes.RemoveIf(func(pmetric.ScopeMetrics) bool { scope++; return scope > 1 })
	metrics := scopes.At(0).Metrics()
	metrics.RemoveIf(func(m pmetric.Metric) bool { return m.Name() != "hw.energy" })
	sum := metrics.At(0).Sum()
	sum.SetAggregationTemporality(temporality)
	for _, dp := range sum.DataPoints().All() {
		at := pcommon.NewTimestampFromTime(base.Add(time.Duration(clock) * tick))
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(base))
		if temporality == delta {
			dp.SetStartTimestamp(at)
		}
		dp.SetTimestamp(at + 1)
		dp.SetDoubleValue(float64(clock))
		for key, value := range dp.Attributes().All() {
			touched += len(key) + len(value.Str())
		}
	}
	return sum.DataPoints().Len()
}

var touched int

func bareCopy(labels []label) func(*testing.B) func(pmetric.Metrics) error {
	return func(*testing.B) func(pmetric.Metrics) error {
		return func(md pmetric.Metrics) error {
			metrics := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
			emissions := metrics.AppendEmpty()
			metrics.At(0).CopyTo(emissions)
			emissions.SetName("hw.emissions")
			for _, dp := range emissions.Sum().DataPoints().All() {
				for _, l := range labels {
					dp.Attributes().PutStr(l.key, l.value)
				}
			}
			return nil
		}
	}
}

func transformConfig(labels []label) map[string]any {
	const emissions = `metric.name == "hw.emissions"`
	var set []any
	for _, l := range labels {
		set = append(set, fmt.Sprintf("set(datapoint.attributes[%q], %q) where %s", l.key, l.value, emissions))
	}
	return map[string]any{"metric_statements": []any{
		map[string]any{"context": "metric", "statements": []any{
			`copy_metric(name="hw.emissions", unit="g") where metric.name == "hw.energy"`,
			`scale_metric(0.0000955944, "g") where ` + emissions,
		}},
		map[string]any{"context": "datapoint", "statements": set},
	}}
}

func ours(host component.Host, settings map[string]any) func(*testing.B) func(pmetric.Metrics) error {
	return started(host, NewFactory(), with(settings, map[string]any{"max_streams": 2_000_000}))
}

// started returns the ConsumeMetrics of a processor that it starts.
func started(host component.Host, factory processor.Factory, settings map[string]any) func(*testing.B) func(pmetric.Metrics) error {
	return func(b *testing.B) func(pmetric.Metrics) error {
		b.Helper()
		cfg := factory.CreateDefaultConfig()
		require.NoError(b, confmap.NewFromStringMap(settings).Unmarshal(cfg))
		require.NoError(b, confmap.Validate(cfg))
		p, err := factory.CreateMetrics(b.Context(), processortest.NewNopSettings(factory.Type()), cfg, consumertest.NewNop())
		require.NoError(b, err)
		require.NoError(b, p.Start(b.Context(), host))
		b.Cleanup(func() { require.NoError(b, p.Shutdown(context.Background())) })
		return func(md pmetric.Metrics) error { return p.ConsumeMetrics(context.Background(), md) }
	}
}
