// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityreceiver

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/gridintensityreceiver/internal/metadata"
)

// NewFactory creates the factory of the gridintensity receiver.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(
		metadata.Type,
		createDefaultConfig,
		receiver.WithMetrics(createMetrics, metadata.MetricsStability),
	)
}

func createMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	c := cfg.(*Config)
	s, err := newGridScraper(c, set)
	if err != nil {
		return nil, err
	}
	scrape, err := scraper.NewMetrics(s.scrape, scraper.WithStart(s.start))
	if err != nil {
		return nil, err
	}
	controller, err := scraperhelper.NewMetricsController(&c.Controller, set, next, scraperhelper.AddMetricsScraper(metadata.Type, scrape))
	return &stopOnce{Metrics: controller}, err
}

// stopOnce guards a controller, which cannot be shut down twice.
type stopOnce struct {
	receiver.Metrics

	once sync.Once
}

func (r *stopOnce) Shutdown(ctx context.Context) (err error) {
	r.once.Do(func() { err = r.Metrics.Shutdown(ctx) })
	return err
}
