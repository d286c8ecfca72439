// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadata"
)

// view is what is known of a zone at one moment.
type view struct {
	*gridScraper
	*zone

	timeline *grid.Timeline // average
	now      int64          // Unix ns
	asked    bool           // the source has
}

func newView(s *gridScraper, z *zone, now time.Time) *view {
	v := &view{gridScraper: s, zone: z, timeline: z.average.Timeline(), now: now.UnixNano()}
	v.asked = v.timeline.Settled(v.now) && (z.marginal == nil || z.marginal.Timeline().Settled(v.now))
	return v
}

func (v *view) intensity(ctx context.Context) {
	v.present(ctx, "grid.carbon_intensity", v.timeline, v.builder.RecordGridCarbonIntensityDataPoint)
}

func (v *view) marginalIntensity(ctx context.Context) {
	const name = "grid.carbon_intensity.marginal"
	if v.marginal == nil {
		v.skip(ctx, metadata.AttributeReasonNotOffered, name)
		return
	}
	v.present(ctx, name, v.marginal.Timeline(), v.builder.RecordGridCarbonIntensityMarginalDataPoint)
}

type record func(at pcommon.Timestamp, grams float64, zone, source string, q metadata.AttributeCarbonDataQuality,
	b metadata.AttributeCarbonBoundary, g metadata.AttributeCarbonGas, options ...metadata.MetricAttributeOption)

func (v *view) present(ctx context.Context, name string, t *grid.Timeline, record record) {
	i, _ := t.At(v.now)
	if i == nil {
		v.skip(ctx, metadata.AttributeReasonUnknown, name)
		return
	}
	if v.first(ctx, name, labels(i)...) {
		record(v.at(), i.GramsPerKWh, i.Zone, i.Source, quality(i), boundary(i), gas(i), basis(i)...)
		v.made(&v.place, name)
	}
}

func (v *view) forecast(ctx context.Context) {
	const name = "grid.carbon_intensity.forecast"
	for _, horizon := range v.cfg.Horizons {
		i, _ := v.timeline.At(v.now + int64(horizon))
		if i == nil || !i.Quality.Own() {
			v.skip(ctx, metadata.AttributeReasonNoForecast, name)
			continue
		}
		if v.first(ctx, name, append(labels(i), text(horizon))...) {
			v.builder.RecordGridCarbonIntensityForecastDataPoint(v.at(), i.GramsPerKWh, i.Zone, i.Source, quality(i), boundary(i), gas(i), text(horizon), basis(i)...)
		}
	}
}

func (v *view) age(ctx context.Context) {
	const name = "grid.carbon_intensity.age"
	if i, until := v.timeline.Newest(); i != nil && until >= v.until {
		v.newest, v.until = i, until
	}
	if v.newest == nil {
		v.skip(ctx, metadata.AttributeReasonNoHistory, name)
		return
	}
	if v.first(ctx, name, v.newest.Zone, v.newest.Source) {
		age := time.Duration(max(0, v.now-v.until))
		v.builder.RecordGridCarbonIntensityAgeDataPoint(v.at(), age.Seconds(), v.newest.Zone, v.newest.Source)
	}
}

func (v *view) percentile(ctx context.Context) {
	const name = "grid.carbon_intensity.percentile"
	i, _ := v.timeline.At(v.now)
	for _, window := range v.cfg.Windows {
		if i == nil {
			v.skip(ctx, metadata.AttributeReasonUnknown, name)
			continue
		}
		if i.Quality == grid.QualityStatic { // a year's average has no place among hours
			v.skip(ctx, metadata.AttributeReasonStatic, name)
			continue
		}
		back := text(window)
		rank, known := v.timeline.Rank(i, v.now-int64(window), v.now)
		v.telemetry.GridintensityHistoryKnown.Record(ctx, float64(known)/float64(window), metric.WithAttributes(
			attribute.String("zone", v.name), attribute.String("window", back)))
		if known < enough(window) {
			v.skip(ctx, metadata.AttributeReasonNoHistory, name)
			continue
		}
		if v.first(ctx, name, i.Zone, i.Source, back) {
			v.builder.RecordGridCarbonIntensityPercentileDataPoint(v.at(), rank, i.Zone, i.Source, back)
		}
	}
}

// enough of a window has to be known to tell high from low: half of it, or a day, with its noon and its night.
func enough(window time.Duration) time.Duration { return min(window/2, 24*time.Hour) }

func (v *view) greenest(ctx context.Context) {
	const name = "grid.greenest"
	for _, length := range v.cfg.Durations {
		duration := text(length)
		w, ok := v.timeline.Greenest(v.now, v.now+int64(v.cfg.ahead()), length)
		if !ok {
			v.skip(ctx, metadata.AttributeReasonNoWindow, name)
			continue
		}
		if v.first(ctx, name, w.First.Zone, duration) {
			v.builder.RecordGridGreenestStartDataPoint(v.at(), float64(w.Start)/float64(time.Second), w.First.Zone, duration)
			v.builder.RecordGridGreenestMeanDataPoint(v.at(), w.GramsPerKWh, w.First.Zone, duration)
		}
	}
}

func (v *view) at() pcommon.Timestamp { return pcommon.Timestamp(v.now) }

// labels are what tells the points of a metric apart.
func labels(i *grid.Intensity) []string {
	return []string{i.Zone, i.Source, string(i.Quality), string(i.Boundary), string(i.Basis), string(i.Gas)}
}

func quality(i *grid.Intensity) metadata.AttributeCarbonDataQuality {
	return metadata.MapAttributeCarbonDataQuality[string(i.Quality)]
}

func boundary(i *grid.Intensity) metadata.AttributeCarbonBoundary {
	return metadata.MapAttributeCarbonBoundary[string(i.Boundary)]
}

func gas(i *grid.Intensity) metadata.AttributeCarbonGas {
	return metadata.MapAttributeCarbonGas[string(i.Gas)]
}

func basis(i *grid.Intensity) (known []metadata.MetricAttributeOption) {
	if i.Basis != "" {
		known = append(known, metadata.WithCarbonBasisMetricAttribute(string(i.Basis)))
	}
	return known
}
