// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"cmp"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// reporter turns energy into metrics.
type reporter struct {
	builder  *metadata.MetricsBuilder
	resource pcommon.Resource
	last     pcommon.Timestamp
	shares   []share
	order    map[*workload.Workload]int // of those in shares
}

// share is a point of workload.energy.
type share struct {
	ledger.Account

	order  int // in which its workload is told
	device string
	hwType metadata.AttributeHwType
}

func newReporter(builder *metadata.MetricsBuilder) *reporter {
	return &reporter{builder: builder, order: map[*workload.Workload]int{}}
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

// timestamp never goes back: when the wall clock is set back, points wait for it to catch up.
func (r *reporter) timestamp(now time.Time) pcommon.Timestamp {
	r.last = max(r.last+1, pcommon.NewTimestampFromTime(now))
	return r.last
}

// device makes a point if the total of a device holds now.
func (r *reporter) device(d *device, as place, now time.Time, at pcommon.Timestamp) {
	if !d.current || as == withheld {
		return
	}
	r.builder.Reset(metadata.WithStartTime(pcommon.NewTimestampFromTime(d.start)))
	joules := d.joules()
	watts, hasPower := d.power(now)
	d.reported.joules, d.reported.at = joules, now
	method := metadata.MapAttributeEnergyMethod[string(d.Method)]
	if as == machineMeter {
		r.builder.RecordHwHostEnergyDataPoint(at, joules, d.ID, method)
		if hasPower {
			r.builder.RecordHwHostPowerDataPoint(at, watts, d.ID, method)
		}
		return
	}
	covered := metadata.MapAttributeEnergyScope[string(d.Scope)]
	var parent []metadata.MetricAttributeOption
	if d.Parent != "" {
		parent = append(parent, metadata.WithHwParentMetricAttribute(d.Parent))
	}
	if as == inner {
		r.builder.RecordHwEnergyInnerDataPoint(at, joules, d.ID, hwType(d), d.Name, method, covered, parent...)
		return
	}
	r.builder.RecordHwEnergyDataPoint(at, joules, d.ID, hwType(d), d.Name, method, covered, parent...)
	if hasPower {
		r.builder.RecordHwPowerDataPoint(at, watts, d.ID, hwType(d), d.Name, method, covered, parent...)
	}
}

func hwType(d *device) metadata.AttributeHwType {
	switch d.Scope {
	case sensor.DRAM:
		return metadata.AttributeHwTypeMemory
	case sensor.Host:
		return metadata.AttributeHwTypeEnclosure
	default:
		return metadata.AttributeHwTypeCPU
	}
}

// split adds the points of a device's workloads, and frees the accounts that have ended with them.
func (r *reporter) split(d *device, l *ledger.Ledger) {
	if l == nil {
		return
	}
	l.Tell(func(a ledger.Account) {
		order, ok := r.order[a.Workload]
		if !ok && a.Workload != nil {
			order = len(r.order) + 1
			r.order[a.Workload] = order
		}
		r.shares = append(r.shares, share{Account: a, order: order, device: d.ID, hwType: hwType(d)})
	})
}

// residual adds the points of what no device covers.
func (r *reporter) residual(res *residual) {
	r.split(res.meter, res.ledger)
	if res.ledger != nil || !res.at.After(res.toldAt) {
		return
	}
	s := share{
		Account: ledger.Account{
			Kind: "residual", Attribution: ledger.MeasuredShare, Method: ledgerMethods[res.meter.Method],
			Millijoules: res.grown, Start: res.start, At: r.last.AsTime(),
		},
		device: res.meter.ID, hwType: metadata.AttributeHwTypeEnclosure,
	}
	if res.toldAt.IsZero() {
		first := s
		first.At, first.Millijoules = s.Start, 0
		r.shares = append(r.shares, first)
	}
	res.toldAt = res.at
	r.shares = append(r.shares, s)
}

// emit ends a report. Each workload has a resource of its own, with what it used of all devices.
func (r *reporter) emit() pmetric.Metrics {
	r.builder.EmitForResource(metadata.WithResource(r.resource))
	slices.SortStableFunc(r.shares, func(a, b share) int { return cmp.Or(cmp.Compare(a.order, b.order), a.At.Compare(b.At)) })
	for i, s := range r.shares {
		r.builder.Reset(metadata.WithStartTime(pcommon.NewTimestampFromTime(s.Start)))
		r.builder.RecordWorkloadEnergyDataPoint(
			pcommon.NewTimestampFromTime(s.At), joules(s.Millijoules), s.device, s.hwType,
			metadata.MapAttributeWorkloadKind[s.Kind], metadata.MapAttributeWorkloadAttribution[s.Attribution.String()], metadata.MapAttributeEnergyMethod[s.Method.String()])
		if i == len(r.shares)-1 || r.shares[i+1].order != s.order {
			r.builder.EmitForResource(metadata.WithResource(r.resourceOf(s)))
		}
	}
	r.shares = r.shares[:0]
	clear(r.order)
	return r.builder.Emit()
}

func (r *reporter) resourceOf(s share) pcommon.Resource {
	if s.Workload == nil {
		return r.resource
	}
	resource := pcommon.NewResource()
	r.resource.CopyTo(resource)
	for key, value := range s.Workload.Attributes {
		if _, ours := r.resource.Attributes().Get(key); !ours {
			resource.Attributes().PutStr(key, value)
		}
	}
	return resource
}
