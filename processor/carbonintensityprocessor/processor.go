// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/store"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/embodied"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/foreign"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

// carbonProcessor adds to each resource a scope of its own, with a metric X.emissions for each
// metric X.energy. The energy passes unchanged.
type carbonProcessor struct {
	places    *places
	classes   *classes
	foreign   *foreign.Translator // nil if there is nothing to translate
	making    *making             // nil if not asked for, as what follows
	certainty *certainty
	revisions *revisions
	settling  *settling
	version   string
	horizon   horizon
	skipped   *skipped
	id        component.ID
	logger    *zap.Logger
	storage   storage.Client // nil if nothing is kept

	next   consumer.Metrics
	untold pmetric.Metrics // of energy that waited

	telemetry *metadata.TelemetryBuilder
	stop      context.CancelFunc
	sweeping  sync.WaitGroup
}

func newProcessor(cfg *Config, set processor.Settings, next consumer.Metrics) (*carbonProcessor, error) {
	if err := cfg.compile(); err != nil {
		return nil, err
	}
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	translator, err := newTranslator(cfg.Foreign, set.BuildInfo.Version, telemetry, set.Logger)
	if err != nil {
		return nil, err
	}
	c := newClasses()
	p := &carbonProcessor{
		places: &places{
			config: cfg, classes: c, logger: set.Logger, byZone: map[string]place{},
			location: newBook("", noFactor, cfg.MaxStreams), marginal: newBook(".marginal", noMarginal, cfg.MaxStreams), market: newBook(".market_based", noFactor, cfg.MaxStreams),
		},
		classes:   c,
		foreign:   translator,
		making:    newMaking(cfg, set.Logger),
		certainty: newCertainty(cfg, telemetry, set.Logger),
		revisions: newRevisions(cfg, telemetry),
		version:   set.BuildInfo.Version,
		horizon:   horizon{gap: cfg.MaxGap, forget: cfg.MaxStale},
		id:        set.ID,
		logger:    set.Logger,
		skipped:   newSkipped(telemetry, set.Logger),
		next:      next,
		untold:    pmetric.NewMetrics(),
		telemetry: telemetry,
		stop:      func() {},
	}
	telemetry.CarbonintensityStreamsLimit.Record(context.Background(), int64(cfg.MaxStreams))
	return p, telemetry.RegisterCarbonintensityStreamsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(int64(p.places.location.accounts.Len()))
		return nil
	})
}

func (p *carbonProcessor) processMetrics(ctx context.Context, md pmetric.Metrics) (pmetric.Metrics, error) {
	now, horizon := time.Now(), p.horizon
	horizon.came = now
	for _, rm := range md.ResourceMetrics().All() {
		if p.foreign != nil {
			p.foreign.Translate(rm)
		}
		if p.settling == nil {
			p.processResource(ctx, rm, now, horizon)
		}
	}
	return md, nil
}

// settleLater reports whether emissions are told when they are settled.
func (p *carbonProcessor) settleLater() bool {
	cfg := p.places.config
	if cfg.SettleDelay == 0 {
		return false
	}
	p.settling = &settling{
		next: p.next, delay: cfg.SettleDelay, most: cfg.SettleMaxBytes, logger: p.logger,
		lose: func(ctx context.Context, md pmetric.Metrics) {
			keepOnly(md, pmetric.AggregationTemporalityDelta) // the next reading of the others has it all
			p.skipped.lose(ctx, notKept, joulesOf(md))
		},
		early: func() { p.telemetry.CarbonintensitySettlingEarly.Add(context.Background(), 1) },
		convert: func(ctx context.Context, md pmetric.Metrics, came time.Time, watched pcommon.Timestamp) {
			now, horizon := time.Now(), p.horizon
			horizon.watched, horizon.came = watched, came
			for _, rm := range md.ResourceMetrics().All() {
				p.processResource(ctx, rm, now, horizon)
			}
		},
	}
	return true
}

func (p *carbonProcessor) processResource(ctx context.Context, rm pmetric.ResourceMetrics, now time.Time, sees horizon) {
	var (
		scopes   = rm.ScopeMetrics()
		inputs   = scopes.Len()
		resource stream.ID
		where    place
		out      pmetric.MetricSlice // of the scope that is appended when there is something to put in
	)
	for i := range inputs {
		scope := scopes.At(i)
		for _, energy := range scope.Metrics().All() {
			if !strings.HasSuffix(energy.Name(), ".energy") {
				continue
			}
			if why := unfit(energy); why != none {
				p.skipped.add(ctx, why, energy.Name(), points(energy))
				continue
			}
			if scopes.Len() == inputs {
				resource, where = stream.Resource(rm.Resource()), p.places.of(rm.Resource())
				out = where.sites[0].appendScope(scopes, p.version)
			}
			if where.instead != nil {
				p.telemetry.CarbonintensityPointsMisplaced.Add(ctx, int64(points(energy)), where.instead)
			}
			for _, site := range where.sites {
				c := p.newConversion(ctx, source{rm, scope.Scope(), energy, resource}, site, out, now)
				c.sees = sees
				c.convert()
				c.ratings.report(c.subject, out, sees.came)
			}
			p.making.observe(rm, resource, energy, out, now)
		}
	}
	if scopes.Len() > inputs {
		removeEmpty(scopes, inputs, out)
	}
}

// removeEmpty takes back metrics of which no point could be converted, and the scope if that was all.
func removeEmpty(scopes pmetric.ScopeMetricsSlice, inputs int, out pmetric.MetricSlice) {
	out.RemoveIf(func(m pmetric.Metric) bool {
		return m.Type() == pmetric.MetricTypeSum && m.Sum().DataPoints().Len() == 0
	})
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

func (p *carbonProcessor) start(ctx context.Context, host component.Host) error {
	if err := p.places.open(host); err != nil {
		return err
	}
	var err error
	if p.storage, err = store.Open(ctx, host, p.places.config.Storage, component.KindProcessor, p.id); err != nil {
		return err
	}
	totals := false // go on
	if p.storage != nil {
		if totals, err = p.begin(ctx, p.storage); err != nil {
			p.logger.Warn("what was kept cannot be used, or not all of it: emissions of these streams begin at 0", zap.Error(err))
		}
		if left, err := whatWaits(ctx, p.storage); p.settling == nil && err == nil && left.Begin < left.End {
			p.logger.Warn("The emissions of energy in the storage are not told, since settle_delay was taken out: set it again to have them", zap.Uint64("batches", left.End-left.Begin))
		}
	}
	p.horizon.watched = pcommon.NewTimestampFromTime(time.Now())
	sweeping, stop := context.WithCancel(context.Background())
	p.stop = stop
	if p.settling != nil {
		if err := p.settling.open(ctx, p.storage, p.horizon.watched, totals); err != nil {
			p.logger.Warn("what waited to be settled cannot be read: its emissions are not told", zap.Error(err))
		}
		p.sweeping.Go(func() { p.settling.run(sweeping) })
	}
	p.sweeping.Go(func() { p.sweep(sweeping) })
	p.sweeping.Go(func() { p.tellEnded(sweeping) })
	return nil
}

// now is the time at which the energy came that is told now.
func (p *carbonProcessor) now() time.Time {
	if p.settling == nil {
		return time.Now()
	}
	return p.settling.now()
}

// sweep forgets streams that have been silent for long, so that others find a place.
func (p *carbonProcessor) sweep(ctx context.Context) {
	ticker := time.NewTicker(min(time.Minute, p.horizon.forget))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.forget(p.now())
		}
	}
}

func (p *carbonProcessor) forget(now time.Time) {
	stale := func(seen int64) bool { return now.Sub(time.Unix(seen, 0)) > p.horizon.forget }
	if p.foreign != nil {
		p.foreign.Sweep(now.Add(-p.horizon.forget))
	}
	p.making.sweep(now.Add(-embodied.MaxGap))
	p.certainty.sweep(now.Add(-p.horizon.forget))
	for _, b := range p.places.books() {
		for waits := range b.held.All() { // its totals and corrections go on
			b.more.PeekKey(waits, func(m *moreSiblings) { m.seen = now.Unix() })
			if p.revisions != nil && b == p.places.location {
				p.revisions.streams.PeekKey(waits, func(past *past) { past.seen = now.Unix() })
			}
		}
		b.accounts.Sweep(func(a *account) bool { return stale(a.seen) && !a.waits })
		b.more.Sweep(func(m *moreSiblings) bool { return stale(m.seen) })
	}
	p.revisions.sweep(stale)
}

func (p *carbonProcessor) shutdown(ctx context.Context) (err error) {
	p.stop()
	p.sweeping.Wait()
	defer p.telemetry.Shutdown()
	if p.settling != nil {
		err = p.settling.close(ctx)
	}
	if p.storage == nil {
		return errors.Join(err, p.tellHeld(ctx, true))
	}
	client := p.storage
	p.storage = nil
	if saving := p.save(ctx, client); saving != nil {
		err = errors.Join(err, fmt.Errorf("storage: emissions begin at 0 with the next start: %w", saving), p.tellHeld(ctx, true))
	} else {
		err = errors.Join(err, p.tellUntold(ctx))
	}
	return errors.Join(err, client.Close(ctx))
}
