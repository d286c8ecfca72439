// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package lastscrape keeps receivers that scrape from losing what was measured between their last
// scrape and their shutdown.
package lastscrape

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/collector/scraper"
)

// Wrap returns the controller with a Shutdown that, once the scrapes have stopped, calls last and
// delivers what it returns. last also releases what the scraper holds, so it is called if the
// receiver never started, too. A second Shutdown does nothing.
func Wrap(controller receiver.Metrics, set receiver.Settings, next consumer.Metrics, last scraper.ScrapeMetricsFunc) (receiver.Metrics, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	return &wrapped{Metrics: controller, format: set.ID.Type().String(), next: next, last: last, report: report}, nil
}

type wrapped struct {
	receiver.Metrics

	format string
	next   consumer.Metrics
	last   scraper.ScrapeMetricsFunc
	report *receiverhelper.ObsReport
	once   sync.Once
}

func (w *wrapped) Shutdown(ctx context.Context) (err error) {
	w.once.Do(func() {
		err = errors.Join(w.Metrics.Shutdown(ctx), w.flush(ctx))
	})
	return err
}

func (w *wrapped) flush(ctx context.Context) error {
	metrics, err := w.last(ctx)
	points := metrics.DataPointCount()
	if err != nil || points == 0 {
		return err
	}
	ctx = w.report.StartMetricsOp(ctx)
	err = w.next.ConsumeMetrics(ctx, metrics)
	w.report.EndMetricsOp(ctx, w.format, points, err)
	return err
}
