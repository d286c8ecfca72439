// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/metadata"
)

// RevisionsConfig has X.emissions.revision emitted: what emissions turn out to be, less what was told.
type RevisionsConfig struct {
	// Keep is how long energy is remembered by the time of its use.
	Keep time.Duration `mapstructure:"keep"`
	// MaxBuckets is how many pieces of energy are remembered at most. One is a stream's energy of five minutes, or of a
	// shorter interval of the grid.
	MaxBuckets int64 `mapstructure:"max_buckets"`
	// Metrics are the beginnings of the names of energy metrics that are followed.
	Metrics []string `mapstructure:"metrics"`
}

// Validate names each key that cannot be, its value, and what could.
func (c *RevisionsConfig) Validate() error {
	switch {
	case c.Keep < time.Hour || c.Keep > 30*24*time.Hour:
		return fmt.Errorf("keep: %v: must be from 1h to 720h", c.Keep)
	case c.MaxBuckets < 1:
		return fmt.Errorf("max_buckets: %d: must be at least 1", c.MaxBuckets)
	}
	return nil
}

func (c *RevisionsConfig) follows(name string) bool {
	return slices.ContainsFunc(c.Metrics, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// revisions remember energy until the intensity of its time is settled.
type revisions struct {
	config  *RevisionsConfig
	streams *stream.Map[past]
	buckets atomic.Int64
	refused metric.Float64Counter // J
	places  string                // what the emissions follow from beside the grid: if that changes, nothing was restated
}

// newRevisions is nil if revisions are not asked for.
func newRevisions(cfg *Config, telemetry *metadata.TelemetryBuilder) *revisions {
	if !cfg.Revisions.HasValue() {
		return nil
	}
	places, _ := json.Marshal([]any{cfg.Zone, cfg.ZoneFrom, cfg.Sites, cfg.PUE, cfg.Loss})
	return &revisions{places: string(places), config: cfg.Revisions.Get(), streams: stream.NewMap[past](cfg.MaxStreams), refused: telemetry.CarbonintensityEnergyUnrevised}
}

// slotLength is how finely energy is remembered where the grid's intervals are as long or longer. It divides those of all
// services, so that a slot is not in two of them.
const slotLength = int64(5 * time.Minute)

// past is the energy of a stream that may be revised.
type past struct {
	buckets  []bucket
	revised  []revised
	timeline *grid.Timeline // that buckets were compared with last
	seen     int64          // as the account's
}

// bucket is energy that was booked to a class, and used within a slot and an interval of the grid. It keeps its own time,
// as energy that is spread over more than that meets intensities that it was not told with.
type bucket struct {
	from, until int64   // Unix ns
	joules      float64 // used evenly
	grams       float64
	class       class
	quality     uint8 // of what grams follow from
}

func (b *bucket) slot() int64 { return b.from / slotLength }

// beside reports whether two are within a slot and an interval of the grid.
func (b *bucket) beside(other *bucket, t *grid.Timeline) bool {
	if b.slot() != other.slot() {
		return false
	}
	_, end := t.At(min(b.from, other.from))
	return max(b.from, other.from) < end && max(b.until, other.until) <= end
}

// revised is by how much the stream of a class was corrected.
type revised struct {
	class class
	start pcommon.Timestamp
	grams float64
}

// qualities are from the best to the worst: a better one is never replaced by a worse one. Their numbers are stored.
var qualities = []grid.Quality{grid.Measured, grid.Estimated, grid.Forecast, grid.Stale, grid.QualityStatic}

func rank(q grid.Quality) uint8 { return uint8(slices.Index(qualities, q)) }

// follow remembers the shares of a point, and corrects what was told of earlier ones.
func (r *revisions) follow(p *past, s *site, shares []share, now time.Time) {
	timeline := s.feed.Timeline()
	for _, share := range shares {
		r.remember(p, share.after(pcommon.NewTimestampFromTime(now.Add(-r.config.Keep))), timeline)
	}
	r.revise(p, s, timeline, now)
}

// refuse counts shares of a stream that there is no room for: what was told of them stands.
func (r *revisions) refuse(shares []share) {
	for _, s := range shares {
		r.refused.Add(context.Background(), s.joules)
	}
}

// forget leaves a stream whose emissions begin anew without corrections of what was told before.
func (r *revisions) forget(group, id stream.ID) {
	r.streams.Peek(group, id, func(p *past) {
		r.buckets.Add(-int64(len(p.buckets)))
		p.buckets, p.revised = nil, nil
	})
}

// remember keeps a share by the slots of its time.
func (r *revisions) remember(p *past, s share, t *grid.Timeline) {
	if s.joules == 0 {
		return
	}
	from, until, left := int64(s.start), int64(s.until), s.joules
	for at := from; ; {
		end := min((at/slotLength+1)*slotLength, until)
		joules := left
		if end < until {
			joules = s.joules * float64(end-at) / float64(until-from)
		}
		left -= joules
		r.put(p, t, bucket{at, end, joules, s.grams * (joules / s.joules), s.class, rank(s.intensity.Quality)})
		if at = end; at >= until {
			return
		}
	}
}

func (r *revisions) put(p *past, t *grid.Timeline, b bucket) {
	for i := len(p.buckets) - 1; i >= 0 && p.buckets[i].slot() >= b.slot(); i-- {
		if had := &p.buckets[i]; had.class == b.class && had.quality == b.quality && had.beside(&b, t) {
			had.joules, had.grams = had.joules+b.joules, had.grams+b.grams
			had.from, had.until = min(had.from, b.from), max(had.until, b.until)
			return
		}
	}
	if r.buckets.Add(1) > r.config.MaxBuckets {
		r.buckets.Add(-1)
		r.refused.Add(context.Background(), b.joules)
		return // what was told of it stands
	}
	p.buckets = append(p.buckets, b)
}

// revise compares what was told with what is known now.
func (r *revisions) revise(p *past, s *site, timeline *grid.Timeline, now time.Time) {
	if p.timeline == timeline {
		return
	}
	p.timeline = timeline
	oldest, before := now.Add(-r.config.Keep).UnixNano(), len(p.buckets)
	p.buckets = slices.DeleteFunc(p.buckets, func(b bucket) bool { return b.until < oldest })
	r.buckets.Add(int64(len(p.buckets) - before))
	for i := range p.buckets {
		b := &p.buckets[i]
		grams, quality := b.settled(timeline, s)
		if quality > b.quality || math.Abs(grams-b.grams) <= 1e-12*math.Abs(b.grams) {
			continue
		}
		p.correct(b, grams-b.grams)
		b.grams, b.quality = grams, quality
	}
}

// settled is what the energy emitted as far as is known now, and the worst quality in it.
func (b *bucket) settled(t *grid.Timeline, s *site) (grams float64, quality uint8) {
	for part := range t.Split(b.from, b.until, b.joules) {
		if part.Intensity == nil {
			return 0, math.MaxUint8
		}
		grams += part.Amount * part.Intensity.GramsPerKWh * s.scale(part.Intensity)
		quality = max(quality, rank(part.Intensity.Quality))
	}
	return grams, quality
}

func (p *past) correct(b *bucket, grams float64) {
	i := slices.IndexFunc(p.revised, func(r revised) bool { return r.class == b.class })
	if i < 0 {
		i = len(p.revised)
		p.revised = append(p.revised, revised{class: b.class, start: pcommon.Timestamp(b.from)})
	}
	p.revised[i].grams += grams
}

// sweep forgets streams that are silent.
func (r *revisions) sweep(stale func(seen int64) bool) {
	if r == nil {
		return
	}
	r.streams.Sweep(func(p *past) bool {
		if !stale(p.seen) {
			return false
		}
		r.buckets.Add(-int64(len(p.buckets)))
		return true
	})
}

// newRevisionMetric appends the metric that corrects a subject's emissions.
func newRevisionMetric(out pmetric.MetricSlice, subject string) pmetric.NumberDataPointSlice {
	m := out.AppendEmpty()
	m.SetName(subject + ".emissions.revision")
	m.SetDescription("What the emissions turned out to be, less what was told.")
	m.SetUnit("g")
	m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	return m.Sum().DataPoints()
}
