// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

const joulesPerKWh = 3.6e6

// factor turns the energy of a point into its emissions.
type factor struct {
	gramsPerJoule float64
	edition       string
	labels        []label
}

type label struct{ key, value string }

// newFactor is the intensity at the meter of the IT equipment of a site with a PUE: what the site
// adds is emitted on its account.
func newFactor(i grid.Intensity, pue float64) factor {
	f := factor{gramsPerJoule: i.GramsPerKWh * pue / joulesPerKWh, edition: i.Edition}
	for _, a := range []label{
		{"carbon.source", i.Source},
		{"carbon.data.quality", string(i.Quality)},
		{"carbon.boundary", string(i.Boundary)},
		{"carbon.basis", string(i.Basis)},
		{"carbon.gas", string(i.Gas)},
		{"grid.zone", i.Zone},
	} {
		if a.value != "" {
			f.labels = append(f.labels, a)
		}
	}
	return f
}

// appendScope appends the scope of the emissions, which says where to look the factor up.
func (f *factor) appendScope(scopes pmetric.ScopeMetricsSlice, version string) pmetric.MetricSlice {
	sm := scopes.AppendEmpty()
	sm.Scope().SetName(metadata.ScopeName)
	sm.Scope().SetVersion(version)
	sm.Scope().Attributes().PutStr("carbon.factor.version", f.edition)
	return sm.Metrics()
}

func (f *factor) appendGrams(out pmetric.NumberDataPointSlice, like pmetric.NumberDataPoint, start, time pcommon.Timestamp, joules float64) {
	point := f.appendPoint(out, like, time)
	point.SetStartTimestamp(start)
	point.SetDoubleValue(joules * f.gramsPerJoule)
}

// appendPoint appends a point without a value, with the attributes of the energy and of the factor.
func (f *factor) appendPoint(out pmetric.NumberDataPointSlice, like pmetric.NumberDataPoint, time pcommon.Timestamp) pmetric.NumberDataPoint {
	point := out.AppendEmpty()
	point.SetTimestamp(time)
	attributes := point.Attributes()
	attributes.EnsureCapacity(like.Attributes().Len() + len(f.labels))
	like.Attributes().CopyTo(attributes)
	for _, a := range f.labels {
		attributes.PutStr(a.key, a.value)
	}
	return point
}
