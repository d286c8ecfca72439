// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/scraper/scrapererror"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
)

// reporter makes points of what the workers have read. It makes no call to the driver.
type reporter struct {
	*common

	mu       sync.Mutex // over one collection
	builder  *metadata.MetricsBuilder
	resource pcommon.Resource
	shares   []share
}

// methods is how many values of energy.method there are.
const methods = 2

var methodAttributes = [methods]metadata.AttributeEnergyMethod{metadata.AttributeEnergyMethodCounter, metadata.AttributeEnergyMethodIntegrated}

// reported is what has been told of a GPU.
type reported struct {
	energy      [methods]stream
	at          time.Time // the last reading that went into a point
	millijoules uint64    // the energy then
	shares      []share   // what the last process told last, which comes first
}

// stream is one of hw.energy.
type stream struct {
	start time.Time // zero before its first point
	last  pcommon.Timestamp
	kept  *point // what the last process told last, which comes first
}

type point struct {
	at     time.Time
	joules float64
}

func (r *reported) restore(kept *state) {
	for i, millijoules := range perMethod(kept.Meter.Totals) {
		if start := kept.MethodStart[i]; !start.IsZero() {
			r.energy[i] = stream{start: start, kept: &point{kept.At, joules(millijoules)}}
		}
	}
	r.at, r.millijoules = kept.At, kept.Meter.Totals.Counter+kept.Meter.Totals.Integrated
}

func perMethod(totals meter.Growth) [methods]uint64 {
	return [methods]uint64{totals.Counter, totals.Integrated}
}

func joules(millijoules uint64) float64 { return float64(millijoules) / 1e3 }

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

// collect reports all GPUs. One whose state cannot be kept is left out, and is in the error: what is told of
// it now could not be taken up again after a restart. Nothing of it is lost by waiting.
func (r *reporter) collect(ctx context.Context, gpus []*gpu) (pmetric.Metrics, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	modules := map[uint32]bool{}
	r.shares = r.shares[:0]
	for _, g := range gpus {
		g.mu.Lock()
		if err := r.gpu(ctx, g, modules); err != nil {
			errs = append(errs, fmt.Errorf("storage: the state of %s cannot be kept, its points wait until it can: %w", g.id, err))
		}
		g.mu.Unlock()
	}
	r.builder.EmitForResource(metadata.WithResource(r.resource))
	r.emitShares()
	if len(errs) > 0 {
		return r.builder.Emit(), scrapererror.NewPartialScrapeError(errors.Join(errs...), len(errs)) // with another, none is told
	}
	return r.builder.Emit(), nil
}

func (r *reporter) gpu(ctx context.Context, g *gpu, modules map[uint32]bool) error {
	now := pcommon.NewTimestampFromTime(time.Now())
	r.status(g, now)
	if g.worker == nil || g.hung() {
		r.absent(g)
	}
	if !g.meter.Ready() || g.start.IsZero() {
		return nil
	}
	if g.meter.Module() {
		// Both GPUs of a module show the same energy.
		if modules[g.moduleID] {
			return nil
		}
		modules[g.moduleID] = true
	}
	read, split := g.readAt.After(g.reported.at) || g.reported.energy[0].kept != nil || g.reported.energy[1].kept != nil, g.sharesDue()
	if !read && !split {
		return nil
	}
	g.beginStreams()
	if err := r.store.save(ctx, g); err != nil {
		g.diary.skip(metadata.AttributeReasonNotPersisted)
		return err
	}
	if read {
		r.energy(g)
	}
	r.shares = g.appendShares(r.shares)
	for _, record := range g.vitals.records {
		record(r.builder, pcommon.NewTimestampFromTime(g.vitals.at))
	}
	g.vitals = vitals{}
	return nil
}

func (r *reporter) absent(g *gpu) {
	switch {
	case g.hung():
		g.diary.skip(metadata.AttributeReasonHung)
	case g.condition == lost:
		g.diary.skip(metadata.AttributeReasonLost)
	}
}

func (r *reporter) status(g *gpu, now pcommon.Timestamp) {
	state := map[condition]metadata.AttributeHwState{
		ok: metadata.AttributeHwStateOk, suspect: metadata.AttributeHwStateDegraded, lost: metadata.AttributeHwStateFailed,
	}[g.condition]
	if g.hung() {
		state = metadata.AttributeHwStateDegraded
	}
	if !g.start.IsZero() {
		r.since(g.start)
	}
	for _, s := range []metadata.AttributeHwState{metadata.AttributeHwStateOk, metadata.AttributeHwStateDegraded, metadata.AttributeHwStateFailed} {
		value := int64(0)
		if s == state {
			value = 1
		}
		r.builder.RecordHwStatusDataPoint(now, value, g.id, metadata.AttributeHwTypeGpu, g.name, s)
	}
	for xid, count := range g.xids {
		r.builder.RecordHwErrorsDataPoint(now, count, g.id, metadata.AttributeHwTypeGpu, g.name, metadata.AttributeErrorTypeUncorrected, int64(xid))
	}
}

// beginStreams decides which streams of hw.energy there are. A method that was never used, or is in use for
// nothing, has none.
func (g *gpu) beginStreams() {
	inUse := 0
	if g.meter.Source() > meter.Counter {
		inUse = 1
	}
	for i, total := range perMethod(g.meter.Totals()) {
		s := &g.reported.energy[i]
		if s.start.IsZero() && (total > 0 || i == inUse) {
			s.start = g.start
			if !g.reported.at.IsZero() {
				s.start = g.reported.at
			}
		}
	}
}

// energy records each stream with its total. The first point of a stream is 0 at its start, or what the
// last process told last: so that those who count from the first point on miss nothing.
func (r *reporter) energy(g *gpu) {
	scope := metadata.AttributeEnergyScopeGpu
	if g.meter.Module() {
		scope = metadata.AttributeEnergyScopeModule
	}
	totals := perMethod(g.meter.Totals())
	for i := range g.reported.energy {
		s := &g.reported.energy[i]
		if s.start.IsZero() {
			continue
		}
		first := s.kept
		if s.last == 0 && first == nil {
			first = &point{at: s.start}
		}
		s.kept = nil
		r.since(s.start)
		for _, p := range []*point{first, {g.readAt, joules(totals[i])}} {
			if p == nil || p != first && first != nil && !p.at.After(first.at) {
				continue
			}
			s.last = max(s.last+1, pcommon.NewTimestampFromTime(p.at))
			r.builder.RecordHwEnergyDataPoint(s.last, p.joules, g.id, metadata.AttributeHwTypeGpu, g.name, methodAttributes[i], scope)
		}
	}
	r.power(g, totals, scope)
}

// power records the mean since the last report, from the energy; none if that was only just: the counter
// moves in steps of up to 100 ms.
func (r *reporter) power(g *gpu, totals [methods]uint64, scope metadata.AttributeEnergyScope) {
	method := metadata.AttributeEnergyMethodCounter
	if g.meter.Source() > meter.Counter {
		method = metadata.AttributeEnergyMethodIntegrated
	}
	all := totals[0] + totals[1]
	if elapsed := g.readAt.Sub(g.reported.at); !g.reported.at.IsZero() && elapsed >= time.Second {
		watts := joules(all-g.reported.millijoules) / elapsed.Seconds()
		r.builder.RecordHwPowerDataPoint(pcommon.NewTimestampFromTime(g.readAt), watts, g.id, metadata.AttributeHwTypeGpu, g.name, method, scope)
	}
	g.reported.at, g.reported.millijoules = g.readAt, all
}

// since sets the start of the points that follow.
func (r *reporter) since(start time.Time) {
	r.builder.Reset(metadata.WithStartTime(pcommon.NewTimestampFromTime(start)))
}
