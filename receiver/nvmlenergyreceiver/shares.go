// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
)

// share is a point of workload.energy.
type share struct {
	workload *workload.Workload // nil if it is none
	id       string             // of the workload
	gpu      string

	kind        metadata.AttributeWorkloadKind
	attribution metadata.AttributeWorkloadAttribution
	method      metadata.AttributeEnergyMethod

	start, at pcommon.Timestamp
	joules    float64
}

// sharesDue reports whether there is something to tell.
func (g *gpu) sharesDue() bool {
	return g.ledger != nil && (len(g.reported.shares) > 0 || g.ledger.Due())
}

// appendShares adds the points of a GPU, and frees the accounts that have ended with them.
func (g *gpu) appendShares(to []share) []share {
	if g.ledger == nil {
		return to
	}
	to = append(to, g.reported.shares...)
	g.reported.shares = nil
	g.ledger.Tell(func(a ledger.Account) { to = append(to, g.share(&a)) })
	return to
}

// keptShares has the accounts that were restored told as they were.
func (g *gpu) keptShares() {
	for a := range g.ledger.Accounts() {
		g.reported.shares = append(g.reported.shares, g.share(a))
	}
}

func (g *gpu) share(a *ledger.Account) share {
	s := share{
		workload: a.Workload, gpu: g.id,
		kind:        metadata.MapAttributeWorkloadKind[a.Kind],
		attribution: metadata.MapAttributeWorkloadAttribution[a.Attribution.String()],
		method:      metadata.MapAttributeEnergyMethod[a.Method.String()],
		start:       pcommon.NewTimestampFromTime(a.Start),
		at:          pcommon.NewTimestampFromTime(a.At),
		joules:      joules(a.Millijoules),
	}
	if a.Workload != nil {
		s.id = a.Workload.ID()
	}
	return s
}

// emitShares gives each workload a resource of its own, with those of all GPUs that it used.
func (r *reporter) emitShares() {
	slices.SortStableFunc(r.shares, func(a, b share) int { return strings.Compare(a.id, b.id) })
	for i, s := range r.shares {
		r.since(time.Unix(0, int64(s.start)))
		r.builder.RecordWorkloadEnergyDataPoint(s.at, s.joules, s.gpu, metadata.AttributeHwTypeGpu, s.kind, s.attribution, s.method)
		if i == len(r.shares)-1 || r.shares[i+1].id != s.id {
			r.builder.EmitForResource(metadata.WithResource(r.resourceOf(s.workload)))
		}
	}
}

func (r *reporter) resourceOf(w *workload.Workload) pcommon.Resource {
	if w == nil {
		return r.resource
	}
	resource := pcommon.NewResource()
	r.resource.CopyTo(resource)
	for key, value := range w.Attributes {
		if _, ours := r.resource.Attributes().Get(key); !ours {
			resource.Attributes().PutStr(key, value)
		}
	}
	return resource
}
