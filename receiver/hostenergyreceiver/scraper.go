// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"
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

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// hostScraper reads every sensor at each scrape, and those that wrap in between as well.
type hostScraper struct {
	cfg       *Config
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	reporter  *reporter
	readUint  func(path string) (uint64, error)
	cpu       cpuInfo

	mu      sync.Mutex
	streams []*stream // of RAPL, in the order of their discovery
	model   *stream   // in their place, nil as soon as RAPL can be read

	stopping  context.Context
	cancel    context.CancelFunc
	sampling  sync.Once
	goroutine sync.WaitGroup
}

func newHostScraper(cfg *Config, set receiver.Settings) (*hostScraper, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	s := &hostScraper{
		cfg:       cfg,
		logger:    set.Logger,
		telemetry: telemetry,
		reporter:  &reporter{builder: metadata.NewMetricsBuilder(cfg.Metrics, set)},
		readUint:  readUint,
	}
	s.stopping, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (s *hostScraper) start(context.Context, component.Host) error {
	if err := s.cfg.Host.Check(); err != nil {
		return err
	}
	s.cpu = readCPUInfo(s.cfg.Host.Path("proc/cpuinfo"))
	if problem := s.unreadable(); problem != nil {
		if s.cfg.Required {
			return fmt.Errorf("required: no RAPL package counter can be read: %s; %s", problem.reason, problem.remedy)
		}
		s.logger.Warn("CPU energy is estimated from CPU time, not measured: RAPL cannot be read",
			zap.String("reason", problem.reason), zap.String("remedy", problem.remedy))
		s.model = newModelStream(s.cfg, s.cpu)
	}
	s.reporter.identify(s.cfg.Host.Resolve(s.logger))
	return nil
}

func (s *hostScraper) stop() {
	s.cancel()
	s.goroutine.Wait()
}

// begun reports whether there is energy to report since an earlier scrape.
func (s *hostScraper) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.all(), func(st *stream) bool { return !st.start.IsZero() })
}

func (s *hostScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discover()
	now := time.Now()
	for _, st := range s.all() {
		s.observe(ctx, st, now)
	}
	metrics := s.reporter.report(s.all(), now)
	s.retireModel()
	if len(s.streams) > 0 {
		s.startSampler()
	}
	return metrics, nil
}

func (s *hostScraper) all() []*stream {
	if s.model == nil {
		return s.streams
	}
	return append(slices.Clip(s.streams), s.model)
}

// discover adds the zones that have appeared. Those that vanished stay: they may return, and their
// failed readings are counted.
func (s *hostScraper) discover() {
	zones, _ := findZones(s.cfg.Host.Path(powercap))
	for _, z := range zones {
		i := slices.IndexFunc(s.streams, func(st *stream) bool { return st.id == z.id })
		if i >= 0 {
			s.streams[i].sensor.(*raplCounter).dir = z.dir
		} else if s.wanted(z.scope) {
			s.streams = append(s.streams, newRAPLStream(z, s.cpu, s.readUint))
		}
	}
}

func (s *hostScraper) wanted(scope scope) bool {
	switch scope {
	case scopeCore, scopeUncore:
		// On AMD, powercap's core zone is a single physical core: the kernel reads the per-core
		// register MSR_AMD_CORE_ENERGY_STATUS on the first CPU of the package only.
		return s.cfg.Metrics.Metrics.HwEnergyInner.Enabled && !s.cpu.amd
	default:
		return true
	}
}

// retireModel ends the model once the package is measured, after its last point.
func (s *hostScraper) retireModel() {
	if s.model == nil || !slices.ContainsFunc(s.streams, func(st *stream) bool { return st.scope == scopePackage && st.current }) {
		return
	}
	s.model = nil
	s.logger.Info("RAPL can be read now: CPU energy is measured from here on, and no longer estimated")
}

// observe takes a reading of one sensor. What does not count is counted in the receiver's own
// telemetry; a change between readable and unreadable is logged once.
func (s *hostScraper) observe(ctx context.Context, st *stream, now time.Time) {
	reason, err := st.observe(now)
	if reason != 0 {
		s.telemetry.HostenergyReadingsSkipped.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason.String())))
	}
	if unreadable := err != nil; unreadable != st.unreadable {
		st.unreadable = unreadable
		switch {
		case unreadable && (s.model == nil || st == s.model):
			s.logger.Warn("energy cannot be read: no points until it can", zap.String("hw.id", st.id), zap.Error(err))
		case !unreadable:
			s.logger.Info("energy can be read", zap.String("hw.id", st.id))
		}
	}
}
