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
)

// eiaRow gives the value as JSON.
func eiaRow(period, fuel, value string) string {
	return fmt.Sprintf(`{"period":%q,"respondent":"CISO","respondent-name":"California Independent System Operator","fueltype":%q,"value":%s,"value-units":"megawatthours"}`, period, fuel, value)
}

func eiaBody(total string, rows ...string) string {
	return `{"response":{"total":` + total + `,"dateFormat":"YYYY-MM-DD\"T\"HH24","frequency":"hourly","data":[` + strings.Join(rows, ",") + `]},"apiVersion":"2.1.12"}`
}

func TestEIA(t *testing.T) {
	p, requests := asked(t, eia, http.StatusOK, nil, eiaBody(`"8"`,
		eiaRow("2022-03-01T01", "NG", "null"), eiaRow("2022-03-01T01", "SUN", `"100"`),
		eiaRow("2022-03-01T00", "NG", `"300"`), eiaRow("2022-03-01T00", "SUN", `"100"`), eiaRow("2022-03-01T00", "BAT", `"-1200"`), eiaRow("2022-03-01T00", "PS", `"40"`),
		eiaRow("2022-02-28T23", "NG", "100"), eiaRow("2022-02-28T23", "SUN", "0"),
	))
	from := time.Date(2022, 2, 28, 22, 30, 0, 0, time.UTC)
	values, err := p.History(t.Context(), "CISO", from, from.Add(2*time.Hour))
	require.NoError(t, err)
	require.Len(t, values, 2, "the newest hour has no gas yet")
	assert.Equal(t, time.Date(2022, 2, 28, 22, 0, 0, 0, time.UTC), values[0].Start, "a period is named after its end")
	assert.Equal(t, time.Date(2022, 2, 28, 23, 0, 0, 0, time.UTC), values[0].End)
	assert.InDelta(t, 490, values[0].GramsPerKWh, 1e-9)
	assert.InDelta(t, (300*490+100*45)/400.0, values[1].GramsPerKWh, 1e-9)
	assert.Equal(t, "CISO", values[1].Zone)
	assert.Equal(t, "mine", values[1].Source)

	require.Len(t, *requests, 1)
	request := (*requests)[0]
	assert.Equal(t, "/v2/electricity/rto/fuel-type-data/data/", request.URL.Path)
	for key, want := range map[string]string{
		"api_key": testToken, "frequency": "hourly", "data[]": "value", "facets[respondent][]": "CISO", "length": "5000",
		"start": "2022-02-28T23", "end": "2022-03-01T01",
	} {
		assert.Equal(t, want, request.URL.Query().Get(key), key)
	}

	values, err = p.Latest(t.Context(), "CISO")
	require.NoError(t, err)
	assert.Len(t, values, 2)
	_, err = p.Forecast(t.Context(), "CISO")
	assert.ErrorIs(t, err, ErrNotOffered)
}

func TestEIAAsksForALongTimeInParts(t *testing.T) {
	p, requests := asked(t, eia, http.StatusOK, nil, eiaBody("1", eiaRow("2022-03-01T00", "NG", "1")))
	from := time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC)
	_, err := p.History(t.Context(), "CISO", from, from.Add(25*24*time.Hour))
	require.NoError(t, err)
	var asked [][2]string
	for _, r := range *requests {
		asked = append(asked, [2]string{r.URL.Query().Get("start"), r.URL.Query().Get("end")})
	}
	assert.Equal(t, [][2]string{
		{"2022-03-01T01", "2022-03-11T00"}, {"2022-03-11T01", "2022-03-21T00"}, {"2022-03-21T01", "2022-03-26T00"},
	}, asked)
}

func TestEIARefusals(t *testing.T) {
	testRefusals(t, eia, "CISO", map[string]refusalCase{
		"no key": {status: 403, body: `{"error":{"code":"API_KEY_MISSING","message":"No api_key was supplied.  Please register for one at https://www.eia.gov/opendata/register.php"}}`, want: Unauthorized, detail: "API_KEY_MISSING"},
		"a wrong key": {
			status: 403, body: `{"error":{"code":"API_KEY_INVALID","message":"An invalid api_key was supplied: ` + testToken + `"}}`,
			want: Unauthorized, detail: "API_KEY_INVALID",
		},
		"a wrong parameter": {status: 400, body: `{"error":"Invalid frequency 'millenially' provided. The only valid frequencies are 'monthly', 'quarterly', and 'annual'.","code":400}`, want: NotFound, detail: "Invalid frequency"},
		"too many requests": {status: 429, header: map[string]string{"Retry-After": "7"}, body: `{"error":{"code":"OVER_RATE_LIMIT"}}`, want: Throttled, detail: "OVER_RATE_LIMIT", retry: 7 * time.Second},
		"out of order":      {status: 503, header: map[string]string{"Content-Type": "text/html"}, body: "<html>", want: Unavailable, detail: "503"},
		"an unknown zone":   {status: 200, body: eiaBody("0"), want: NotFound, detail: "no rows of CISO"},
		"HTML":              {status: 200, body: "<html></html>", want: Malformed},
		"cut":               {status: 200, body: eiaBody("5001", eiaRow("2022-03-01T00", "NG", "1")), want: Malformed, detail: "1 of 5001 rows"},
		"cut, as a warning says": {
			status: 200, body: strings.Replace(eiaBody("1", eiaRow("2022-03-01T00", "NG", "1")), `"total"`, `"warnings":[{"warning":"incomplete return","description":"The API can only return 5000 rows in JSON format."}],"total"`, 1),
			want: Malformed, detail: "5000 rows",
		},
		"only a warning": {
			status: 200, body: `{"warning":"parameter out of range","description":"The API can only return 5000 rows in JSON format. ..."}`,
			want: Malformed, detail: "5000 rows",
		},
		"nulls":        {status: 200, body: eiaBody("1", eiaRow("2022-03-01T00", "NG", "null")), want: Missing},
		"another zone": {status: 200, body: strings.ReplaceAll(eiaBody("1", eiaRow("2022-03-01T00", "NG", "1")), "CISO", "MISO"), want: ZoneDiffers, detail: "MISO"},
		"another unit": {status: 200, body: strings.ReplaceAll(eiaBody("1", eiaRow("2022-03-01T00", "NG", "1")), "megawatth", "kilowatth"), want: Malformed, detail: "kilowatthours"},
		"another time": {status: 200, body: eiaBody("1", eiaRow("2022-03-01", "NG", "1")), want: Malformed, detail: "period"},
		"no number":    {status: 200, body: eiaBody("1", eiaRow("2022-03-01T00", "NG", `"many"`)), want: Malformed},
		"absurd":       {status: 200, body: eiaBody("1", eiaRow("2022-03-01T00", "NG", `"1e300"`)), want: Absurd},
		"only pumping": {status: 200, body: eiaBody("1", eiaRow("2022-03-01T00", "PS", `"-12"`)), want: Missing},
	})
	testKeepsItsKey(t, eia, "CISO")
}

func TestEIAZones(t *testing.T) {
	for zone, want := range map[string]string{"CISO": "CISO", "us-east-1": "PJM", "US-CAL-CISO": "CISO", "TVA": "TVA"} {
		got, ok := eia.Zone(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, want, got, zone)
	}
	for _, zone := range []string{"DE", "DEU", "SC", "WORLD", "CAMX", "RFCW", "us", "ciso", "", "eu-west-1", "CISO2", "XQ"} {
		_, ok := eia.Zone(zone)
		assert.False(t, ok, zone)
	}
}

func FuzzEIA(f *testing.F) {
	f.Add(eiaBody("2", eiaRow("2022-03-01T00", "NG", `"300"`), eiaRow("2022-03-01T00", "BAT", "-5")))
	f.Add(eiaBody("2", eiaRow("2022-03-01T00", "NG", "null")))
	f.Add(eiaBody("5001", eiaRow("2022-03-01T00", "NG", `"1e300"`)))
	f.Fuzz(func(t *testing.T, body string) {
		p := &eiaProvider{Settings{Name: "eia", Provenance: mixProvenance}}
		values, err := p.read([]byte(body), "CISO")
		sane(t, values, err)
	})
}
