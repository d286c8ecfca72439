// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// documented is an answer as the service documents it, by its place in the file.
func documented(tb testing.TB, path ...string) string {
	tb.Helper()
	content, err := os.ReadFile("testdata/answers.json")
	require.NoError(tb, err)
	for _, key := range path {
		var members map[string]json.RawMessage
		require.NoError(tb, json.Unmarshal(content, &members))
		require.Contains(tb, members, key)
		content = members[key]
	}
	var line bytes.Buffer
	require.NoError(tb, json.Compact(&line, content))
	return line.String()
}

func TestTypes(t *testing.T) {
	for name, typ := range Types {
		t.Run(name, func(t *testing.T) {
			assert.Regexp(t, `^[a-z]+$`, name)
			assert.NotNil(t, typ.New)
			assert.NotEmpty(t, typ.Zones)
			assert.Contains(t, []grid.Boundary{grid.Lifecycle, grid.Direct}, typ.Boundary)
			assert.Contains(t, []grid.Gas{grid.CO2e, grid.CO2}, typ.Gas)
			assert.True(t, typ.Boundaries == nil || slices.Contains(typ.Boundaries, typ.Boundary))
			if typ.Endpoint != "" {
				assert.Regexp(t, `^https://[^/]+$`, typ.Endpoint)
				assert.Positive(t, typ.Step)
			}
			assert.Equal(t, name == "watttime", typ.Signal == grid.Marginal)
		})
	}
}

// Where a service divides a country, the yearly average of the country is known of its zones.
func TestCountryOfAZone(t *testing.T) {
	for _, tt := range []struct{ provider, id, want string }{
		{"electricitymaps", "US-NW-BPAT", "US"},
		{"electricitymaps", "DK-DK1", "DK"},
		{"electricitymaps", "ME-WEST9", ""}, // a cloud region of Israel would look like this
		{"energinet", "DK2", "DK"},
		{"eia", "BPAT", "US"},
		{"entsoe", "10Y1001A1001A82H", "DE"}, // DE_LU
		{"entsoe", "10YDOM-REGION-1V", "CWE"},
		{"neso", "GB-13", "GB"},
		{"openelectricity", "NSW1", "AU"},
	} {
		assert.Equal(t, tt.want, Types[tt.provider].Country(tt.id), "%s of %s", tt.id, tt.provider)
	}
}

// A zone may be given by the service's own id.
func TestAnIDIsAZone(t *testing.T) {
	zones := []string{
		"DE", "deu", "FR", "GB", "GB-1", "gb-17", "GB-NIR", "FR-COR", "DK-DK1", "dk2", "DK", "US", "US-MIDA-PJM", "us-east-1", "aws/eu-west-2", "azure/denmarkeast",
		"SE-SE3", "PJM", "CAMX", "NSW1", "AU-WA", "CAISO_NORTH", "WORLD", "", "-", "_", "GB-", "ÆØÅ", "\x00",
	}
	for name, typ := range Types {
		for _, zone := range zones {
			id, ok := typ.Zone(zone)
			if !ok {
				continue
			}
			assert.NotEmpty(t, id, "%s of %s", zone, name)
			same, ok := typ.Zone(id)
			assert.True(t, ok, "%s of %s", id, name)
			assert.Equal(t, id, same, "%s of %s", zone, name)
		}
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("no route to host")
	err := error(&Error{Reason: Unavailable, Detail: "status 502", Err: cause})
	require.EqualError(t, err, "unavailable: status 502: no route to host")
	require.ErrorIs(t, err, cause)
	require.EqualError(t, &Error{Reason: Missing}, "missing")
	assert.True(t, isOf(err, Missing, Unavailable))
	assert.False(t, isOf(err, Missing))
	assert.False(t, isOf(nil, Missing))
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

func TestWithin(t *testing.T) {
	var hours []grid.Value
	for n := range 4 {
		hours = append(hours, grid.Value{Start: minute(60 * n), End: minute(60*n + 60)})
	}
	for name, tt := range map[string]struct{ from, to, first, count int }{
		"all":                   {-5, 500, 0, 4},
		"what overlaps":         {90, 121, 1, 2},
		"not what ends then":    {60, 120, 1, 1},
		"an instant within one": {61, 62, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := within(hours, minute(tt.from), minute(tt.to))
			require.NoError(t, err)
			assert.Equal(t, hours[tt.first:tt.first+tt.count], got)
		})
	}
	_, err := within(hours, minute(240), minute(300))
	assertReason(t, Missing, err)
}

func TestSpacing(t *testing.T) {
	for name, tt := range map[string]struct {
		minutes []int
		want    int
	}{
		"none":         {nil, 15},
		"one":          {[]int{0}, 15},
		"twice one":    {[]int{0, 0}, 15},
		"quarters":     {[]int{0, 15, 30}, 15},
		"unsorted":     {[]int{60, 0, 30}, 30},
		"with a hole":  {[]int{0, 30, 90, 120}, 30},
		"hours":        {[]int{0, 60, 120}, 60},
		"mostly holes": {[]int{0, 300}, 60},
		"too short":    {[]int{0, 1}, 15},
	} {
		t.Run(name, func(t *testing.T) {
			var times []time.Time
			for _, n := range tt.minutes {
				times = append(times, minute(n))
			}
			before := slices.Clone(times)
			assert.Equal(t, time.Duration(tt.want)*time.Minute, spacing(times, 15*time.Minute, time.Hour))
			assert.Equal(t, before, times)
		})
	}
}

// The parts follow each other, are not too long, and are all that was asked for.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := minute(rapid.IntRange(-500, 500).Draw(rt, "from"))
		to := from.Add(time.Duration(rapid.Int64Range(1, int64(50*time.Hour)).Draw(rt, "length")))
		length := time.Duration(rapid.IntRange(60, 6000).Draw(rt, "chunk")) * time.Minute
		end := from
		values, err := inChunks(from, to, length, func(a, b time.Time) ([]grid.Value, error) {
			require.Equal(rt, end, a)
			require.True(rt, b.After(a) && b.Sub(a) <= length)
			end = b
			return []grid.Value{{Start: a, End: b}}, nil
		})
		require.NoError(rt, err)
		require.Equal(rt, to, end)
		require.NotEmpty(rt, values)
	})
}

func TestChunksOfWhichSomeHaveNothing(t *testing.T) {
	ask := func(errs ...error) ([]grid.Value, error) {
		return inChunks(noon, minute(60*len(errs)), time.Hour, func(a, b time.Time) ([]grid.Value, error) {
			err := errs[int(a.Sub(noon)/time.Hour)]
			if err != nil {
				return nil, err
			}
			return []grid.Value{{Start: a, End: b}}, nil
		})
	}
	values, err := ask(nil, reject(Missing, ""), nil)
	require.NoError(t, err)
	assert.Len(t, values, 2)
	_, err = ask(reject(Missing, ""), reject(NotFound, ""))
	assertReason(t, NotFound, err)
	values, err = ask(nil, reject(Throttled, ""), nil)
	assertReason(t, Throttled, err)
	assert.Empty(t, values)
}
