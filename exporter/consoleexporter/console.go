// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package consoleexporter

import (
	"cmp"
	"context"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

// console adds up what it consumes, and lets a display show it at every refresh.
type console struct {
	every     time.Duration
	out       display
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder

	mu     sync.Mutex
	tally  *tally.Tally
	warned map[tally.Reason]bool

	stop    context.CancelFunc // nil before the start
	stopped chan struct{}
}

func newConsole(set exporter.Settings, cfg *Config, stdout *os.File) (*console, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &console{
		every:     cfg.RefreshInterval,
		out:       newDisplay(stdout, cmp.Or(set.BuildInfo.Command, "otelcol"), cfg.RefreshInterval),
		logger:    set.Logger,
		telemetry: telemetry,
		tally:     tally.New(time.Now(), cfg.MaxStreams),
		warned:    make(map[tally.Reason]bool),
	}, nil
}

func (c *console) start(context.Context, component.Host) error {
	running, stop := context.WithCancel(context.Background())
	c.stop, c.stopped = stop, make(chan struct{})
	go c.refresh(running)
	return nil
}

func (c *console) consume(ctx context.Context, batch pmetric.Metrics) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for reason, n := range c.tally.Add(batch, time.Now()) {
		c.telemetry.ConsolePointsSkipped.Add(ctx, n, metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", string(reason)))))
		if !c.warned[reason] {
			c.warned[reason] = true
			c.logger.Warn("some points are not shown; said once for each reason, counted in console.points.skipped",
				zap.String("reason", string(reason)), zap.Int64("points", n))
		}
	}
	return nil
}

// refresh shows the state until it is told to stop, and then once more.
func (c *console) refresh(running context.Context) {
	defer close(c.stopped)
	ticker := time.NewTicker(c.every)
	defer ticker.Stop()
	c.show(c.snapshot())
	for {
		select {
		case <-ticker.C:
			c.mu.Lock()
			s := c.tally.Sample(time.Now())
			c.mu.Unlock()
			c.show(s)
		case <-running.Done():
			s := c.snapshot()
			c.show(s)
			c.note(c.out.close(s))
			return
		}
	}
}

func (c *console) snapshot() tally.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally.Snapshot(time.Now())
}

func (c *console) show(s tally.Snapshot) { c.note(c.out.show(s)) }

// unwritable stands for output that fails, next to the reasons of the tally.
const unwritable tally.Reason = "output"

func (c *console) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !c.warned[unwritable] {
		c.warned[unwritable] = true
		c.logger.Warn("cannot write to standard output", zap.Error(err))
	}
}

// shutdown prints the summary. It waits for a terminal that does not take it as long as ctx allows.
func (c *console) shutdown(ctx context.Context) error {
	if c.stop == nil {
		return nil
	}
	c.stop()
	defer c.telemetry.Shutdown()
	select {
	case <-c.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
