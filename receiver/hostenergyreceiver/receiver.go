// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/internal/lastscrape"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// hostEnergyReceiver scrapes the host's sensors, and once more when it shuts down.
type hostEnergyReceiver struct {
	receiver.Metrics

	scraper *hostScraper
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
	controller, err := scraperhelper.NewMetricsController(&cfg.Controller, set, next, scraperhelper.AddMetricsScraper(metadata.Type, scrape))
	if err != nil {
		return nil, err
	}
	r := &hostEnergyReceiver{scraper: host}
	r.Metrics, err = lastscrape.Wrap(controller, set, next, r.last)
	return r, err
}

func (r *hostEnergyReceiver) last(ctx context.Context) (pmetric.Metrics, error) {
	r.scraper.stop()
	defer r.scraper.close(ctx)
	if !r.scraper.begun() {
		return pmetric.NewMetrics(), nil
	}
	return r.scraper.scrape(ctx)
}
