// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // what the exporter compresses with
	"google.golang.org/grpc/status"
)

// sink is an OTLP backend on loopback that remembers every point of every sum and gauge.
type sink struct {
	pmetricotlp.UnimplementedGRPCServer
	address string
	away    atomic.Bool // it refuses everything

	mu     sync.Mutex
	points []point
}

type point struct {
	metric      string
	delta       bool
	attributes  map[string]string // of the resource and of the point
	start, time time.Time
	value       float64
}

func newSink(tb testing.TB) *sink {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	s := &sink{address: l.Addr().String()}
	server := grpc.NewServer()
	pmetricotlp.RegisterGRPCServer(server, s)
	go func() { _ = server.Serve(l) }()
	tb.Cleanup(server.Stop)
	return s
}

func (s *sink) Export(_ context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	if s.away.Load() {
		return pmetricotlp.NewExportResponse(), status.Error(codes.Unavailable, "away")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points = append(s.points, flatten(request.Metrics())...)
	return pmetricotlp.NewExportResponse(), nil
}

func flatten(md pmetric.Metrics) []point {
	var points []point
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				var dps pmetric.NumberDataPointSlice
				delta := false
				switch m.Type() {
				case pmetric.MetricTypeSum:
					dps, delta = m.Sum().DataPoints(), m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta
				case pmetric.MetricTypeGauge:
					dps = m.Gauge().DataPoints()
				default:
					continue
				}
				for _, dp := range dps.All() {
					attributes := map[string]string{}
					for _, m := range []pcommon.Map{rm.Resource().Attributes(), dp.Attributes()} {
						for k, v := range m.All() {
							attributes[k] = v.AsString()
						}
					}
					points = append(points, point{m.Name(), delta, attributes, dp.StartTimestamp().AsTime(), dp.Timestamp().AsTime(), dp.DoubleValue()})
				}
			}
		}
	}
	return points
}

// named returns the points of a metric with an attribute, in the order they came; an empty metric
// or key means any.
func (s *sink) named(metric, key, value string) []point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.points), func(p point) bool {
		return metric != "" && p.metric != metric || key != "" && p.attributes[key] != value
	})
}

// streams counts the distinct streams of the points, by metric and attributes.
func streams(points []point) map[string]bool {
	found := map[string]bool{}
	for _, p := range points {
		found[p.metric+fmt.Sprint(p.attributes)] = true
	}
	return found
}

// scrape reads a Prometheus endpoint, nil while it does not answer.
func scrape(tb testing.TB, address string) map[string]*dto.MetricFamily {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	require.NoError(tb, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	require.NoError(tb, err)
	return families
}

// series returns the series of a family that have a label, with its labels in one string each.
func series(family *dto.MetricFamily, label, value string) map[string]float64 {
	found := map[string]float64{}
	for _, m := range family.GetMetric() {
		var labels []string
		matches := false
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
			matches = matches || l.GetName() == label && l.GetValue() == value
		}
		if matches {
			found[strings.Join(labels, ",")] = m.GetCounter().GetValue()
		}
	}
	return found
}
