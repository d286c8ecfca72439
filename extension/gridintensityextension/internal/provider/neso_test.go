// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

func TestNESO(t *testing.T) {
	p, requests := asked(t, neso, http.StatusOK, nil, documented(t, "uk_neso", "intensity", "200"))
	start := time.Date(2018, 1, 20, 12, 0, 0, 0, time.UTC)
	values, err := p.History(t.Context(), "GB", start.Add(10*time.Minute), start.Add(20*time.Minute))
	require.NoError(t, err)
	assert.Equal(t, []grid.Value{{Start: start, End: start.Add(30 * time.Minute), Intensity: grid.Intensity{
		GramsPerKWh: 263, Quality: grid.Measured,
		Provenance: grid.Provenance{Zone: "GB", Source: "mine", Boundary: grid.Direct, Basis: grid.Consumption, Gas: grid.CO2},
	}}}, values)
	_, err = p.Forecast(t.Context(), "GB")
	require.NoError(t, err)
	assert.Equal(t, "/intensity/2018-01-20T12:00Z/2018-01-20T12:30Z", (*requests)[0].URL.Path)
	assert.Regexp(t, `^/intensity/\d{4}-\d\d-\d\dT\d\d:[03]0Z/fw48h$`, (*requests)[1].URL.Path)
	assert.Empty(t, (*requests)[0].Header.Get("Authorization"))
}

func TestNESOAsksForALongTimeInParts(t *testing.T) {
	p, requests := asked(t, neso, http.StatusOK, nil, documented(t, "uk_neso", "intensity", "200"))
	start := time.Date(2018, 1, 20, 12, 0, 0, 0, time.UTC)
	_, err := p.History(t.Context(), "GB", start, start.Add(30*24*time.Hour+time.Minute))
	require.NoError(t, err)
	var paths []string
	for _, r := range *requests {
		paths = append(paths, strings.TrimPrefix(r.URL.Path, "/intensity/"))
	}
	assert.Equal(t, []string{
		"2018-01-20T12:00Z/2018-02-03T12:00Z", "2018-02-03T12:00Z/2018-02-17T12:00Z", "2018-02-17T12:00Z/2018-02-19T12:30Z",
	}, paths)
}

func TestNESOTellsWhatIsKnownFromWhatIsForetold(t *testing.T) {
	interval := func(from, to, intensity string) string {
		return `{"from":"2018-01-20T` + from + `Z","to":"2018-01-20T` + to + `Z","intensity":{` + intensity + `}}`
	}
	p := &nesoProvider{Settings{Provenance: neso.Provenance}}
	values, err := p.read([]byte(`{"data":[`+strings.Join([]string{
		interval("12:30", "13:00", `"forecast":266,"actual":null,"index":"moderate"`),
		interval("12:00", "12:30", `"forecast":266,"actual":0`),
		interval("13:00", "13:30", `"forecast":null,"actual":null`),
		interval("13:30", "14:00", ``),
	}, ",")+`]}`), "GB")
	require.NoError(t, err)
	require.Len(t, values, 2)
	assert.Equal(t, grid.Forecast, values[0].Quality)
	assert.Equal(t, grid.Measured, values[1].Quality)
	assert.Zero(t, values[1].GramsPerKWh, "0 is a number")
}

func TestNESORegions(t *testing.T) {
	list := documented(t, "uk_neso", "regional_id", "200")
	object := `{"data":` + strings.TrimSuffix(strings.TrimPrefix(list, `{"data":[`), `]}`) + `}`
	for _, body := range []string{list, object} {
		p, requests := asked(t, neso, http.StatusOK, nil, body)
		start := time.Date(2018, 1, 20, 12, 0, 0, 0, time.UTC)
		values, err := p.History(t.Context(), "GB-3", start, start.Add(time.Hour))
		require.NoError(t, err)
		require.Len(t, values, 1)
		assert.Equal(t, grid.Forecast, values[0].Quality)
		assert.Equal(t, "GB-3", values[0].Zone)
		assert.InDelta(t, 266, values[0].GramsPerKWh, 0)
		_, err = p.Forecast(t.Context(), "GB-3")
		require.NoError(t, err)
		assert.Equal(t, "/regional/intensity/2018-01-20T12:00Z/2018-01-20T13:00Z/regionid/3", (*requests)[0].URL.Path)
		assert.Regexp(t, `^/regional/intensity/.*/fw48h/regionid/3$`, (*requests)[1].URL.Path)
		_, err = p.Latest(t.Context(), "GB-4")
		assertReason(t, ZoneDiffers, err)
		require.ErrorContains(t, err, "region 3, asked for 4")
	}
}

func TestNESORefusals(t *testing.T) {
	good := documented(t, "uk_neso", "intensity", "200")
	with := func(old, value string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, value, 1)
	}
	cases := map[string]refusalCase{
		"a wrong time":      {status: 400, body: documented(t, "uk_neso", "intensity", "400"), want: NotFound, detail: "400 Bad Request"},
		"too many requests": {status: 429, header: map[string]string{"Retry-After": "60"}, want: Throttled, retry: time.Minute},
		"blocked":           {status: 403, header: map[string]string{"Content-Type": "text/html"}, body: "<html>", want: Unauthorized},
		"out of order":      {status: 500, want: Unavailable},
		"HTML":              {status: 200, body: "<html></html>", want: Malformed},
		"no data":           {status: 200, body: `{"data":[]}`, want: Missing},
		"null":              {status: 200, body: `{"data":null}`, want: Missing},
	}
	testRefusals(t, neso, "GB-3", cases)
	for name, body := range map[string]string{
		"no time":      with(`"from":"2018-01-20T12:00Z",`, ""),
		"local time":   with(`12:00Z`, "12:00"),
		"with seconds": with(`12:00Z`, "12:00:00Z"),
		"a text":       with("263", `"263"`),
	} {
		cases[name] = refusalCase{status: 200, body: body, want: Malformed}
	}
	cases["an error with status 200"] = refusalCase{status: 200, body: documented(t, "uk_neso", "intensity", "400"), want: Missing}
	cases["backwards"] = refusalCase{status: 200, body: with("12:30Z", "11:30Z"), want: Absurd, detail: "11:30Z"}
	cases["no length"] = refusalCase{status: 200, body: with("12:30Z", "12:00Z"), want: Absurd}
	testRefusals(t, neso, "GB", cases)
}

func TestNESOZones(t *testing.T) {
	for zone, want := range map[string]string{"GB": "GB", "gbr": "GB", "azure/ukwest": "GB", "GB-1": "GB-1", "gb-17": "GB-17"} {
		got, ok := neso.Zone(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, want, got, zone)
	}
	for _, zone := range []string{"", "GB-", "GB-0", "GB-18", "GB-01", "GB-+1", "GB-1.0", "GB-NIR", "UK", "IE", "13"} {
		_, ok := neso.Zone(zone)
		assert.False(t, ok, zone)
	}
}
