// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// oeSeries gives one metric of regions, or of fuels of NSW1; each series is its name and its data as JSON.
func oeSeries(metric, unit, column string, series ...[2]string) string {
	var results []string
	for _, s := range series {
		columns := fmt.Sprintf(`{"region":"NSW1","fueltech_group":%q}`, s[0])
		if column == "region" {
			columns = fmt.Sprintf(`{"region":%q}`, s[0])
		}
		results = append(results, fmt.Sprintf(`{"name":"%s_%s","date_start":"2025-02-13T00:00:00","date_end":"2025-02-15T00:00:00","columns":%s,"data":%s}`, metric, s[0], columns, s[1]))
	}
	return fmt.Sprintf(`{"network_code":"NEM","metric":%q,"unit":%q,"interval":"5m","groupings":["network_region"],"results":[%s],"network_timezone_offset":"+10:00"}`, metric, unit, strings.Join(results, ","))
}

func oeBody(series ...string) string {
	return `{"version":"4.0.3","created_at":"2025-02-18T07:27:28+11:00","success":true,"data":[` + strings.Join(series, ",") + `]}`
}

// golden.json, units: "3500.1 t / 5200 MWh"
func TestOpenElectricity(t *testing.T) {
	p, requests := asked(t, openElectricity, http.StatusOK, nil, oeBody(
		oeSeries("emissions", "t", "region", [2]string{"QLD1", `[["2025-02-12T13:00:00Z",1]]`}, [2]string{"NSW1", `[["2025-02-12T13:00:00Z",3500.1],["2025-02-12T23:05:00+10:00",null],["2025-02-12T23:10:00+10:00",0]]`}),
		oeSeries("energy", "MWh", "region", [2]string{"QLD1", `[["2025-02-12T13:00:00Z",2]]`}, [2]string{"NSW1", `[["2025-02-12T13:00:00Z",5200],["2025-02-12T23:05:00+10:00",5000],["2025-02-12T23:10:00+10:00",5000],["2025-02-12T23:15:00+10:00",0]]`}),
	))
	from := time.Date(2025, 2, 12, 13, 0, 30, 0, time.UTC)
	values, err := p.History(t.Context(), "NSW1", from, from.Add(time.Hour))
	require.NoError(t, err)
	require.Len(t, values, 2, "one has no emissions yet, one has no energy")
	assert.InEpsilon(t, 673.0961538461538, values[0].GramsPerKWh, 1e-9)
	assert.Equal(t, time.Date(2025, 2, 12, 13, 0, 0, 0, time.UTC), values[0].Start)
	assert.Equal(t, time.Date(2025, 2, 12, 13, 5, 0, 0, time.UTC), values[0].End)
	assert.Equal(t, grid.Provenance{Zone: "NSW1", Source: "mine", Boundary: grid.Direct, Basis: grid.Production, Gas: grid.CO2e}, values[0].Provenance)
	assert.Zero(t, values[1].GramsPerKWh, "0 is legal")

	request := (*requests)[0]
	assert.Equal(t, "/v4/data/network/NEM", request.URL.Path)
	assert.Equal(t, "Bearer "+testToken, request.Header.Get("Authorization"))
	query := request.URL.Query()
	assert.Equal(t, []string{"emissions", "energy"}, query["metrics"])
	assert.Equal(t, "2025-02-12T23:00:00", query.Get("date_start"), "the market's time, without summer time")
	assert.Equal(t, "2025-02-13T00:00:30", query.Get("date_end"))

	_, err = p.Latest(t.Context(), "NSW1")
	require.NoError(t, err)
	assert.False(t, (*requests)[1].URL.Query().Has("date_end"))
	_, err = p.Forecast(t.Context(), "NSW1")
	assert.ErrorIs(t, err, ErrNotOffered)
}

func TestOpenElectricityWithoutStorage(t *testing.T) {
	p := &openElectricityProvider{Settings{Provenance: openElectricity.Provenance}}
	at := func(v string) string { return `[["2025-02-12T13:00:00Z",` + v + `]]` }
	values, err := p.read([]byte(oeBody(
		oeSeries("emissions", "t", "fueltech_group", [2]string{"coal", at("90")}, [2]string{"solar", at("0")}, [2]string{"battery_charging", at("0")}, [2]string{"pumps", at("0")}, [2]string{"gas", at("0")}),
		oeSeries("energy", "MWh", "fueltech_group", [2]string{"coal", at("100")}, [2]string{"solar", at("80")}, [2]string{"battery_charging", at("60")}, [2]string{"pumps", at("-40")}, [2]string{"gas", at("-1")}),
	)), "NSW1")
	require.NoError(t, err)
	require.Len(t, values, 1)
	assert.InDelta(t, 500, values[0].GramsPerKWh, 1e-9)
}

func TestOpenElectricityOfWesternAustralia(t *testing.T) {
	p, requests := asked(t, openElectricity, http.StatusOK, nil, "{}")
	from := time.Date(2025, 2, 12, 13, 0, 0, 0, time.UTC)
	_, err := p.History(t.Context(), "WEM", from, from.Add(time.Hour))
	assertReason(t, Malformed, err)
	assert.Equal(t, "/v4/data/network/WEM", (*requests)[0].URL.Path)
	assert.Equal(t, "2025-02-12T21:00:00", (*requests)[0].URL.Query().Get("date_start"))
}

func TestOpenElectricityRefusals(t *testing.T) {
	emissions := oeSeries("emissions", "t", "region", [2]string{"NSW1", `[["2025-02-12T13:00:00Z",1]]`})
	energy := oeSeries("energy", "MWh", "region", [2]string{"NSW1", `[["2025-02-12T13:00:00Z",2]]`})
	testRefusals(t, openElectricity, "NSW1", map[string]refusalCase{
		"a wrong key":         {status: 401, body: `{"version":"4.0.3","success":false,"error":"Invalid API key"}`, want: Unauthorized, detail: "Invalid API key"},
		"an offset":           {status: 400, body: `{"success":false,"error":"Date start must be timezone naive and in network time"}`, want: NotFound, detail: "naive"},
		"nothing then":        {status: 404, body: `{"success":false,"error":"No data available for network NEM in the specified time range"}`, want: Missing, detail: "No data available"},
		"an unknown network":  {status: 404, body: `{"success":false,"error":"Network not found"}`, want: NotFound},
		"a wrong parameter":   {status: 422, body: `{"detail":[{"loc":["query","interval"],"msg":"value is not a valid enumeration member","type":"type_error.enum"}]}`, want: NotFound, detail: "enumeration"},
		"too many requests":   {status: 429, body: `{"success":false,"error":"Rate limit exceeded"}`, want: Throttled, detail: "Rate limit"},
		"out of order":        {status: 500, body: `{"success":false,"error":"Error executing query"}`, want: Unavailable},
		"HTML":                {status: 200, body: "<html></html>", want: Malformed},
		"no success":          {status: 200, body: `{"success":false,"error":"no"}`, want: Malformed},
		"no data":             {status: 200, body: oeBody(), want: Missing},
		"emissions alone":     {status: 200, body: oeBody(emissions), want: Missing},
		"energy alone":        {status: 200, body: oeBody(energy), want: Missing},
		"another region":      {status: 200, body: strings.ReplaceAll(oeBody(emissions, energy), "NSW1", "VIC1"), want: ZoneDiffers, detail: "VIC1"},
		"another unit":        {status: 200, body: strings.ReplaceAll(oeBody(emissions, energy), `"t"`, `"kg"`), want: Malformed, detail: "kg"},
		"a value without one": {status: 200, body: strings.ReplaceAll(oeBody(emissions, energy), `Z",1]`, `Z"]`), want: Malformed},
		"a naive time":        {status: 200, body: strings.ReplaceAll(oeBody(emissions, energy), `00Z`, `00`), want: Malformed},
		"absurd":              {status: 200, body: strings.ReplaceAll(oeBody(emissions, energy), `Z",1]`, `Z",1e200]`), want: Absurd},
	})
	testKeepsItsKey(t, openElectricity, "NSW1")
}

func TestOpenElectricityZones(t *testing.T) {
	for zone, want := range map[string]string{"AU-NSW": "NSW1", "AU-VIC": "VIC1", "AU-WA": "WEM", "QLD1": "QLD1", "ap-southeast-2": "NSW1", "gcp/australia-southeast2": "VIC1"} {
		got, ok := openElectricity.Zone(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, want, got, zone)
	}
	for _, zone := range []string{"AU", "DE", "us-east-1", "", "NSW"} {
		_, ok := openElectricity.Zone(zone)
		assert.False(t, ok, zone)
	}
}

func FuzzOpenElectricity(f *testing.F) {
	f.Add(oeBody(
		oeSeries("emissions", "t", "region", [2]string{"NSW1", `[["2025-02-12T13:00:00Z",3500.1],["2025-02-12T13:05:00+10:00",null]]`}),
		oeSeries("energy", "MWh", "region", [2]string{"NSW1", `[["2025-02-12T13:00:00Z",5200]]`}),
	))
	f.Add(oeBody(
		oeSeries("emissions", "t", "fueltech_group", [2]string{"coal", `[["2025-02-12T13:00:00Z",-1]]`}),
		oeSeries("energy", "MWh", "fueltech_group", [2]string{"coal", `[["2025-02-12T13:00:00Z",1e-300,1],[null,null]]`}),
	))
	f.Fuzz(func(t *testing.T, body string) {
		p := &openElectricityProvider{Settings{Name: "openelectricity", Provenance: openElectricity.Provenance}}
		values, err := p.read([]byte(body), "NSW1")
		sane(t, values, err)
	})
}
