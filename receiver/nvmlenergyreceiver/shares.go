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

// shares is what has been told of the accounts of a GPU.
type shares struct {
	told  map[*ledger.Account]bool
	until pcommon.Timestamp
	kept  []share // what the last process told last, which comes first
}

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
	if g.ledger == nil {
		return false
	}
	_, until := g.ledger.Booked()
	return len(g.reported.shares.kept) > 0 || pcommon.NewTimestampFromTime(until) > g.reported.shares.until
}

// appendShares adds the points of a GPU, and frees the accounts that have ended with them.
func (g *gpu) appendShares(to []share) []share {
	if g.ledger == nil {
		return to
	}
	to = append(to, g.reported.shares.kept...)
	g.reported.shares.kept = nil
	_, until := g.ledger.Booked()
	at := pcommon.NewTimestampFromTime(until)
	if at <= g.reported.shares.until {
		return to
	}
	g.reported.shares.until = at
	told := make(map[*ledger.Account]bool, len(g.reported.shares.told))
	for a := range g.ledger.Accounts() {
		s := g.share(a)
		if !g.reported.shares.told[a] {
			first := s
			first.at, first.joules = s.start, 0
			to = append(to, first)
		}
		if s.at > s.start {
			to = append(to, s)
		}
		told[a] = true
	}
	g.reported.shares.told = told
	g.ledger.Reported()
	return to
}

// keptShares has the accounts that were restored told as they were.
func (g *gpu) keptShares() {
	g.reported.shares.told = map[*ledger.Account]bool{}
	for a := range g.ledger.Accounts() {
		g.reported.shares.kept = append(g.reported.shares.kept, g.share(a))
		g.reported.shares.told[a] = true
	}
	_, until := g.ledger.Booked()
	g.reported.shares.until = pcommon.NewTimestampFromTime(until)
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
