// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/foreign"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

// newTranslator is nil if nothing is to be translated: then looking at a metric's name is all it costs.
func newTranslator(cfg foreign.Config, version string, telemetry *metadata.TelemetryBuilder, logger *zap.Logger) (*foreign.Translator, error) {
	if len(cfg.Presets)+len(cfg.Rules) == 0 {
		return nil, nil //nolint:nilnil // nothing to do is no error
	}
	var logged sync.Map
	return foreign.New(cfg, version, func(reason, name string, points int) {
		telemetry.CarbonintensityForeignSkipped.Add(context.Background(), int64(points), metric.WithAttributes(attribute.String("reason", reason)))
		if _, known := logged.LoadOrStore(reason, true); known {
			return
		}
		log := logger.Warn
		if reason == foreign.Repeated || reason == foreign.OtherSource {
			log = logger.Info
		}
		log("Foreign energy is left out (logged once for each reason, counted in carbonintensity.foreign.skipped)",
			zap.String("metric", name), zap.String("reason", reason))
	})
}
