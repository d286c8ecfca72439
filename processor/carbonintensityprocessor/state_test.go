// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"bytes"
	"context"
	"maps"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

// keeping is a collector with a grid that changes and a storage.
type keeping struct {
	component.Host

	grid fakeGrid
}

func (k keeping) GetExtensions() map[component.ID]component.Component {
	all := k.grid.GetExtensions()
	maps.Copy(all, k.Host.GetExtensions())
	return all
}

var kept = with(live, map[string]any{"storage": "file_storage"})

// After a stop totals go on; after a kill they begin at 0, with another start. Either way nothing is told twice.
func TestTotalsOverARestart(t *testing.T) {
	for name, killed := range map[string]bool{"stopped": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			hour := time.Now().Add(-2 * time.Hour).Truncate(time.Hour)
			var values []grid.Value
			for i := range 5 { // more provenances than lie in the account
				at := hour.Add(time.Duration(i) * time.Minute)
				values = append(values, said("DE", string(rune('a'+i)), grid.Measured, at, at.Add(time.Minute), 3600))
			}
			g, m := fakeGrid{"DE": known(values...)}, &storetest.Memory{}
			send := func(r *run, minute int) []point {
				md := r.send(energy("hw.energy", cumulative, point{"GPU-1", hour, hour.Add(time.Duration(minute) * time.Minute), float64(1000 * minute)}))
				return pointsNamed(t, md, "hw.emissions")
			}
			first := newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), kept)
			require.Len(t, send(first, 0), 1, "a base")
			before := send(first, 4)
			require.Len(t, before, 1+2*3, "each from its start")
			left := m.Copy()
			if !killed {
				require.NoError(t, first.p.Shutdown(context.Background()))
				left = m.Copy()
			}
			core, logs := observer.New(zap.WarnLevel)
			set := nopSettings()
			set.Logger = zap.New(core)
			second := newRunOn(t, keeping{storetest.Host(left), g}, set, kept)
			assert.Equal(t, killed, logs.FilterMessageSnippet("did not stop, but ended").Len() == 1)
			require.Equal(t, map[string][]byte{runningKey: {1}}, left.Content(), "state is used once")
			got := send(second, 5)
			if killed {
				require.Len(t, got, 1, "a base")
				assert.Zero(t, got[0].value)
				return
			}
			require.Len(t, got, 4+2)
			total := 0.0
			for i, p := range got {
				total += p.value
				if i < 4 {
					assert.Equal(t, before[max(0, 2*i-1)].start, p.start)
					assert.InEpsilon(t, 1.0, p.value, 1e-9)
				}
			}
			assert.InEpsilon(t, 5.0, total, 1e-9)
		})
	}
}

// However long the stop, streams are not forgotten before they could be read again.
func TestTotalsOverALongStop(t *testing.T) {
	const interval = 70 * time.Second // longer than until the first sweep
	synctest.Test(t, func(t *testing.T) {
		begin, m := time.Now().Add(-time.Hour), &storetest.Memory{}
		var values []grid.Value
		for i := range 5 { // more provenances than lie in the account
			at := begin.Add(time.Hour + time.Duration(i)*interval)
			values = append(values, said("DE", string(rune('a'+i)), grid.Measured, at, at.Add(interval), 360))
		}
		year := grid.Fixed(360, "DE", grid.Lifecycle)
		g := fakeGrid{"DE": grid.NewFeed(lifecycle, grid.NewTimeline(values, 0, &year, always))}
		send := func(r *run) (starts map[time.Time]float64) {
			starts = map[time.Time]float64{}
			time.Sleep(interval)
			for _, p := range pointsNamed(t, r.send(energy("hw.energy", cumulative, point{"GPU-1", begin, time.Now(), 1000 * time.Since(begin).Seconds()})), "hw.emissions") {
				starts[p.start] = p.value
			}
			return starts
		}
		first := newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), kept)
		for range 4 {
			send(first)
		}
		require.NoError(t, first.p.Shutdown(context.Background()))
		time.Sleep(2 * time.Hour)
		second := newRunOn(t, keeping{storetest.Host(m), g}, nopSettings(), kept)
		total := 0.0
		for _, grams := range send(second) {
			total += grams
		}
		used := 1000 * (4*interval + 2*time.Hour).Seconds() // the first reading is a base
		assert.InEpsilon(t, used/joulesPerKWh*360, total, 1e-9)
	})
}

func TestManyStreamsAreKept(t *testing.T) {
	m := &storetest.Memory{}
	host := keeping{storetest.Host(m), fakeGrid{"DE": known()}}
	at := time.Now().Add(time.Hour)
	settings := map[string]any{"intensity": 1800, "storage": "file_storage"}
	batch := func(joules float64) pmetric.Metrics {
		var points []point
		for i := range perChunk + 10 {
			points = append(points, point{strconv.Itoa(i), at, at.Add(time.Second), joules})
		}
		return energy("hw.energy", cumulative, points...)
	}
	first := newRunOn(t, host, nopSettings(), settings)
	first.send(batch(2000))
	require.NoError(t, first.p.Shutdown(context.Background()))
	second := newRunOn(t, host, nopSettings(), settings)
	got := pointsNamed(t, second.send(batch(4000)), "hw.emissions")
	require.Len(t, got, perChunk+10)
	for _, p := range got {
		require.InEpsilon(t, 2.0, p.value, 1e-9)
	}
}

func TestBrokenStateIsNotUsed(t *testing.T) {
	at := time.Now().Add(time.Hour)
	for name, spoil := range map[string]func(key string, content []byte) []byte{
		"no JSON": func(key string, content []byte) []byte {
			return bytes.ReplaceAll(content, []byte(`{"format"`), []byte(`{{`))
		},
		"another format": func(_ string, content []byte) []byte {
			return bytes.ReplaceAll(content, []byte(`"format":3`), []byte(`"format":9`))
		},
		"cut off": func(key string, content []byte) []byte {
			if key == indexKey {
				return content
			}
			return content[:len(content)/2]
		},
		"other numbers": func(key string, content []byte) []byte {
			if key == indexKey {
				return content
			}
			return bytes.Repeat([]byte{0xff}, len(content))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &storetest.Memory{}
			first := newRunOn(t, storetest.Host(m), nopSettings(), map[string]any{"intensity": 1800, "storage": "file_storage"})
			first.send(energy("hw.energy", cumulative, point{"GPU-1", at, at.Add(time.Second), 1000}))
			require.NoError(t, first.p.Shutdown(context.Background()))
			for key, content := range m.Content() {
				require.NoError(t, m.Set(t.Context(), key, spoil(key, content)))
			}
			core, logs := observer.New(zap.WarnLevel)
			set := nopSettings()
			set.Logger = zap.New(core)
			second := newRunOn(t, storetest.Host(m), set, map[string]any{"intensity": 1800, "storage": "file_storage"})
			got := pointsNamed(t, second.send(energy("hw.energy", cumulative, point{"GPU-1", at, at.Add(2 * time.Second), 5000})), "hw.emissions")
			require.NotEmpty(t, got)
			assert.LessOrEqual(t, got[len(got)-1].value, 5.0)
			assert.True(t, name == "cut off" || logs.FilterMessageSnippet("what was kept cannot be used").Len() == 1)
		})
	}
}

func TestFullStorageIsSaid(t *testing.T) {
	m := &storetest.Memory{}
	r := newRunOn(t, storetest.Host(m), nopSettings(), map[string]any{"intensity": 1800, "storage": "file_storage"})
	m.Fill(true)
	require.EqualError(t, r.p.Shutdown(context.Background()), "storage: emissions begin at 0 with the next start: no space left on device")
	assert.Zero(t, m.Open())
}
