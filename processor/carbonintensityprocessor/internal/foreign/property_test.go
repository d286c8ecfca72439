// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// ledger books cumulative streams as who converts them does: the first reading is the base unless the stream began
// while it was watched, a new start that is known begins at 0.
type ledger struct {
	streams map[stream.ID]*booked
	total   float64
}

type booked struct {
	start, time pcommon.Timestamp
	value       float64
}

func (l *ledger) book(t require.TestingT, resource stream.ID, point pmetric.NumberDataPoint) {
	if point.Flags().NoRecordedValue() {
		return
	}
	id, value := resource.Point(point.Attributes()), point.DoubleValue()
	require.GreaterOrEqual(t, value, 0.0)
	b := l.streams[id]
	switch {
	case b == nil:
		b = &booked{}
		l.streams[id] = b
		if point.StartTimestamp() >= pcommon.NewTimestampFromTime(noon) {
			l.total += value
		}
	case point.StartTimestamp() > b.start && point.StartTimestamp() >= b.time:
		l.total += value
	default:
		require.GreaterOrEqual(t, value, b.value, "falls under one start")
		require.Greater(t, point.Timestamp(), b.time)
		l.total += value - b.value
	}
	*b = booked{point.StartTimestamp(), point.Timestamp(), value}
}

// device is a GPU that draws 100 W.
func device(seconds int) float64 { return 100 * float64(seconds) }

// Whatever sources there are, in whatever order, doubled or not, dead or alive: no joule is booked twice.
func TestNoJouleTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHarness(t, func(c *Config) { c.Presets, c.MaxGap = []string{"dcgm", "kepler"}, 90*time.Second })
		l := ledger{streams: map[stream.ID]*booked{}}
		known := rapid.Bool().Draw(rt, "starts known") // then all is counted since noon, when watching began
		latest, before := 0, 5000.0
		if known {
			before = 0
		}
		for range rapid.IntRange(1, 40).Draw(rt, "scrapes") {
			latest += rapid.IntRange(0, 60).Draw(rt, "pause")
			now := max(latest-rapid.SampledFrom([]int{0, 0, 0, 5, 30}).Draw(rt, "late"), 0)
			who := rapid.SampledFrom([]string{"dcgm a", "dcgm b", "kepler", "dcgm power"}).Draw(rt, "source")
			gone := rapid.IntRange(0, 4).Draw(rt, "gone") == 0
			var samples []sample
			switch who {
			case "kepler":
				samples = append(samples, keplerGPU(at(now), device(now)+before/10))
			case "dcgm power":
				samples = append(samples, dcgmPower(at(now), 100))
			default:
				for i := range rapid.IntRange(1, 4).Draw(rt, "instances") {
					samples = append(samples, dcgmEnergy(at(now), device(now)+before, "GPU_I_ID", strconv.Itoa(i)))
				}
			}
			for i := range samples {
				samples[i].gone = gone
				if known && who != "dcgm power" {
					samples[i].start = at(0)
				}
			}
			// In one resource, or one after the other.
			batches := [][]sample{samples}
			if rapid.Bool().Draw(rt, "apart") {
				batches = slices.Collect(slices.Chunk(samples, 1))
			}
			for _, batch := range batches {
				rm := resource(who, batch...)
				for _, points := range h.translate(rm) {
					for _, point := range points {
						l.book(rt, stream.Resource(rm.Resource()), point)
					}
				}
			}
			require.LessOrEqual(rt, l.total, device(latest)+1e-6)
		}
	})
}

// One source loses nothing, however it is split, repeated and shuffled.
func TestOneSourceIsTheDevice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHarness(t, withPresets("dcgm"))
		l := ledger{streams: map[stream.ID]*booked{}}
		power := rapid.Bool().Draw(rt, "power")
		first, now := 0, 0
		for i := range rapid.IntRange(1, 20).Draw(rt, "scrapes") {
			now += rapid.IntRange(1, 300).Draw(rt, "pause")
			if i == 0 {
				first = now
			}
			var samples []sample
			for pod := range rapid.IntRange(1, 5).Draw(rt, "pods") {
				s := dcgmEnergy(at(now), device(now))
				if power {
					s = dcgmPower(at(now), 100)
				}
				s.labels["exported_pod"] = fmt.Sprint(pod, i)
				samples = append(samples, s)
			}
			rm := resource("dcgm", rapid.Permutation(samples).Draw(rt, "order")...)
			found := h.translate(rm)
			require.Len(rt, found[gpu], 1, "one point of one GPU")
			l.book(rt, stream.Resource(rm.Resource()), found[gpu][0])
		}
		require.InDelta(rt, device(now)-device(first), l.total, 1e-6)
	})
}

// The order of series within a scrape makes no difference, nor does it matter which of those that differ is first.
func TestOrderWithinAScrape(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var samples []sample
		for i := range rapid.IntRange(1, 8).Draw(rt, "series") {
			uuid := fmt.Sprintf("GPU-%d", rapid.IntRange(1, 3).Draw(rt, "gpu"))
			s := dcgmEnergy(at(rapid.IntRange(0, 2).Draw(rt, "time")), float64(rapid.IntRange(0, 9).Draw(rt, "joules")), "UUID", uuid, "pod", strconv.Itoa(i))
			if rapid.Bool().Draw(rt, "power") {
				s.metric, s.kind = powerSource, Gauge
			}
			s.gone = rapid.Bool().Draw(rt, "gone")
			if start := rapid.IntRange(-3, 0).Draw(rt, "start"); start < 0 && s.kind != Gauge {
				s.start = at(start * 100)
			}
			samples = append(samples, s)
		}
		outcome := func(samples []sample) []string {
			h := newHarness(t, withPresets("dcgm"))
			var lines []string
			for key, points := range h.translate(resource("dcgm", samples...)) {
				for _, p := range points {
					lines = append(lines, fmt.Sprint(key, p.StartTimestamp(), p.Timestamp(), p.DoubleValue(), p.Flags(), label(p.Attributes(), "energy.source")))
				}
			}
			for _, key := range slices.Sorted(maps.Keys(h.skipped)) {
				lines = append(lines, fmt.Sprint(key, h.skipped[key]))
			}
			slices.Sort(lines)
			return lines
		}
		require.Equal(rt, outcome(samples), outcome(rapid.Permutation(samples).Draw(rt, "order")))
	})
}

// The parts that share a device add up to nothing else than the device.
func TestMIGEqualsTheDevice(t *testing.T) {
	for _, file := range []string{"dcgm_mig.prom", "dcgm_pods.prom"} {
		h := newHarness(t, withPresets("dcgm"))
		highest := map[string]float64{}
		rm := scrape(t, file, noon)
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			if m.Name() == dcgmSource {
				for _, p := range m.Sum().DataPoints().All() {
					id := label(p.Attributes(), "UUID")
					highest[id] = max(highest[id], p.DoubleValue()/1000)
				}
			}
		}
		got := joules(t, h.translate(rm))
		assert.Len(t, got, len(highest))
		for id, want := range highest {
			assert.InDelta(t, want, got["hw.energy "+id], 1e-12*want)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("package-{socket}/dram", "socket", "0")
	f.Add("{}", "", "")
	f.Add("}{", "a", "b")
	f.Fuzz(func(t *testing.T, text, key, value string) {
		parsed, err := parseTemplate(text)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, p := range parsed {
			if p.isLabel {
				again.WriteString("{" + p.text + "}")
			} else {
				again.WriteString(p.text)
			}
		}
		assert.Equal(t, text, again.String())
		labels := pcommon.NewMap()
		labels.PutStr(key, value)
		parsed.of(labels)
		assert.Equal(t, value, template{{key, true}}.of(labels))
	})
}
