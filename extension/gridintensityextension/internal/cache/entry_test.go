// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// If this fails since grid.Value has changed, raise version: collectors of both kinds share one Redis.
func TestFormat(t *testing.T) {
	text, err := entry(noon, 299.5).encode()
	require.NoError(t, err)
	require.Equal(t, "v1", version)
	const want = `{"fetched":"2026-11-23T12:00:00.000000000Z","values":[` +
		`{"Start":"2026-11-23T11:45:00Z","End":"2026-11-23T12:00:00Z","GramsPerKWh":299.5,"Quality":"measured",` +
		`"Zone":"DE","Source":"energycharts","Signal":"","Boundary":"lifecycle","Basis":"production","Gas":"co2e","Edition":""}]}`
	assert.Equal(t, want, string(text)) //nolint:testifylint // the order counts: Redis reads the beginning
}

func TestEntriesThatCannotBe(t *testing.T) {
	for what, change := range map[string]func(*Entry){
		"never fetched":     func(e *Entry) { e.Fetched = time.Time{} },
		"fetched too late":  func(e *Entry) { e.Fetched = latest.Add(1) },
		"no length":         func(e *Entry) { e.Values[0].End = e.Values[0].Start },
		"ends before":       func(e *Entry) { e.Values[0].End = e.Values[0].Start.Add(-1) },
		"begins too early":  func(e *Entry) { e.Values[0].Start = earliest.Add(-1) },
		"ends too late":     func(e *Entry) { e.Values[0].End = latest.Add(1) },
		"negative":          func(e *Entry) { e.Values[0].GramsPerKWh = -0.1 },
		"absurd":            func(e *Entry) { e.Values[0].GramsPerKWh = grid.MaxGramsPerKWh + 1 },
		"without quality":   func(e *Entry) { e.Values[0].Quality = "" },
		"unknown signal":    func(e *Entry) { e.Values[0].Signal = "x" },
		"without boundary":  func(e *Entry) { e.Values[0].Boundary = "" },
		"unknown basis":     func(e *Entry) { e.Values[0].Basis = "x" },
		"without gas":       func(e *Entry) { e.Values[0].Gas = "" },
		"one bad among two": func(e *Entry) { e.Values = append(e.Values, grid.Value{}) },
	} {
		t.Run(what, func(t *testing.T) {
			e := entry(noon, 300)
			change(&e)
			_, err := e.encode()
			require.Error(t, err)
		})
	}
}

func TestEntriesThatCanBe(t *testing.T) {
	zero, empty := entry(noon, 0), Entry{Fetched: noon}
	for _, e := range []Entry{zero, empty, entry(noon.Add(1), grid.MaxGramsPerKWh)} {
		text, err := e.encode()
		require.NoError(t, err)
		got, err := decode(text)
		require.NoError(t, err)
		assert.Equal(t, e, got)
	}
}

func FuzzEntry(f *testing.F) {
	for _, e := range []Entry{entry(noon, 0), entry(noon.Add(1), 299.5), {Fetched: noon}} {
		text, err := e.encode()
		require.NoError(f, err)
		f.Add(text)
		f.Add(text[:len(text)/2])
		f.Add(append(text, '{', '}'))
	}
	for _, text := range []string{"", "null", "[]", `{"fetched":null,"values":null}`, `{"fetched":"2026-11-23T12:00:00.000000000Z","values":[{}]}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := decode(text)
		if err != nil {
			return
		}
		again, err := e.encode()
		require.NoError(t, err, "what is read can be written")
		same, err := decode(again)
		require.NoError(t, err)
		twice, err := same.encode()
		require.NoError(t, err)
		require.Equal(t, string(again), string(twice))
		for _, v := range e.Values {
			require.True(t, v.GramsPerKWh >= 0 && v.GramsPerKWh <= grid.MaxGramsPerKWh && v.Start.Before(v.End))
			require.Positive(t, v.Start.UnixNano())
		}
		grid.NewTimeline(e.Values[:min(len(e.Values), 50)], 2, nil, noon)
	})
}
