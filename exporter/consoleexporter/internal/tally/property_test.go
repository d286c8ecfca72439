// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/feed"
)

// However a source reports its joules, as deltas or cumulative, with resets, repeats and gaps, the sum
// of what it drew is shown.
func TestEveryJouleOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally := New(began, 10)
		delta := rapid.Bool().Draw(t, "delta")
		start, now := at(0), at(0)
		var total, value float64
		for range rapid.IntRange(1, 50).Draw(t, "points") {
			from := now
			now = now.Add(time.Duration(rapid.IntRange(1, 60_000).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 5).Draw(t, "reset") == 0 {
				start, value = from, 0
			}
			drawn := float64(rapid.IntRange(0, 1e6).Draw(t, "joules"))
			value += drawn
			total += drawn
			p := feed.Point{Metric: "hw.energy", Start: start, At: now, Value: value}
			if delta {
				p.Start, p.Value, p.Delta = from, drawn, true
			}
			tally.Add(feed.Batch(p), now)
			if !delta && rapid.Bool().Draw(t, "repeat") {
				tally.Add(feed.Batch(p), now)
			}
			s := tally.Snapshot(now)
			assert.InDelta(t, total, s.Total.Joules, 1e-6)
			assert.GreaterOrEqual(t, s.Total.Watts, 0.0)
		}
	})
}

// Whatever arrives, nothing so far ever decreases, and memory stays within the limit.
func TestNeverDecreases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 4
		tally := New(began, limit)
		var joules, grams float64
		second := rapid.Float64Range(-100, 100)
		for range rapid.IntRange(1, 40).Draw(t, "points") {
			tally.Add(feed.Batch(feed.Point{
				Metric:     rapid.SampledFrom([]string{"hw.energy", "hw.emissions", "hw.power"}).Draw(t, "metric"),
				Resource:   feed.Host(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "host")),
				Attributes: feed.Attributes{"hw.id": rapid.StringMatching("[a-c]?").Draw(t, "id")},
				Start:      at(second.Draw(t, "start")),
				At:         at(second.Draw(t, "at")),
				Value:      rapid.Float64().Draw(t, "value"),
				Delta:      rapid.Bool().Draw(t, "delta"),
				Missing:    rapid.Bool().Draw(t, "missing"),
			}), at(100))
			s := tally.Snapshot(at(100))
			g, _ := s.Total.Grams()
			assert.GreaterOrEqual(t, s.Total.Joules, joules)
			assert.GreaterOrEqual(t, g, grams)
			assert.LessOrEqual(t, len(tally.streams), limit)
			joules, grams = s.Total.Joules, g
		}
	})
}
