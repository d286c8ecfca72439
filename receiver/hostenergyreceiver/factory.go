// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"context"
	"fmt"
	"runtime"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// NewFactory creates the factory of the hostenergy receiver.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(
		metadata.Type,
		createDefaultConfig,
		receiver.WithMetrics(createMetrics, metadata.MetricsStability),
	)
}

func createMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	if err := supported(runtime.GOOS); err != nil {
		return nil, err
	}
	return newHostEnergyReceiver(cfg.(*Config), set, next)
}

func supported(operatingSystem string) error {
	if operatingSystem != "linux" {
		return fmt.Errorf("the hostenergy receiver reads /sys and /proc of Linux and does not work on %s", operatingSystem)
	}
	return nil
}
