// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadata"
)

// place is a zone or a price area of the configuration.
type place struct {
	name string
	told map[string]bool // metrics that were logged to be missing
}

func newPlace(name string) place { return place{name, map[string]bool{}} }

// zone is one of the configuration.
type zone struct {
	place

	average  *grid.Feed
	marginal *grid.Feed // nil if the source has none

	// newest is what was measured or estimated last, and until when. The source may forget it.
	newest *grid.Intensity
	until  int64
}

// skip counts a point that is not made, and logs once for a metric that there are such. At the start the source
// has asked nobody yet, and it is no news.
func (s *gridScraper) skip(ctx context.Context, p *place, asked bool, reason metadata.AttributeReason, name string) {
	s.telemetry.GridintensityPointsSkipped.Add(ctx, 1, metric.WithAttributes(
		attribute.String("zone", p.name), attribute.String("reason", reason.String())))
	if p.told[name] || !asked {
		return
	}
	p.told[name] = true
	level := zap.InfoLevel
	if reason == metadata.AttributeReasonUnknown || reason == metadata.AttributeReasonNoPrice {
		level = zap.WarnLevel
	}
	s.logger.Log(level, "points of a metric are left out",
		zap.String("zone", p.name), zap.String("metric", name), zap.Stringer("reason", reason))
}

// made logs that a metric that was missing is there again.
func (s *gridScraper) made(p *place, name string) {
	if p.told[name] {
		delete(p.told, name)
		s.logger.Info("points of a metric are made again", zap.String("zone", p.name), zap.String("metric", name))
	}
}

func (v *view) skip(ctx context.Context, reason metadata.AttributeReason, name string) {
	v.gridScraper.skip(ctx, &v.place, v.asked, reason, name)
}

// first reports whether no other zone has made a point of the metric with the same attributes.
func (v *view) first(ctx context.Context, name string, attributes ...string) bool {
	key := name + "\x00" + strings.Join(attributes, "\x00")
	if _, again := v.points[key]; again {
		v.skip(ctx, metadata.AttributeReasonRepeated, name)
		return false
	}
	v.points[key] = struct{}{}
	return true
}
