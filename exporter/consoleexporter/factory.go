// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package consoleexporter

import (
	"context"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/metadata"
)

// NewFactory returns the factory of the console exporter.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(metadata.Type, createDefaultConfig,
		exporter.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createDefaultConfig() component.Config {
	return &Config{RefreshInterval: defaultRefreshInterval, MaxStreams: defaultMaxStreams}
}

// createMetrics uses no queue: what is shown late is shown wrong.
func createMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	e, err := newConsole(set, cfg.(*Config), os.Stdout)
	if err != nil {
		return nil, err
	}
	return exporterhelper.NewMetrics(ctx, set, cfg, e.consume,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}))
}
