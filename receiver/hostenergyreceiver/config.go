// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// Config of the receiver. Nothing in it is mandatory.
type Config struct {
	Controller scraperhelper.ControllerConfig `mapstructure:",squash"`
	Metrics    metadata.MetricsBuilderConfig  `mapstructure:",squash"`
	Host       host.Config                    `mapstructure:",squash"`

	// Required refuses to start when no RAPL package counter can be read, instead of using the model.
	Required bool `mapstructure:"required"`

	// Model estimates the energy of the CPU where RAPL cannot be read.
	Model ModelConfig `mapstructure:"model"`
}

// ModelConfig holds the constants of the CPU model, in watts per logical CPU.
//
// The defaults are the averages that Cloud Carbon Footprint uses for an AWS instance of unknown
// microarchitecture: 0.74 W idle, 3.5 W at full load (its Methodology, Appendix I, commit 1559c18,
// read 2026-11-22), from SPECpower_ssj2008 results. Standard uncertainty of the energy: about 30 %.
// What they contain, and how they compare with RAPL on real servers, is in the README.
type ModelConfig struct {
	// IdlePowerPerCPU is drawn by each online logical CPU at all times, in W.
	IdlePowerPerCPU float64 `mapstructure:"idle_power_per_cpu"`

	// MaxPowerPerCPU is drawn by each logical CPU that is busy, in W.
	MaxPowerPerCPU float64 `mapstructure:"max_power_per_cpu"`
}

// Validate refuses powers that no logical CPU has.
func (c ModelConfig) Validate() error {
	// The negated comparisons refuse NaN as well.
	if !(c.IdlePowerPerCPU >= 0 && c.IdlePowerPerCPU <= maxModelPower) {
		return fmt.Errorf("idle_power_per_cpu: %v W is not between 0 and %v", c.IdlePowerPerCPU, maxModelPower)
	}
	if !(c.MaxPowerPerCPU > 0 && c.MaxPowerPerCPU >= c.IdlePowerPerCPU && c.MaxPowerPerCPU <= maxModelPower) {
		return fmt.Errorf("max_power_per_cpu: %v W is not above 0, at least idle_power_per_cpu (%v) and at most %v",
			c.MaxPowerPerCPU, c.IdlePowerPerCPU, maxModelPower)
	}
	return nil
}

// maxModelPower, in W, is twice the power of the largest whole package on sale (500 W in 2026).
const maxModelPower = 1000.0

func createDefaultConfig() component.Config {
	controller := scraperhelper.NewDefaultControllerConfig()
	controller.CollectionInterval = 10 * time.Second
	return &Config{
		Controller: controller,
		Metrics:    metadata.NewDefaultMetricsBuilderConfig(),
		Model:      ModelConfig{IdlePowerPerCPU: 0.74, MaxPowerPerCPU: 3.5},
	}
}
