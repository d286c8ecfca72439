// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// hostEnergyReceiver is a scrape controller that also delivers what was used between the last
// scrape and its shutdown.
type hostEnergyReceiver struct {
	receiver.Metrics

	scraper *hostScraper
	next    consumer.Metrics
	report  *receiverhelper.ObsReport
	once    sync.Once
}

func newHostEnergyReceiver(cfg *Config, set receiver.Settings, next consumer.Metrics) (*hostEnergyReceiver, error) {
	host, err := newHostScraper(cfg, set)
	if err != nil {
		return nil, err
	}
	scrape, err := scraper.NewMetrics(host.scrape, scraper.WithStart(host.start))
	if err != nil {
		return nil, err
	}
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	controller, err := scraperhelper.NewMetricsController(&cfg.Controller, set, next, scraperhelper.AddMetricsScraper(metadata.Type, scrape))
	if err != nil {
		return nil, err
	}
	return &hostEnergyReceiver{Metrics: controller, scraper: host, next: next, report: report}, nil
}

// Shutdown stops the scrapes and delivers a last one. It does nothing when called again.
func (r *hostEnergyReceiver) Shutdown(ctx context.Context) (err error) {
	r.once.Do(func() {
		err = r.Metrics.Shutdown(ctx)
		r.scraper.stop()
		if err == nil && r.scraper.begun() {
			err = r.flush(ctx)
		}
	})
	return err
}

func (r *hostEnergyReceiver) flush(ctx context.Context) error {
	last, err := r.scraper.scrape(ctx)
	if err != nil || last.DataPointCount() == 0 {
		return err
	}
	ctx = r.report.StartMetricsOp(ctx)
	points := last.DataPointCount()
	err = r.next.ConsumeMetrics(ctx, last)
	r.report.EndMetricsOp(ctx, metadata.Type.String(), points, err)
	return err
}
