// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// writeFile makes a file that was changed at a time.
func writeFile(t *testing.T, path, content string, changed time.Time) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	require.NoError(t, os.Chtimes(path, changed, changed))
}

func newFile(t *testing.T, options map[string]string) Provider {
	t.Helper()
	p, err := file.New(Settings{Name: "meter", Provenance: file.Provenance, Options: options})
	require.NoError(t, err)
	return p
}

// brief is a value in few words.
func brief(values []grid.Value) (lines []string) {
	for _, v := range values {
		lines = append(lines, fmt.Sprintf("%s-%s %g %s", v.Start.Format("15:04"), v.End.Format("15:04"), v.GramsPerKWh, v.Quality))
	}
	return lines
}

const fileCSV = `# our own meter
start,g_per_kwh
2026-11-23T10:00:00Z,300
2026-11-23T12:00:00+01:00,0
2026-11-23T11:30:00Z,
2026-11-23T12:00:00Z,200
2026-11-23T13:00:00Z,100
`

var fileNoon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.csv")
	writeFile(t, path, fileCSV, fileNoon.Add(30*time.Minute))
	p := newFile(t, map[string]string{"path": path, "basis": "consumption", "gas": "co2"})
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(fileNoon.Add(45 * time.Minute)))
		latest, err := p.Latest(t.Context(), "DE")
		require.NoError(t, err)
		assert.Equal(t, []string{"10:00-11:00 300 measured", "11:00-11:30 0 measured", "12:00-13:00 200 measured"}, brief(latest))
		assert.Equal(t, grid.Provenance{Zone: "DE", Source: "meter", Boundary: grid.Lifecycle, Basis: grid.Consumption, Gas: grid.CO2}, latest[0].Provenance)

		history, err := p.History(t.Context(), "DE", fileNoon.Add(-time.Hour), fileNoon)
		require.NoError(t, err)
		assert.Equal(t, []string{"11:00-11:30 0 measured"}, brief(history))

		forecast, err := p.Forecast(t.Context(), "DE")
		require.NoError(t, err)
		assert.Equal(t, []string{"13:00-14:00 100 forecast"}, brief(forecast), "its time is after the file's")

		_, err = p.History(t.Context(), "DE", fileNoon.Add(12*time.Hour), fileNoon.Add(13*time.Hour))
		assertReason(t, Missing, err)

		time.Sleep(30 * 24 * time.Hour)
		latest, err = p.Latest(t.Context(), "DE")
		require.NoError(t, err)
		assert.Equal(t, []string{"13:00-14:00 100 forecast"}, brief(latest), "whoever asks sees how old it is")
	})
}

func TestFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.csv")
	p := newFile(t, map[string]string{"path": path})
	grams := func() string {
		values, err := p.History(t.Context(), "DE", fileNoon.Add(-time.Hour), fileNoon)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(values[0].GramsPerKWh)
	}
	row := func(n int) string {
		return fmt.Sprintf("start,end,g_per_kwh\n2026-11-23T11:00:00Z,2026-11-23T12:00:00Z,%d\n", n)
	}
	assert.Contains(t, grams(), "unavailable: stat "+path)
	writeFile(t, path, row(100), fileNoon)
	assert.Equal(t, "100", grams())
	writeFile(t, path, row(200), fileNoon)
	assert.Equal(t, "100", grams(), "the time and the size tell")
	writeFile(t, path, row(200), fileNoon.Add(time.Second))
	assert.Equal(t, "200", grams())
	writeFile(t, path, row(50), fileNoon.Add(time.Second))
	assert.Equal(t, "50", grams())
	writeFile(t, path, row(-5), fileNoon.Add(2*time.Second))
	assert.Contains(t, grams(), "malformed: "+path+": line 2")
	assert.Contains(t, grams(), "line 2", "until it changes")
	writeFile(t, path, row(70), fileNoon.Add(3*time.Second))
	assert.Equal(t, "70", grams())
	require.NoError(t, os.Truncate(path, maxFile+1))
	assert.Contains(t, grams(), "accepted: 10 MiB")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	assert.Contains(t, grams(), "is not a file")
}

func TestFileIsReadByMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.csv")
	writeFile(t, path, fileCSV, fileNoon)
	p := newFile(t, map[string]string{"path": path})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				values, err := p.History(t.Context(), "DE", fileNoon.Add(-2*time.Hour), fileNoon.Add(time.Minute))
				assert.True(t, err == nil && len(values) == 3)
			}
		})
	}
	wait.Wait()
}

func TestFileZones(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.json")
	writeFile(t, path, `[
 {"start": "2026-11-23T11:00:00Z", "g_per_kwh": 300, "zone": "A", "quality": "estimated"},
 {"start": "2026-11-23T11:00:00Z", "g_per_kwh": "100", "zone": "B"},
 {"start": "2026-11-23T11:30:00Z", "g_per_kwh": null, "zone": "A"},
 {"start": "2026-11-23T11:10:00Z", "end": "2026-11-23T11:20:00Z", "g_per_kwh": 120.5, "zone": "B", "quality": "forecast"}
]`, fileNoon)
	p := newFile(t, map[string]string{"path": path})
	for zone, want := range map[string][]string{"A": {"11:00-11:30 300 estimated"}, "B": {"11:00-11:10 100 measured"}} {
		values, err := p.History(t.Context(), zone, fileNoon.Add(-time.Hour), fileNoon)
		require.NoError(t, err)
		assert.Equal(t, want, brief(values))
		assert.Equal(t, zone, values[0].Zone)
	}
	_, err := p.History(t.Context(), "C", fileNoon.Add(-time.Hour), fileNoon)
	assertReason(t, NotFound, err)
	assert.ErrorContains(t, err, `has no zone "C"; it has A, B`)
}

func TestFileSaysWhatIsWrong(t *testing.T) {
	const head = "start,end,g_per_kwh,zone,quality\n"
	for content, want := range map[string]string{
		"":                                    "no rows; accepted: CSV",
		head:                                  "no rows",
		"[]":                                  "no rows",
		"time,g_per_kwh\n":                    `line 1: column "time" is not known or twice there; accepted: start`,
		"start,start,g_per_kwh\n":             `line 1: column "start" is not known or twice`,
		"start,end\n":                         `line 1: there is no column "g_per_kwh"`,
		head + "x,,1,,\n":                     `line 2: start: "x"; accepted: RFC 3339`,
		head + "2026-11-23T11:00:00,,1,,\n":   `line 2: start: "2026-11-23T11:00:00"; accepted: RFC 3339`,
		head + "9999-11-23T11:00:00Z,,1,,\n":  `line 2: start: "9999-11-23T11:00:00Z"; accepted`,
		head + "2026-11-23T11:00:00Z,x,1,,\n": `line 2: end: "x"; accepted`,
		head + "2026-11-23T11:00:00Z,2026-11-23T11:00:00Z,1,,\n":                                              `line 2: end: "2026-11-23T11:00:00Z" is not after the start`,
		head + "2026-11-23T11:00:00Z,,much,,\n":                                                               `line 2: g_per_kwh: "much"; accepted: a number from 0 to 2000`,
		head + "2026-11-23T11:00:00Z,,NaN,,\n":                                                                `line 2: g_per_kwh: "NaN"`,
		head + "2026-11-23T11:00:00Z,,2001,,\n":                                                               `line 2: g_per_kwh: "2001"`,
		head + "2026-11-23T11:00:00Z,,1,,static\n":                                                            `line 2: quality: "static"; accepted: nothing, measured, estimated, forecast`,
		head + "2026-11-23T11:00:00Z,,1,,\n":                                                                  `line 2: end: nothing says how long the only row of its zone lasts`,
		head + "2026-11-23T11:00:00Z,,1,,\n2026-11-23T11:00:00Z,,1,,\n":                                       `line 3: start: line 2 has the same`,
		head + "2026-11-23T11:00:00Z,2026-11-23T12:00:00Z,1,,\n# note\n2026-11-23T11:30:00Z,,1,,\n":           `line 2: end: it is after the start of line 4`,
		head + "2026-11-23T11:00:00Z,1\n":                                                                     "record on line 2: wrong number of fields",
		"[\n{\"start\": 1}]":                                                                                  "line 2: json: cannot unmarshal number",
		"[\n{\"start\": \"2026-11-23T11:00:00Z\",\n\"grams\": 1}]":                                            "line 3: json: unknown field \"grams\"; accepted: objects with start",
		"[\n{\"start\": \"2026-11-23T11:00:00Z\", \"g_per_kwh\": -1}]":                                        `line 2: g_per_kwh: "-1"`,
		"[\n{\"start\": \"2026-11-23T11:00:00Z\", \"end\": \"2026-11-23T12:00:00Z\", \"g_per_kwh\": 1}\n":     "EOF; accepted: objects with start",
		"[\n{\"start\": \"2026-11-23T11:00:00Z\", \"end\": \"2026-11-23T12:00:00Z\", \"g_per_kwh\": 1}\n] []": "something follows the array",
	} {
		t.Run(content, func(t *testing.T) {
			_, err := fileSeries([]byte(content))
			assert.ErrorContains(t, err, want)
		})
	}
}

func TestFileOptions(t *testing.T) {
	for want, options := range map[string]map[string]string{
		"options::path: there is none":                               {},
		`options: "file" is not known; accepted: path, basis, gas`:   {"file": "x", "path": "y"},
		`options::basis: "local"; accepted: consumption, production`: {"basis": "local", "path": "y"},
		`options::gas: "ch4"; accepted: co2e, co2`:                   {"gas": "ch4", "path": "y"},
	} {
		_, err := file.New(Settings{Options: options})
		require.ErrorContains(t, err, want)
	}
	_, ok := file.Zone("")
	assert.False(t, ok)
	zone, ok := file.Zone("rack 7")
	assert.True(t, ok)
	assert.Equal(t, "rack 7", zone)
}

func FuzzFile(f *testing.F) {
	f.Add(fileCSV)
	f.Add("\ufeffstart,end,g_per_kwh,zone,quality\n2026-11-23T11:00:00Z,2026-11-23T12:00:00Z,1,A,forecast\n")
	f.Add(`[{"start":"2026-11-23T11:00:00Z","end":"2026-11-23T12:00:00Z","g_per_kwh":"1e2"},{"start":"2026-11-23T13:00:00Z","g_per_kwh":null}]`)
	f.Fuzz(func(t *testing.T, content string) {
		series, err := fileSeries([]byte(content))
		if err != nil {
			return
		}
		require.NotEmpty(t, series)
		for zone, rows := range series {
			for i, r := range rows {
				require.True(t, r.end.After(r.start))
				require.Equal(t, zone, r.zone)
				require.False(t, i > 0 && r.start.Before(rows[i-1].end), "overlaps")
				require.True(t, r.gramsPerKWh == nil || *r.gramsPerKWh >= 0 && *r.gramsPerKWh <= grid.MaxGramsPerKWh)
				require.False(t, strings.ContainsAny(string(r.quality), "\n,"))
			}
		}
	})
}
