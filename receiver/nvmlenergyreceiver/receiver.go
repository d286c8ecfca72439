// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/lastscrape"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// nvmlEnergyReceiver scrapes the GPUs, and once more when it shuts down.
type nvmlEnergyReceiver struct {
	receiver.Metrics

	cfg    *Config
	logger *zap.Logger
	fleet  *fleet
	watch  *watch
	worker *worker // nil unless started
}

func newNVMLEnergyReceiver(cfg *Config, set receiver.Settings, next consumer.Metrics, d driver, options ...scraperhelper.ControllerOption) (*nvmlEnergyReceiver, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	r := &nvmlEnergyReceiver{cfg: cfg, logger: set.Logger, watch: &watch{}}
	r.fleet = &fleet{
		driver: watchedDriver{d, r.watch},
		logger: set.Logger,
		reporter: &reporter{
			logger:    set.Logger,
			telemetry: telemetry,
			builder:   metadata.NewMetricsBuilder(cfg.Metrics, set),
			enabled:   cfg.Metrics.Metrics,
		},
	}
	scrape, err := scraper.NewMetrics(r.scrape, scraper.WithStart(r.start))
	if err != nil {
		return nil, err
	}
	options = append(options, scraperhelper.AddMetricsScraper(metadata.Type, scrape))
	controller, err := scraperhelper.NewMetricsController(&cfg.Controller, set, next, options...)
	if err != nil {
		return nil, err
	}
	r.Metrics, err = lastscrape.Wrap(controller, set, next, r.last)
	return r, err
}

func (r *nvmlEnergyReceiver) start(ctx context.Context, _ component.Host) error {
	if err := r.cfg.Host.Check(); err != nil {
		return err
	}
	r.fleet.reporter.identify(r.cfg.Host.Resolve(r.logger))
	r.worker = startWorker(r.fleet, r.watch)
	if !r.cfg.Required {
		return nil
	}
	problem, err := ask(ctx, r.worker, func(f *fleet) error { return f.problem })
	if err == nil {
		err = problem
	}
	if err != nil {
		r.stop(ctx)
		return fmt.Errorf("required: no NVIDIA GPU can be read: %w", err)
	}
	return nil
}

func (r *nvmlEnergyReceiver) stop(ctx context.Context) {
	if err := r.worker.stop(ctx); err != nil {
		r.logger.Warn("a call to the driver is left behind", zap.Error(err))
	}
	r.worker = nil
}

// scrape fails while the driver hangs. A GPU that is not there is no error.
func (r *nvmlEnergyReceiver) scrape(ctx context.Context) (pmetric.Metrics, error) {
	metrics, err := ask(ctx, r.worker, func(f *fleet) pmetric.Metrics { return f.collect(ctx) })
	if err != nil {
		r.fleet.reporter.telemetry.NvmlenergyReadingsSkipped.Add(ctx, r.fleet.known.Load(),
			metric.WithAttributes(attribute.String("reason", metadata.AttributeReasonHung.String())))
		return pmetric.NewMetrics(), err
	}
	return metrics, nil
}

// last reads the GPUs once more and closes the driver.
func (r *nvmlEnergyReceiver) last(ctx context.Context) (pmetric.Metrics, error) {
	if r.worker == nil {
		return pmetric.NewMetrics(), nil
	}
	metrics, err := r.scrape(ctx)
	if err != nil {
		r.logger.Warn("the energy since the last collection is not delivered", zap.Error(err))
	}
	r.stop(ctx)
	return metrics, nil
}
