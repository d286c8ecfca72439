// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
)

// reporter turns streams into metrics.
type reporter struct {
	builder  *metadata.MetricsBuilder
	resource pcommon.Resource
	last     pcommon.Timestamp
}

func (r *reporter) identify(identity host.Identity) {
	resource := r.builder.NewResourceBuilder()
	if identity.ID != "" {
		resource.SetHostID(identity.ID)
	}
	if identity.Name != "" {
		resource.SetHostName(identity.Name)
	}
	r.resource = resource.Emit()
}

// report makes a point for each stream whose total holds now; the others get none. Streams that
// began at different times come in resources of their own, as the builder knows one start for each.
func (r *reporter) report(streams []*stream, now time.Time) pmetric.Metrics {
	at := r.timestamp(now)
	var start time.Time
	emit := func() {
		r.builder.EmitForResource(metadata.WithResource(r.resource), metadata.WithStartTimeOverride(pcommon.NewTimestampFromTime(start)))
	}
	for _, st := range streams {
		if !st.current {
			continue
		}
		if !start.IsZero() && st.start != start {
			emit()
		}
		start = st.start
		r.record(st, now, at)
	}
	emit()
	return r.builder.Emit()
}

// timestamp never goes back: when the wall clock is set back, points wait for it to catch up.
func (r *reporter) timestamp(now time.Time) pcommon.Timestamp {
	r.last = max(r.last+1, pcommon.NewTimestampFromTime(now))
	return r.last
}

func (r *reporter) record(st *stream, now time.Time, at pcommon.Timestamp) {
	joules := st.joules()
	watts, hasPower := st.power(now)
	st.reported.joules, st.reported.at = joules, now

	if st.scope == scopePsys {
		r.builder.RecordHwHostEnergyDataPoint(at, joules, st.id, st.method)
		if hasPower {
			r.builder.RecordHwHostPowerDataPoint(at, watts, st.id, st.method)
		}
		return
	}

	covered := metadata.MapAttributeEnergyScope[string(st.scope)]
	hwType := metadata.AttributeHwTypeCPU
	if st.scope == scopeDRAM {
		hwType = metadata.AttributeHwTypeMemory
	}
	var parent []metadata.MetricAttributeOption
	if st.parent != "" {
		parent = append(parent, metadata.WithHwParentMetricAttribute(st.parent))
	}
	if st.scope == scopeCore || st.scope == scopeUncore {
		r.builder.RecordHwEnergyInnerDataPoint(at, joules, st.id, hwType, st.name, st.method, covered, parent...)
		return
	}
	r.builder.RecordHwEnergyDataPoint(at, joules, st.id, hwType, st.name, st.method, covered, parent...)
	if hasPower {
		r.builder.RecordHwPowerDataPoint(at, watts, st.id, hwType, st.name, st.method, covered, parent...)
	}
}
