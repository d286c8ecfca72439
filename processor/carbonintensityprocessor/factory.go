// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/embodied"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/foreign"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/uncertainty"
)

// NewFactory returns the factory of the carbonintensity processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(
		metadata.Type,
		createDefaultConfig,
		processor.WithMetrics(createMetrics, metadata.MetricsStability),
	)
}

func createDefaultConfig() component.Config {
	return &Config{
		Boundary:  grid.Lifecycle,
		PUE:       1,
		Foreign:   foreign.DefaultConfig(),
		Embodied:  configoptional.Default(embodied.Default()),
		Revisions: configoptional.Default(RevisionsConfig{Keep: 48 * time.Hour, MaxBuckets: 1_000_000, Metrics: []string{"hw."}}),
		Uncertainty: configoptional.Default(UncertaintyConfig{
			Inputs: uncertainty.Default(), Windows: []time.Duration{time.Hour, 24 * time.Hour},
		}),
		SettleMaxBytes: 256 << 20,
		MaxStreams:     100_000,
		MaxStale:       time.Hour,
	}
}

func createMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	p, err := newProcessor(cfg.(*Config), set, next)
	if err != nil {
		return nil, err
	}
	if p.settleLater() {
		next = p.settling
	}
	return processorhelper.NewMetrics(ctx, set, cfg, next, p.processMetrics,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		processorhelper.WithStart(p.start),
		processorhelper.WithShutdown(p.shutdown),
	)
}
