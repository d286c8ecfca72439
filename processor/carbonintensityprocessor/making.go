// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"cmp"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
	"github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/embodied"
)

const embodiedName = "hw.emissions.embodied"

// making tells what was emitted to make the devices whose energy passes.
type making struct {
	mu     sync.Mutex
	ledger *embodied.Ledger
	// tellers are the resources that a device is told under: one each, as it is made only once.
	tellers map[string]teller
}

type teller struct {
	resource stream.ID
	seen     time.Time
}

// newMaking is nil if embodied emissions are not asked for.
func newMaking(cfg *Config, logger *zap.Logger) *making {
	if !cfg.Embodied.HasValue() {
		return nil
	}
	skipped := func(_, name string, why embodied.Reason) {
		logger.Warn("A device has no embodied emissions: name it under embodied::devices", zap.String("hw.name", name), zap.String("reason", string(why)))
	}
	return &making{ledger: embodied.NewLedger(*cfg.Embodied.Get(), cfg.MaxStreams, skipped), tellers: map[string]teller{}}
}

// observe appends the metric of the devices that some energy is of.
func (m *making) observe(rm pmetric.ResourceMetrics, resource stream.ID, energy pmetric.Metric, out pmetric.MetricSlice, now time.Time) {
	if m == nil || energy.Name() != "hw.energy" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	host := cmp.Or(text(rm.Resource().Attributes(), "host.id"), text(rm.Resource().Attributes(), "host.name"))
	var points pmetric.NumberDataPointSlice
	told := map[string]bool{}
	for _, like := range energy.Sum().DataPoints().All() {
		id := text(like.Attributes(), "hw.id")
		if id == "" || told[id] {
			continue
		}
		key := host + "\x00" + id
		if !m.may(key, resource, now) {
			continue
		}
		total, ok := m.ledger.Observe(key, text(like.Attributes(), "hw.name"), like.Timestamp().AsTime())
		if !ok {
			continue
		}
		m.tellers[key] = teller{resource, now}
		if told[id] = true; len(told) == 1 {
			points = appendEmbodied(out)
		}
		point := points.AppendEmpty()
		point.SetStartTimestamp(pcommon.NewTimestampFromTime(total.Since))
		point.SetTimestamp(like.Timestamp())
		point.SetDoubleValue(total.Grams)
		point.Attributes().EnsureCapacity(3)
		for _, attribute := range [...]string{"hw.id", "hw.type", "hw.name"} {
			if v, ok := like.Attributes().Get(attribute); ok {
				v.CopyTo(point.Attributes().PutEmpty(attribute))
			}
		}
	}
}

func appendEmbodied(out pmetric.MetricSlice) pmetric.NumberDataPointSlice {
	metric := out.AppendEmpty()
	metric.SetName(embodiedName)
	metric.SetDescription("CO2e emitted to make the device, as it is used up.")
	metric.SetUnit("g")
	sum := metric.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	return sum.DataPoints()
}

// may reports whether it is this resource that the device is told under.
func (m *making) may(key string, resource stream.ID, now time.Time) bool {
	const silence = time.Hour
	t, ok := m.tellers[key]
	return !ok || t.resource == resource || now.Sub(t.seen) >= silence
}

func (m *making) sweep(before time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ledger.Forget(before)
	for key, t := range m.tellers {
		if t.seen.Before(before) {
			delete(m.tellers, key)
		}
	}
}

func (m *making) states() map[string]embodied.State {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ledger.States()
}

func (m *making) restore(states map[string]embodied.State) {
	if m != nil {
		m.ledger.Restore(states)
	}
}
