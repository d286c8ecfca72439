// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/machine"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/bmc"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// hostScraper reads every sensor of the machine at each scrape, and in between as often as each needs.
type hostScraper struct {
	cfg       *Config
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	reporter  *reporter
	machine   func() sensor.Machine // that of the configuration, but in tests
	ladder    *ladder
	settings  component.TelemetrySettings
	bmc       *bmc.Meter // nil if there is none

	mu          sync.Mutex
	attribution *attribution // nil if nobody asks who used it
	asked       string       // what the BMC has the power of, as was told last
	introduced  bool

	stopping  context.Context
	cancel    context.CancelFunc
	goroutine sync.WaitGroup
}

func newHostScraper(cfg *Config, set receiver.Settings) (*hostScraper, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	s := &hostScraper{
		cfg: cfg, logger: set.Logger, telemetry: telemetry, settings: set.TelemetrySettings,
		reporter: newReporter(metadata.NewMetricsBuilder(cfg.Metrics, set)),
		machine:  func() sensor.Machine { return sensor.NewMachine(cfg.Host) },
	}
	s.stopping, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (s *hostScraper) start(ctx context.Context, host component.Host) error {
	if err := s.cfg.Host.Check(); err != nil {
		return err
	}
	s.ladder = newLadder(s.cfg, s.logger, s.machine())
	if err := s.askBMC(ctx, host); err != nil {
		return err
	}
	s.ladder.discover()
	if why := s.ladder.missing(); why != nil && s.cfg.Required {
		return fmt.Errorf("required: no energy counter of a CPU package can be read: %s: %s; %s", why.What, why.Detail, why.Remedy)
	}
	s.reporter.identify(s.cfg.Host.Resolve(s.logger))
	if s.cfg.Attribution.Enabled {
		s.attribution = newAttribution(s.cfg, s.logger, s.telemetry)
	}
	s.goroutine.Go(s.sample)
	return nil
}

func (s *hostScraper) stop() {
	s.cancel()
	s.goroutine.Wait()
}

// askBMC begins to, if it is configured.
func (s *hostScraper) askBMC(ctx context.Context, host component.Host) error {
	switch c := &s.cfg.BMC; {
	case c.IPMI.HasValue():
		s.bmc = bmc.NewIPMI(*c.IPMI.Get(), c.Interval)
	case c.Redfish.HasValue():
		client, err := c.Redfish.Get().ToClient(ctx, host.GetExtensions(), s.settings)
		if err != nil {
			return fmt.Errorf("bmc::redfish: %w", err)
		}
		s.bmc = bmc.NewRedfish(*c.Redfish.Get(), client, c.Interval)
	default:
		return nil
	}
	source := s.bmc.Source()
	s.ladder.bmc = &source
	s.bmc.Start()
	return nil
}

// close frees what is open.
func (s *hostScraper) close(ctx context.Context) {
	if s.bmc != nil {
		s.bmc.Shutdown(ctx)
	}
	if s.attribution != nil {
		s.attribution.tracker.Close()
	}
	if s.ladder != nil {
		s.ladder.close()
	}
}

// begun reports whether there is energy to report since an earlier scrape.
func (s *hostScraper) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ladder != nil && slices.ContainsFunc(s.ladder.devices, func(d *device) bool { return !d.start.IsZero() })
}

func (s *hostScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ladder.discover()
	now := time.Now()
	for _, d := range s.ladder.devices {
		s.observe(ctx, d, now)
	}
	others := machine.Others(s.cfg.Host.Path(), nil)
	s.ladder.calibrate(now)
	places := s.ladder.places(others, now)
	s.attribute(places, others, now)
	metrics := s.report(places, now)
	s.ladder.retire()
	s.ladder.takeOver()
	s.tellItself(ctx)
	return metrics, nil
}

// attribute finds who used what is counted, and what no device covers.
func (s *hostScraper) attribute(places map[*device]place, others []machine.Meter, now time.Time) {
	if s.attribution == nil {
		return
	}
	var devices []*device
	for _, d := range s.ladder.devices {
		if places[d] == counted {
			devices = append(devices, d)
		}
	}
	s.attribution.look(now)
	for _, d := range devices {
		s.attribution.book(d, now, s.ladder.idlePower(d))
	}
	for d, where := range places {
		if where != machineMeter {
			continue
		}
		if d.residual == nil {
			d.residual = newResidual(d)
		}
		d.residual.observe(devices, others, now)
		if s.cfg.Attribution.Residual == residualSpread {
			d.residual.spread(s.attribution.ledgerConfig(), devices, others, now)
		}
	}
}

func (s *hostScraper) report(places map[*device]place, now time.Time) pmetric.Metrics {
	at := s.reporter.timestamp(now)
	for _, d := range s.ladder.devices {
		s.reporter.device(d, places[d], now, at)
		s.reporter.split(d, d.ledger)
		if d.residual != nil {
			s.reporter.residual(d.residual)
		}
	}
	return s.reporter.emit()
}

// observe takes a reading of one sensor. What does not count is counted in the receiver's own
// telemetry; a change between readable and unreadable is logged once.
func (s *hostScraper) observe(ctx context.Context, d *device, now time.Time) {
	reason, err := d.observe(now)
	if errors.Is(err, sensor.ErrOnMains) || errors.Is(err, bmc.ErrWaiting) {
		return // as it should be
	}
	if reason != 0 {
		s.telemetry.HostenergyReadingsSkipped.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason.String())))
	}
	if unreadable := err != nil; unreadable != d.unreadable {
		d.unreadable = unreadable
		switch {
		case unreadable:
			s.logger.Warn("energy cannot be read: no points until it can", zap.String("hw.id", d.ID), zap.Error(err))
		case !unreadable:
			s.logger.Info("energy can be read", zap.String("hw.id", d.ID))
		}
	}
}

// sample reads between scrapes what would else wrap unseen, or is a power and no counter.
func (s *hostScraper) sample() {
	for {
		s.mu.Lock()
		wait := s.ladder.interval()
		s.mu.Unlock()
		select {
		case <-s.stopping.Done():
			return
		case <-time.After(wait):
		}
		s.mu.Lock()
		now := time.Now()
		for _, d := range s.ladder.devices {
			// A first reading belongs to a scrape, which reports it.
			if every := d.Sensor.Interval(); every > 0 && !d.start.IsZero() && now.Sub(d.readAt) >= every*9/10 {
				s.observe(s.stopping, d, now)
			}
		}
		s.mu.Unlock()
	}
}
