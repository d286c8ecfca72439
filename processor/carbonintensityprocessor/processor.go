// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

// carbonProcessor adds to each resource a scope of its own, with a metric X.emissions for each
// metric X.energy. The energy passes unchanged.
type carbonProcessor struct {
	factor   factor
	version  string
	accounts *stream.Map[account]
	maxStale time.Duration
	watched  pcommon.Timestamp // since when this processor sees all that begins
	skipped  *skipped

	telemetry *metadata.TelemetryBuilder
	stop      context.CancelFunc
	sweeping  sync.WaitGroup
}

func newProcessor(cfg *Config, set processor.Settings) (*carbonProcessor, error) {
	intensity, err := cfg.intensity()
	if err != nil {
		return nil, err
	}
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	p := &carbonProcessor{
		factor:    newFactor(intensity, cfg.PUE),
		version:   set.BuildInfo.Version,
		accounts:  stream.NewMap[account](cfg.MaxStreams),
		maxStale:  cfg.MaxStale,
		skipped:   newSkipped(telemetry, set.Logger),
		telemetry: telemetry,
		stop:      func() {},
	}
	telemetry.CarbonintensityStreamsLimit.Record(context.Background(), int64(cfg.MaxStreams))
	return p, telemetry.RegisterCarbonintensityStreamsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(int64(p.accounts.Len()))
		return nil
	})
}

func (p *carbonProcessor) processMetrics(ctx context.Context, md pmetric.Metrics) (pmetric.Metrics, error) {
	now := time.Now().Unix()
	for _, rm := range md.ResourceMetrics().All() {
		p.processResource(ctx, rm, now)
	}
	return md, nil
}

func (p *carbonProcessor) processResource(ctx context.Context, rm pmetric.ResourceMetrics, now int64) {
	var (
		scopes   = rm.ScopeMetrics()
		inputs   = scopes.Len()
		resource stream.ID
		out      pmetric.MetricSlice // of the scope that is appended when there is something to put in
	)
	for i := range inputs {
		scope := scopes.At(i)
		for _, energy := range scope.Metrics().All() {
			subject, ok := strings.CutSuffix(energy.Name(), ".energy")
			if !ok {
				continue
			}
			if why := unfit(energy); why != none {
				p.skipped.add(ctx, why, energy.Name(), points(energy))
				continue
			}
			if scopes.Len() == inputs {
				resource, out = stream.Resource(rm.Resource()), p.factor.appendScope(scopes, p.version)
			}
			emissions := out.AppendEmpty()
			emissions.SetName(subject + ".emissions")
			emissions.SetDescription("CO2e emitted to provide the energy.")
			emissions.SetUnit("g")
			p.convert(ctx, energy, emissions.SetEmptySum(), resource.Scope(scope.Scope()).Metric(energy), now)
		}
	}
	if scopes.Len() > inputs {
		removeEmpty(scopes, inputs, out)
	}
}

// removeEmpty takes back metrics of which no point could be converted, and the scope if that was all.
func removeEmpty(scopes pmetric.ScopeMetricsSlice, inputs int, out pmetric.MetricSlice) {
	out.RemoveIf(func(m pmetric.Metric) bool { return m.Sum().DataPoints().Len() == 0 })
	if out.Len() == 0 {
		seen := 0
		scopes.RemoveIf(func(pmetric.ScopeMetrics) bool { seen++; return seen > inputs })
	}
}

// unfit says why no emissions can be told from a metric.
func unfit(energy pmetric.Metric) reason {
	switch {
	case energy.Type() != pmetric.MetricTypeSum || !energy.Sum().IsMonotonic() ||
		energy.Sum().AggregationTemporality() == pmetric.AggregationTemporalityUnspecified:
		return notMonotonicSum
	case energy.Unit() != "J":
		return notJoules
	}
	return none
}

// points is the number of points of a metric that may be of any type.
func points(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	default:
		return 1
	}
}

func (p *carbonProcessor) start(_ context.Context, _ component.Host) error {
	p.watched = pcommon.NewTimestampFromTime(time.Now())
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.sweeping.Go(func() { p.sweep(ctx) })
	return nil
}

// sweep forgets streams that have been silent for long, so that others find a place.
func (p *carbonProcessor) sweep(ctx context.Context) {
	ticker := time.NewTicker(min(time.Minute, p.maxStale))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			p.accounts.Sweep(func(a *account) bool { return now.Sub(time.Unix(a.seen, 0)) > p.maxStale })
		}
	}
}

func (p *carbonProcessor) shutdown(context.Context) error {
	p.stop()
	p.sweeping.Wait()
	p.telemetry.Shutdown()
	return nil
}
