// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

// reason is why energy was not, or not wholly, converted.
type reason int

const (
	none reason = iota
	streamLimit
	notInOrder
	fell
	overlaps
	notMonotonicSum
	notJoules
	badValue
	noFactor
	noMarginal
	classLimit
	tooLong
	notKept
)

// reasons gives each its name in carbonintensity.points.unconverted, and what to do about it.
var reasons = [...]struct{ name, remedy string }{
	streamLimit:     {"stream_limit", "there are more streams than max_streams: raise it, or send fewer"},
	notInOrder:      {"out_of_order", "a point is older than the last of its stream: keep the points of a stream in one pipeline, in order"},
	fell:            {"restarted", "a counter fell and did not say since when it counts: have its source set start times"},
	overlaps:        {"overlap", "a counter began anew before its last reading: check that no two sources send the same stream"},
	notMonotonicSum: {"not_monotonic_sum", "a metric named .energy is not a monotonic sum: send a counter of joules"},
	notJoules:       {"unit", "a metric named .energy is not in J: convert it with the transform processor"},
	noFactor:        {"no_factor", "nothing is known of the grid at the time: add a provider, or static at the end of the list"},
	noMarginal:      {"no_marginal", "nothing is known of the marginal intensity at the time and place: its other emissions are told; map the zone to one that a marginal provider covers"},
	classLimit:      {"class_limit", "a stream's emissions have had more provenances than are kept apart: restart the collector, and tell us"},
	tooLong:         {"gap", "a stream was silent for longer than max_gap, or comes after longer than that or max_stale: if it was not converted elsewhere or before, raise max_gap, or max_stale"},
	notKept:         {"not_kept", "the storage did not take energy whose emissions are to be told later: free room in it"},
	badValue:        {"value", "a value is missing, negative, infinite or not a number, or has no time: check its source"},
}

// skipped counts what was left out, points or energy, and logs the first for each reason.
type skipped struct {
	counter metric.Int64Counter
	joules  metric.Float64Counter
	logger  *zap.Logger
	options [len(reasons)]metric.MeasurementOption
	logged  [len(reasons)]atomic.Bool
}

func newSkipped(telemetry *metadata.TelemetryBuilder, logger *zap.Logger) *skipped {
	s := &skipped{
		counter: telemetry.CarbonintensityPointsUnconverted, joules: telemetry.CarbonintensityEnergyUnconverted, logger: logger,
	}
	for r := range reasons {
		s.options[r] = metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", reasons[r].name)))
	}
	return s
}

// lose counts energy that found no factor.
func (s *skipped) lose(ctx context.Context, r reason, joules float64) {
	if joules > 0 {
		s.joules.Add(ctx, joules, s.options[r])
		s.log(r, zap.Float64("joules", joules))
	}
}

func (s *skipped) add(ctx context.Context, r reason, name string, points int) {
	s.counter.Add(ctx, int64(points), s.options[r])
	s.log(r, zap.String("metric", name))
}

func (s *skipped) log(r reason, what zap.Field) {
	if s.logged[r].CompareAndSwap(false, true) {
		s.logger.Warn("Energy is not converted to emissions: "+reasons[r].remedy+" (logged once, counted in carbonintensity.points.unconverted or carbonintensity.energy.unconverted)",
			what, zap.String("reason", reasons[r].name))
	}
}
