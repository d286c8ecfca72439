// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// reporter reads a GPU and records what counts. What does not is counted with a reason in the
// receiver's own telemetry, and each change is logged once.
type reporter struct {
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	builder   *metadata.MetricsBuilder
	enabled   metadata.MetricsConfig
	resource  pcommon.Resource
	last      pcommon.Timestamp
}

func (r *reporter) identify(identity host.Identity) {
	resource := r.builder.NewResourceBuilder()
	if identity.ID != "" {
		resource.SetHostID(identity.ID)
	}
	if identity.Name != "" {
		resource.SetHostName(identity.Name)
	}
	r.resource = resource.Emit()
}

func (r *reporter) emit() pmetric.Metrics {
	return r.builder.Emit(metadata.WithResource(r.resource))
}

func (r *reporter) report(ctx context.Context, g *gpu) {
	if g.lost() {
		r.skip(ctx, metadata.AttributeReasonLost)
		return
	}
	r.energy(ctx, g)
	r.builder.Reset(metadata.WithStartTime(g.start))
	if r.enabled.HwGpuUtilization.Enabled && g.present() {
		if percent, ok := read(ctx, r, g, symbolUtilization, g.device.utilization); ok {
			r.builder.RecordHwGpuUtilizationDataPoint(r.timestamp(time.Now()), float64(percent)/100, g.id, g.name, metadata.AttributeHwGpuTaskGeneral)
		}
	}
	if r.enabled.HwTemperature.Enabled && g.present() {
		if celsius, ok := read(ctx, r, g, symbolTemperature, g.device.temperature); ok {
			r.builder.RecordHwTemperatureDataPoint(r.timestamp(time.Now()), int64(celsius), g.id, g.name)
		}
	}
	if r.wantsMemory() && g.present() {
		if m, ok := read(ctx, r, g, symbolMemory, g.device.memory); ok {
			r.memory(g, m)
		}
	}
}

func (r *reporter) energy(ctx context.Context, g *gpu) {
	raw, ok := read(ctx, r, g, symbolEnergy, g.device.energy)
	if !ok {
		return
	}
	now := time.Now()
	outcome := g.counter.Observe(raw, now)
	log := r.logger.With(zap.String("hw.id", g.id), zap.Uint64("counter_mJ", raw))
	switch outcome {
	case joule.Rejected:
		r.skip(ctx, metadata.AttributeReasonImplausible)
		if g.changed(symbolEnergy, metadata.AttributeReasonImplausible) {
			log.Warn("the energy counter of a GPU shows what it cannot have drawn: no points until it makes sense")
		}
		return
	case joule.Rebased:
		r.skip(ctx, metadata.AttributeReasonRebased)
		log.Warn("the energy counter of a GPU has jumped, and counts on from there; the jump itself was not counted")
	case joule.Reset:
		r.skip(ctx, metadata.AttributeReasonReset)
		log.Info("the energy counter of a GPU has started again at 0; what it drew between the last reading and that is not known")
	}
	if g.changed(symbolEnergy, 0) {
		log.Info("GPU can be read again", zap.String("call", symbolEnergy))
	}
	r.recordEnergy(g, now)
}

func (r *reporter) recordEnergy(g *gpu, now time.Time) {
	at := r.timestamp(now)
	if g.start == 0 {
		g.start = at
	}
	r.builder.Reset(metadata.WithStartTime(g.start))
	r.builder.RecordHwEnergyDataPoint(at, g.joules(), g.id, metadata.AttributeHwTypeGpu, g.name,
		metadata.AttributeEnergyMethodCounter, metadata.AttributeEnergyScopeGpu)
	if watts, ok := g.power(now); ok {
		r.builder.RecordHwPowerDataPoint(at, watts, g.id, metadata.AttributeHwTypeGpu, g.name,
			metadata.AttributeEnergyMethodCounter, metadata.AttributeEnergyScopeGpu)
	}
	g.reported.millijoules, g.reported.at = g.counter.Total(), now
}

func (r *reporter) wantsMemory() bool {
	return r.enabled.HwGpuMemoryUsage.Enabled || r.enabled.HwGpuMemoryLimit.Enabled || r.enabled.HwGpuMemoryUtilization.Enabled
}

func (r *reporter) memory(g *gpu, m memory) {
	at := r.timestamp(time.Now())
	r.builder.RecordHwGpuMemoryUsageDataPoint(at, int64(m.used), g.id, g.name)
	r.builder.RecordHwGpuMemoryLimitDataPoint(at, int64(m.total), g.id, g.name)
	if m.total > 0 {
		r.builder.RecordHwGpuMemoryUtilizationDataPoint(at, float64(m.used)/float64(m.total), g.id, g.name)
	}
}

// read makes a call. On a failure there is no value; the GPU may be lost by it.
func read[T any](ctx context.Context, r *reporter, g *gpu, symbol string, call func() (T, error)) (value T, ok bool) {
	value, err := call()
	if err == nil {
		// The energy has its own idea of when it can be read again.
		if symbol != symbolEnergy && g.changed(symbol, 0) {
			r.logger.Info("GPU can be read again", zap.String("hw.id", g.id), zap.String("call", symbol))
		}
		return value, true
	}
	reason := reasonOf(err)
	r.skip(ctx, reason)
	log := r.logger.With(zap.String("hw.id", g.id), zap.Error(err))
	switch {
	case reason == metadata.AttributeReasonLost:
		g.device = nil
		log.Warn("GPU is lost: no points of it until it is back")
	case g.changed(symbol, reason):
		log.Warn("GPU cannot be read: no points of this kind until it can")
	}
	return value, false
}

func (r *reporter) skip(ctx context.Context, reason metadata.AttributeReason) {
	r.telemetry.NvmlenergyReadingsSkipped.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason.String())))
}

// timestamp never goes back: when the wall clock is set back, points wait for it to catch up.
func (r *reporter) timestamp(now time.Time) pcommon.Timestamp {
	r.last = max(r.last+1, pcommon.NewTimestampFromTime(now))
	return r.last
}
