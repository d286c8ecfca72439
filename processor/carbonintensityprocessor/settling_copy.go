// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// headingSize is how many bytes of a copy are its heading.
const headingSize = 16

// heading is what a copy begins with.
type heading struct {
	came    time.Time
	watched pcommon.Timestamp // since when the processor that took it saw all that began
}

func (h heading) append(content []byte) []byte {
	record := binary.LittleEndian.AppendUint64(make([]byte, 0, headingSize+len(content)), uint64(h.came.UnixNano()))
	return append(binary.LittleEndian.AppendUint64(record, uint64(h.watched)), content...)
}

func parse(record []byte) (h heading, content []byte, err error) {
	if len(record) < headingSize {
		return h, nil, errors.New("it is cut off")
	}
	h.came = time.Unix(0, int64(binary.LittleEndian.Uint64(record)))
	h.watched = pcommon.Timestamp(binary.LittleEndian.Uint64(record[headingSize/2:]))
	return h, record[headingSize:], nil
}

func read(record []byte) (h heading, md pmetric.Metrics, err error) {
	h, content, err := parse(record)
	if err == nil {
		md, err = (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(content)
	}
	return h, md, err
}

// energyOf is a copy of the metrics that emissions are told of.
func energyOf(md pmetric.Metrics) pmetric.Metrics {
	to := pmetric.NewMetrics()
	for _, rm := range md.ResourceMetrics().All() {
		var resource pmetric.ResourceMetrics
		found := false
		for _, sm := range rm.ScopeMetrics().All() {
			var metrics pmetric.MetricSlice
			first := true
			for _, m := range sm.Metrics().All() {
				if !strings.HasSuffix(m.Name(), ".energy") || unfit(m) != none {
					continue
				}
				if !found {
					resource, found = to.ResourceMetrics().AppendEmpty(), true
					rm.Resource().CopyTo(resource.Resource())
					resource.SetSchemaUrl(rm.SchemaUrl())
				}
				if first {
					scope := resource.ScopeMetrics().AppendEmpty()
					sm.Scope().CopyTo(scope.Scope())
					scope.SetSchemaUrl(sm.SchemaUrl())
					metrics, first = scope.Metrics(), false
				}
				m.CopyTo(metrics.AppendEmpty())
			}
		}
	}
	return to
}

// keepOnly leaves the sums of a temporality.
func keepOnly(md pmetric.Metrics, temporality pmetric.AggregationTemporality) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool { return m.Sum().AggregationTemporality() != temporality })
		}
	}
}

// joulesOf is the sum of all points.
func joulesOf(md pmetric.Metrics) (sum float64) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				for _, point := range m.Sum().DataPoints().All() {
					sum += value(point)
				}
			}
		}
	}
	return sum
}
