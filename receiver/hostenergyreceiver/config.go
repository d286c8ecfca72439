// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/bmc"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/model"
)

// Config of the receiver. Nothing in it is mandatory.
type Config struct {
	Controller scraperhelper.ControllerConfig `mapstructure:",squash"`
	Metrics    metadata.MetricsBuilderConfig  `mapstructure:",squash"`
	Host       host.Config                    `mapstructure:",squash"`

	// Required refuses to start when no energy counter of a CPU package can be read, instead of using the model.
	Required bool `mapstructure:"required"`

	// Model estimates the energy of CPU and memory where no sensor tells it.
	Model model.Config `mapstructure:"model"`

	Attribution AttributionConfig `mapstructure:"attribution"`

	// BMC tells the power of the whole machine.
	BMC bmc.Config `mapstructure:"bmc"`
}

// AttributionConfig is about who used the energy.
type AttributionConfig struct {
	// Enabled splits the energy over those who used it.
	Enabled bool `mapstructure:"enabled"`

	// Idle says who pays for what the hardware draws when it does nothing.
	Idle ledger.IdlePolicy `mapstructure:"idle"`

	// Residual says who pays for what the whole machine draws and none of its devices does.
	Residual Residual `mapstructure:"residual"`

	// MaxWorkloads is how many are told apart at a time.
	MaxWorkloads int `mapstructure:"max_workloads"`
}

// Residual is a value of residual.
type Residual string

const (
	// residualOwn makes it a series of its own, of kind residual.
	residualOwn Residual = "own"
	// residualSpread splits it by the energy that workloads used of all devices.
	residualSpread Residual = "spread"
)

// Validate refuses what is wrong on any machine.
func (c *AttributionConfig) Validate() error {
	var errs []error
	if !slices.Contains(ledger.IdlePolicies(), c.Idle) {
		errs = append(errs, fmt.Errorf("idle: %q is none of %v", c.Idle, ledger.IdlePolicies()))
	}
	if c.Residual != residualOwn && c.Residual != residualSpread {
		errs = append(errs, fmt.Errorf("residual: %q is neither %s nor %s", c.Residual, residualOwn, residualSpread))
	}
	if c.MaxWorkloads < 1 {
		errs = append(errs, fmt.Errorf("max_workloads: %d: must be at least 1; set enabled to false to tell none apart", c.MaxWorkloads))
	}
	return errors.Join(errs...)
}

func createDefaultConfig() component.Config {
	controller := scraperhelper.NewDefaultControllerConfig()
	controller.CollectionInterval = 10 * time.Second
	return &Config{
		Controller:  controller,
		Metrics:     metadata.NewDefaultMetricsBuilderConfig(),
		BMC:         bmc.DefaultConfig(),
		Attribution: AttributionConfig{Enabled: true, Idle: ledger.IdleUnattributed, Residual: residualOwn, MaxWorkloads: 500},
	}
}
