// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"fmt"
	"path/filepath"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// Config of the receiver. Nothing in it is mandatory.
type Config struct {
	Controller scraperhelper.ControllerConfig `mapstructure:",squash"`
	Metrics    metadata.MetricsBuilderConfig  `mapstructure:",squash"`
	Host       host.Config                    `mapstructure:",squash"`

	// LibraryPath is the file of NVML, the only one tried if set. Empty to look where drivers put it.
	LibraryPath string `mapstructure:"library_path"`

	// Required refuses to start when there is no driver or no GPU.
	Required bool `mapstructure:"required"`
}

// Validate refuses what is wrong on any machine.
func (c *Config) Validate() error {
	if c.LibraryPath != "" && !filepath.IsAbs(c.LibraryPath) {
		return fmt.Errorf("library_path: %q is not an absolute path such as /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", c.LibraryPath)
	}
	return nil
}

func createDefaultConfig() component.Config {
	controller := scraperhelper.NewDefaultControllerConfig()
	controller.CollectionInterval = 10 * time.Second
	return &Config{
		Controller: controller,
		Metrics:    metadata.NewDefaultMetricsBuilderConfig(),
	}
}
