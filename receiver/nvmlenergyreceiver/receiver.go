// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// nvmlEnergyReceiver is a scrape controller that also delivers what was used between the last scrape
// and its shutdown.
type nvmlEnergyReceiver struct {
	receiver.Metrics

	cfg    *Config
	next   consumer.Metrics
	report *receiverhelper.ObsReport
	logger *zap.Logger
	fleet  *fleet
	watch  *watch
	worker *worker // nil unless started
	once   sync.Once
}

func newNVMLEnergyReceiver(cfg *Config, set receiver.Settings, next consumer.Metrics, d driver, options ...scraperhelper.ControllerOption) (*nvmlEnergyReceiver, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	r := &nvmlEnergyReceiver{cfg: cfg, next: next, report: report, logger: set.Logger, watch: &watch{}}
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
	r.Metrics, err = scraperhelper.NewMetricsController(&cfg.Controller, set, next, options...)
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

// Shutdown stops the scrapes, delivers a last one and closes the driver. It does nothing when called
// again.
func (r *nvmlEnergyReceiver) Shutdown(ctx context.Context) (err error) {
	r.once.Do(func() {
		err = r.Metrics.Shutdown(ctx)
		if r.worker == nil {
			return
		}
		if err == nil {
			err = r.flush(ctx)
		}
		r.stop(ctx)
	})
	return err
}

func (r *nvmlEnergyReceiver) flush(ctx context.Context) error {
	last, err := r.scrape(ctx)
	if err != nil {
		r.logger.Warn("the energy since the last collection is not delivered", zap.Error(err))
		return nil
	}
	points := last.DataPointCount()
	if points == 0 {
		return nil
	}
	ctx = r.report.StartMetricsOp(ctx)
	err = r.next.ConsumeMetrics(ctx, last)
	r.report.EndMetricsOp(ctx, metadata.Type.String(), points, err)
	return err
}
