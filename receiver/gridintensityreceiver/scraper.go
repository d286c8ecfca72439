// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadata"
)

// gridScraper reads what the source has published. It makes no request.
type gridScraper struct {
	cfg       *Config
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	builder   *metadata.MetricsBuilder
	zones     []*zone
	areas     []*area

	// points that the scrape under way has made: two zones may be the same to the source.
	points map[string]struct{}
}

func newGridScraper(cfg *Config, set receiver.Settings) (*gridScraper, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &gridScraper{
		cfg: cfg, logger: set.Logger, telemetry: telemetry,
		builder: metadata.NewMetricsBuilder(cfg.Metrics, set),
		points:  map[string]struct{}{},
	}, nil
}

func (s *gridScraper) start(_ context.Context, host component.Host) error {
	extension, ok := host.GetExtensions()[s.cfg.Source]
	if !ok {
		return fmt.Errorf("source: there is no extension %q; list it under extensions and service::extensions", s.cfg.Source)
	}
	source, ok := extension.(grid.Source)
	if !ok {
		return fmt.Errorf("source: %q knows nothing of the grid; gridintensity is an extension that does", s.cfg.Source)
	}
	for i, name := range s.cfg.Zones {
		z, err := s.open(source, name)
		if err != nil {
			return fmt.Errorf("zones::%d: %w", i, err)
		}
		s.zones = append(s.zones, z)
	}
	return s.openAreas(source)
}

func (s *gridScraper) open(source grid.Source, name string) (z *zone, err error) {
	z = &zone{place: newPlace(name)}
	if z.average, err = source.Feed(name, grid.Average); err != nil {
		return nil, err
	}
	if s.cfg.Metrics.Metrics.GridCarbonIntensityPercentile.Enabled {
		for _, window := range s.cfg.Windows {
			z.average.Want(time.Now().Add(-window))
		}
	}
	if s.cfg.Metrics.Metrics.GridCarbonIntensityMarginal.Enabled {
		if z.marginal, err = source.Feed(name, grid.Marginal); err != nil {
			z.told["grid.carbon_intensity.marginal"] = true
			s.logger.Warn("there is no grid.carbon_intensity.marginal of a zone", zap.String("zone", name), zap.Error(err))
		}
	}
	return z, nil
}

func (s *gridScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	clear(s.points)
	now := time.Now()
	for _, z := range s.zones {
		v := newView(s, z, now)
		enabled := &s.cfg.Metrics.Metrics
		if enabled.GridCarbonIntensity.Enabled {
			v.intensity(ctx)
		}
		if enabled.GridCarbonIntensityMarginal.Enabled {
			v.marginalIntensity(ctx)
		}
		if enabled.GridCarbonIntensityForecast.Enabled {
			v.forecast(ctx)
		}
		if enabled.GridCarbonIntensityAge.Enabled {
			v.age(ctx)
		}
		if enabled.GridCarbonIntensityPercentile.Enabled {
			v.percentile(ctx)
		}
		if enabled.GridGreenestStart.Enabled || enabled.GridGreenestMean.Enabled {
			v.greenest(ctx)
		}
	}
	for _, a := range s.areas {
		s.price(ctx, a, now)
	}
	return s.builder.Emit(), nil
}
