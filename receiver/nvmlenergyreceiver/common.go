// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"time"

	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// common is what all GPUs share.
type common struct {
	cfg       *Config
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	store     keeper
	boot      string   // identifies the time since the machine was booted
	tenants   *tenants // nil if energy is not split
	// suspended is how long the machine has been suspended since it booted.
	suspended func() time.Duration

	// What workers tell the fleet. Each has room for one, which is enough.
	lost, pending chan struct{}
}

// lag is how long a window stays open for samples of the processes' utilization, which the driver takes
// each 0.2 to 1 s.
const lag = 2 * time.Second

func (c *common) ledgerConfig() ledger.Config {
	return ledger.Config{
		Idle:    c.cfg.Processes.Idle,
		Lag:     lag,
		Admit:   c.tenants.admit,
		Release: c.tenants.release,
	}
}
