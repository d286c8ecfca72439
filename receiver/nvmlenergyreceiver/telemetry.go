// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
)

// observe shows what the receiver knows about itself.
func (f *fleet) observe(telemetry *metadata.TelemetryBuilder) error {
	gauge := func(value func(*gpu) (float64, bool)) metric.Float64Callback {
		return func(_ context.Context, o metric.Float64Observer) error {
			for _, g := range f.known() {
				g.mu.Lock()
				v, known := value(g)
				g.mu.Unlock()
				if known {
					o.Observe(v, metric.WithAttributes(attribute.String("hw.id", g.id)))
				}
			}
			return nil
		}
	}
	return errors.Join(
		telemetry.RegisterNvmlenergyAttributionImbalanceCallback(gauge(func(g *gpu) (float64, bool) {
			if g.ledger == nil {
				return 0, false
			}
			return float64(g.ledger.Imbalance()) / 1e3, true
		})),
		telemetry.RegisterNvmlenergyIdlePowerCallback(gauge(func(g *gpu) (float64, bool) {
			if g.ledger == nil || g.ledger.IdlePower() == 0 {
				return 0, false
			}
			return float64(g.ledger.IdlePower()) / 1e3, true
		})),
		telemetry.RegisterNvmlenergyCounterDisagreementCallback(gauge(func(g *gpu) (float64, bool) {
			return g.meter.Disagreement()
		})),
		telemetry.RegisterNvmlenergyIntegrationUncertaintyCallback(gauge(func(g *gpu) (float64, bool) {
			return g.meter.Uncertainty()
		})),
		telemetry.RegisterNvmlenergySourceCallback(func(_ context.Context, o metric.Int64Observer) error {
			for _, g := range f.known() {
				g.mu.Lock()
				source := g.meter.Source()
				g.mu.Unlock()
				if source != meter.None {
					o.Observe(1, metric.WithAttributes(attribute.String("hw.id", g.id), attribute.String("source", source.String())))
				}
			}
			return nil
		}),
		telemetry.RegisterNvmlenergySamplesRejectedCallback(func(_ context.Context, o metric.Int64Observer) error {
			for _, g := range f.known() {
				g.mu.Lock()
				var rejected ledger.Rejected
				if g.ledger != nil {
					rejected = g.ledger.Rejected()
				}
				g.mu.Unlock()
				id := attribute.String("hw.id", g.id)
				observe(o, rejected.LateSamples+rejected.LatePresences, metadata.AttributeCauseLate, id)
				observe(o, rejected.InvalidSamples, metadata.AttributeCauseInvalid, id)
				observe(o, rejected.ExcessSamples, metadata.AttributeCauseExcess, id)
			}
			return nil
		}),
		telemetry.RegisterNvmlenergyIdentitiesIncompleteCallback(func(_ context.Context, o metric.Int64Observer) error {
			if f.tenants != nil {
				stats := f.tenants.resolver.Stats()
				observe(o, stats.EnvironUnreadable, metadata.AttributeCauseEnvironment)
				observe(o, stats.Rejected, metadata.AttributeCauseAttributes)
				observe(o, stats.Unremembered, metadata.AttributeCauseCache)
			}
			return nil
		}),
		telemetry.RegisterNvmlenergyKubeletFailuresCallback(func(_ context.Context, o metric.Int64Observer) error {
			if f.tenants != nil {
				o.Observe(f.tenants.kubelet.Stats().Failures)
			}
			return nil
		}),
		telemetry.RegisterNvmlenergyKubeletUnresolvedCallback(func(_ context.Context, o metric.Int64Observer) error {
			if f.tenants != nil {
				o.Observe(int64(f.tenants.kubelet.Stats().Unresolved))
			}
			return nil
		}),
		telemetry.RegisterNvmlenergyWorkloadsCallback(func(_ context.Context, o metric.Int64Observer) error {
			if f.tenants != nil {
				o.Observe(int64(f.tenants.count()))
			}
			return nil
		}),
	)
}

// observe counts what has happened; what has not is not shown.
func observe[T int64 | uint64](o metric.Int64Observer, count T, cause metadata.AttributeCause, attributes ...attribute.KeyValue) {
	if count > 0 {
		o.Observe(int64(count), metric.WithAttributes(append(attributes, attribute.String("cause", cause.String()))...))
	}
}
