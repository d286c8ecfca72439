// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
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

	// PollInterval is the time between two readings of a GPU. Collections take what was read last.
	PollInterval time.Duration `mapstructure:"poll_interval"`

	// Storage is an extension that keeps the totals over a restart; nil to begin at 0.
	Storage *component.ID `mapstructure:"storage"`

	Processes ProcessesConfig `mapstructure:"processes"`

	// Calibration of boards. The first entry that matches a GPU is used.
	Calibration []CalibrationConfig `mapstructure:"calibration"`

	// ReleaseHandles says when to let the driver go, so that others can reset a GPU.
	ReleaseHandles ReleaseHandles `mapstructure:"release_handles"`
}

// ProcessesConfig is about who used the energy.
type ProcessesConfig struct {
	// Enabled splits the energy over those who used it.
	Enabled bool `mapstructure:"enabled"`

	// Idle says who pays for what a GPU draws when it does nothing.
	Idle ledger.IdlePolicy `mapstructure:"idle"`

	// MaxWorkloads is how many are told apart at a time, on all GPUs together.
	MaxWorkloads int `mapstructure:"max_workloads"`

	// ResourceSlices asks the Kubernetes API which GPU a claim of dynamic resource allocation is for.
	ResourceSlices bool `mapstructure:"resource_slices"`
}

// CalibrationConfig corrects what a board reads.
type CalibrationConfig struct {
	// GPU is a UUID or a product name, with * and ? for any characters.
	GPU string `mapstructure:"gpu"`

	// Gain multiplies the energy.
	Gain float64 `mapstructure:"gain"`

	// Offset is added to the power, in W.
	Offset float64 `mapstructure:"offset"`

	// IdlePower is what the GPU draws when it does nothing, in W; 0 to find out.
	IdlePower float64 `mapstructure:"idle_power"`
}

// ReleaseHandles is a value of release_handles.
type ReleaseHandles string

const (
	releaseOnMIGPending ReleaseHandles = "on_mig_pending"
	releaseNever        ReleaseHandles = "never"
)

const (
	shortestPoll = time.Millisecond
	longestPoll  = time.Minute
)

// Validate refuses what is wrong on any machine.
func (c *Config) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.LibraryPath != "" && !filepath.IsAbs(c.LibraryPath) {
		refuse("library_path: %q is not an absolute path such as /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", c.LibraryPath)
	}
	if c.PollInterval < shortestPoll || c.PollInterval > longestPoll {
		refuse("poll_interval: %v is not between %v and %v", c.PollInterval, shortestPoll, longestPoll)
	}
	if !slices.Contains([]ReleaseHandles{releaseOnMIGPending, releaseNever}, c.ReleaseHandles) {
		refuse("release_handles: %q is neither %s nor %s", c.ReleaseHandles, releaseOnMIGPending, releaseNever)
	}
	return errors.Join(errs...)
}

// Validate refuses what is wrong on any machine.
func (c *ProcessesConfig) Validate() error {
	var errs []error
	if !slices.Contains(ledger.IdlePolicies(), c.Idle) {
		errs = append(errs, fmt.Errorf("idle: %q is none of %v", c.Idle, ledger.IdlePolicies()))
	}
	if c.MaxWorkloads < 1 {
		errs = append(errs, fmt.Errorf("max_workloads: %d: must be at least 1; set enabled to false to tell none apart", c.MaxWorkloads))
	}
	return errors.Join(errs...)
}

// Validate refuses what is wrong on any machine.
func (c *CalibrationConfig) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := path.Match(c.GPU, ""); c.GPU == "" || err != nil {
		refuse("gpu: %q: must be a UUID or a product name, such as GPU-5fd4f... or \"NVIDIA A100*\"", c.GPU)
	}
	if !(c.Gain >= 0) || math.IsInf(c.Gain, 1) {
		refuse("gain: %v: must be a number above 0, such as 1.02; leave it out for 1", c.Gain)
	}
	if math.IsNaN(c.Offset) || math.IsInf(c.Offset, 0) {
		refuse("offset: %v: must be a number of W", c.Offset)
	}
	if !(c.IdlePower >= 0) || c.IdlePower > 4000 {
		refuse("idle_power: %v: must be a number of W between 0 and 4000", c.IdlePower)
	}
	return errors.Join(errs...)
}

// calibration is what is configured for a GPU.
func (c *Config) calibration(uuid, name string) CalibrationConfig {
	for _, entry := range c.Calibration {
		for _, candidate := range []string{uuid, name} {
			if match, err := path.Match(entry.GPU, candidate); err == nil && match {
				return entry
			}
		}
	}
	return CalibrationConfig{}
}

func createDefaultConfig() component.Config {
	controller := scraperhelper.NewDefaultControllerConfig()
	controller.CollectionInterval = 10 * time.Second
	return &Config{
		Controller:     controller,
		Metrics:        metadata.NewDefaultMetricsBuilderConfig(),
		PollInterval:   time.Second,
		Processes:      ProcessesConfig{Enabled: true, Idle: ledger.IdleUnattributed, MaxWorkloads: 500},
		ReleaseHandles: releaseOnMIGPending,
	}
}
