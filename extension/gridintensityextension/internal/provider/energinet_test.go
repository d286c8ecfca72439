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

func TestEnerginet(t *testing.T) {
	p, requests := asked(t, energinet, http.StatusOK, nil, documented(t, "energinet", "200"))
	values, err := p.Latest(t.Context(), "DK1")
	require.NoError(t, err)
	start := time.Date(2024, 7, 5, 13, 50, 0, 0, time.UTC)
	assert.Equal(t, []grid.Value{{Start: start, End: start.Add(5 * time.Minute), Intensity: grid.Intensity{
		GramsPerKWh: 36.96, Quality: grid.Estimated,
		Provenance: grid.Provenance{Zone: "DK1", Source: "mine", Boundary: grid.Direct, Basis: grid.Consumption, Gas: grid.CO2},
	}}}, values, "the time is of UTC, without saying so")

	_, err = p.History(t.Context(), "DK1", start.Add(-30*time.Second), start.Add(90*time.Second))
	require.NoError(t, err)
	values, err = p.Forecast(t.Context(), "DK1")
	require.NoError(t, err)
	assert.Equal(t, grid.Forecast, values[0].Quality)
	for i, want := range []map[string]string{
		{"path": "/dataset/CO2Emis", "start": "now-PT2H", "end": ""},
		{"path": "/dataset/CO2Emis", "start": "2024-07-05T13:45", "end": "2024-07-05T13:52"},
		{"path": "/dataset/CO2EmisProg", "start": "now-PT1H", "end": ""},
	} {
		query := (*requests)[i].URL.Query()
		assert.Equal(t, want, map[string]string{"path": (*requests)[i].URL.Path, "start": query.Get("start"), "end": query.Get("end")})
		assert.JSONEq(t, `{"PriceArea":["DK1"]}`, query.Get("filter"))
		assert.Equal(t, "utc", query.Get("timezone"))
		assert.Equal(t, "0", query.Get("limit"), "else there are 100")
	}
}

func TestEnerginetReads(t *testing.T) {
	record := func(at, value string) string {
		return `{"Minutes5UTC":"2024-10-27T` + at + `","Minutes5DK":"2024-10-27T02:30:00","PriceArea":"DK2","CO2Emission":` + value + `}`
	}
	p := &energinetProvider{Settings{Provenance: energinet.Provenance}}
	values, err := p.read([]byte(`{"records":[`+strings.Join([]string{
		record("00:30:00", "0"), record("01:30:00", "2"), record("00:35:00", "null"), // an hour that Denmark has twice
	}, ",")+`]}`), "DK2", grid.Estimated)
	require.NoError(t, err)
	require.Len(t, values, 2)
	assert.Equal(t, time.Hour, values[1].Start.Sub(values[0].Start))
	assert.Zero(t, values[0].GramsPerKWh)
}

func TestEnerginetRefusals(t *testing.T) {
	good := documented(t, "energinet", "200")
	testRefusals(t, energinet, "DK1", map[string]refusalCase{
		"too many requests":  {status: 429, body: "Max allowed requests per 10 seconds from each unique IP is max up to 40 only", want: Throttled, detail: "40 only"},
		"a wrong parameter":  {status: 400, body: `{"statusCode":400,"message":"Invalid start"}`, want: NotFound, detail: "Invalid start"},
		"an unknown set":     {status: 404, want: NotFound},
		"out of order":       {status: 500, want: Unavailable},
		"HTML":               {status: 200, body: "<html></html>", want: Malformed},
		"no records":         {status: 200, body: `{"total":0,"limit":0,"dataset":"CO2Emis","records":[]}`, want: Missing},
		"nothing":            {status: 200, body: `{}`, want: Missing},
		"nulls":              {status: 200, body: strings.Replace(good, "36.96", "null", 1), want: Missing},
		"another area":       {status: 200, body: strings.Replace(good, `"DK1"`, `"DK2"`, 1), want: ZoneDiffers, detail: "DK2"},
		"no area":            {status: 200, body: strings.Replace(good, `"PriceArea":"DK1",`, "", 1), want: ZoneDiffers},
		"a text":             {status: 200, body: strings.Replace(good, "36.96", `"36.96"`, 1), want: Malformed},
		"a decimal comma":    {status: 200, body: strings.Replace(good, "36.96", `"36,96"`, 1), want: Malformed},
		"no time":            {status: 200, body: strings.Replace(good, `"Minutes5UTC":"2024-07-05T13:50:00",`, "", 1), want: Malformed, detail: "Minutes5UTC"},
		"a time with a zone": {status: 200, body: strings.Replace(good, `13:50:00"`, `13:50:00+02:00"`, 1), want: Malformed},
	})
}

func TestEnerginetZones(t *testing.T) {
	for zone, want := range map[string]string{"DK1": "DK1", "dk2": "DK2", "DK-DK1": "DK1", "dk-dk2": "DK2", "azure/denmarkeast": "DK2"} {
		got, ok := energinet.Zone(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, want, got, zone)
	}
	for _, zone := range []string{"", "DK", "DNK", "DK3", "DK-", `DK1"]}`} {
		_, ok := energinet.Zone(zone)
		assert.False(t, ok, zone)
	}
}
