// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/lastscrape"
	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// nvmlEnergyReceiver reports what its fleet has read, and once more when it shuts down.
type nvmlEnergyReceiver struct {
	receiver.Metrics

	id       component.ID
	driver   nvml.Driver
	common   *common
	reporter *reporter
	fleet    *fleet // nil unless started
	leave    func() // the other receivers of the machine

	started    time.Time
	introduced bool
}

func newNVMLEnergyReceiver(cfg *Config, set receiver.Settings, next consumer.Metrics, driver nvml.Driver, options ...scraperhelper.ControllerOption) (*nvmlEnergyReceiver, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	c := &common{
		cfg: cfg, logger: set.Logger, telemetry: telemetry, suspended: host.Suspended,
		lost: make(chan struct{}, 1), pending: make(chan struct{}, 1),
	}
	r := &nvmlEnergyReceiver{
		id: set.ID, driver: driver, common: c,
		reporter: &reporter{common: c, builder: metadata.NewMetricsBuilder(cfg.Metrics, set)},
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

func (r *nvmlEnergyReceiver) start(ctx context.Context, host component.Host) (err error) {
	c := r.common
	if err := c.cfg.Host.Check(); err != nil {
		return err
	}
	r.reporter.identify(c.cfg.Host.Resolve(c.logger))
	c.boot = bootID(c.cfg.Host)
	if c.store.client, err = store.Open(ctx, host, c.cfg.Storage, component.KindReceiver, r.id); err != nil {
		return err
	}
	if c.cfg.Processes.Enabled {
		if c.tenants, err = newTenants(c); err != nil {
			return err
		}
	}
	r.fleet = newFleet(c, r.driver, statusHost{host})
	if err := r.fleet.observe(c.telemetry); err != nil {
		return err
	}
	r.started = time.Now()
	go r.fleet.run()
	r.leave = machine.Join(c.cfg.Host.Path(), r.fleet)
	if !c.cfg.Required {
		return nil
	}
	if err := r.fleet.ready(ctx); err != nil {
		r.stop(ctx)
		return fmt.Errorf("required: no NVIDIA GPU can be read: %w", err)
	}
	return nil
}

// scrape makes no call to the driver, and so does not wait for one.
func (r *nvmlEnergyReceiver) scrape(ctx context.Context) (pmetric.Metrics, error) {
	r.introduce(time.Now())
	return r.reporter.collect(ctx, r.fleet.known())
}

// last has the GPUs read once more and closes the driver.
func (r *nvmlEnergyReceiver) last(ctx context.Context) (pmetric.Metrics, error) {
	if r.fleet == nil {
		r.common.telemetry.Shutdown()
		return pmetric.NewMetrics(), nil
	}
	r.halt(ctx)
	metrics, err := r.scrape(ctx)
	return metrics, errors.Join(err, r.close(ctx))
}

func (r *nvmlEnergyReceiver) halt(ctx context.Context) {
	r.leave()
	if err := r.fleet.stop(ctx); err != nil {
		r.common.logger.Warn("a call to the driver is left behind; what that GPU used since its last reading is not delivered", zap.Error(err))
	}
}

// close frees the rest.
func (r *nvmlEnergyReceiver) close(ctx context.Context) error {
	r.fleet = nil
	r.common.telemetry.Shutdown()
	if r.common.tenants != nil {
		r.common.tenants.close()
	}
	return r.common.store.close(ctx)
}

func (r *nvmlEnergyReceiver) stop(ctx context.Context) {
	r.halt(ctx)
	_ = r.close(ctx)
}
