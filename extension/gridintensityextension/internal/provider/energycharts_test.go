// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

func TestEnergyCharts(t *testing.T) {
	p, requests := asked(t, energyCharts, http.StatusOK, nil, documented(t, "energy_charts", "co2eq", "200"))
	values, err := p.Latest(t.Context(), "DE")
	require.NoError(t, err)
	require.Len(t, values, 4)
	start := time.Unix(1783893600, 0).UTC()
	assert.Equal(t, grid.Value{Start: start, End: start.Add(15 * time.Minute), Intensity: grid.Intensity{
		GramsPerKWh: 491.5, Quality: grid.Measured,
		Provenance: grid.Provenance{Zone: "DE", Source: "mine", Boundary: grid.Lifecycle, Basis: grid.Production, Gas: grid.CO2e},
	}}, values[0])
	assert.Equal(t, grid.Forecast, values[3].Quality)
	assert.InDelta(t, 505, values[3].GramsPerKWh, 0)
	assert.Equal(t, "/co2eq?country=de", (*requests)[0].URL.String())

	values, err = p.History(t.Context(), "DE", start.Add(10*time.Minute), start.Add(30*time.Minute))
	require.NoError(t, err)
	assert.Len(t, values, 2, "the day goes on")
	assert.Equal(t, "country=de&end=1783895400&start=1783893600", (*requests)[1].URL.RawQuery)
	_, err = p.Forecast(t.Context(), "DE")
	assert.ErrorIs(t, err, ErrNotOffered)
}

func TestEnergyChartsReads(t *testing.T) {
	p := &energyChartsProvider{Settings{Provenance: energyCharts.Provenance}}
	for name, tt := range map[string]struct {
		body string
		want []string
	}{
		"substituted":            {`{"unix_seconds":[0],"co2eq":[1],"co2eq_forecast":[null],"substitute":true}`, []string{"00:00 15m0s 1 estimated"}},
		"without forecasts":      {`{"unix_seconds":[0,900],"co2eq":[0,null],"co2eq_forecast":null}`, []string{"00:00 15m0s 0 measured"}},
		"both":                   {`{"unix_seconds":[0],"co2eq":[1],"co2eq_forecast":[2]}`, []string{"00:00 15m0s 1 measured"}},
		"hours, with holes":      {`{"unix_seconds":[0,3600,10800],"co2eq":[1,null,3],"co2eq_forecast":[null,2,null]}`, []string{"00:00 1h0m0s 1 measured", "01:00 1h0m0s 2 forecast", "03:00 1h0m0s 3 measured"}},
		"unsorted":               {`{"unix_seconds":[1800,0,900],"co2eq":[3,1,2]}`, []string{"00:30 15m0s 3 measured", "00:00 15m0s 1 measured", "00:15 15m0s 2 measured"}},
		"twice":                  {`{"unix_seconds":[0,0,3600],"co2eq":[1,1,2]}`, []string{"00:00 1h0m0s 1 measured", "00:00 1h0m0s 1 measured", "01:00 1h0m0s 2 measured"}},
		"a time alone":           {`{"unix_seconds":[0],"co2eq":[1]}`, []string{"00:00 15m0s 1 measured"}},
		"more than was asked of": {`{"unix_seconds":[0],"co2eq":[1],"deprecated":true,"license_info":"CC BY 4.0"}`, []string{"00:00 15m0s 1 measured"}},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := p.read([]byte(tt.body), "DE")
			require.NoError(t, err)
			var got []string
			for _, v := range values {
				got = append(got, v.Start.Format("15:04 ")+v.End.Sub(v.Start).String()+" "+string('0'+rune(v.GramsPerKWh))+" "+string(v.Quality))
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestEnergyChartsRefusals(t *testing.T) {
	testRefusals(t, energyCharts, "DE", map[string]refusalCase{
		"an unknown country": {status: 422, body: documented(t, "energy_charts", "422"), want: NotFound, detail: "country"},
		"nothing then":       {status: 404, body: `{"detail":"no content available"}`, want: NotFound, detail: "no content"},
		"too many requests":  {status: 429, header: map[string]string{"Retry-After": "9"}, want: Throttled, retry: 9 * time.Second},
		"out of order":       {status: 500, want: Unavailable},
		"HTML":               {status: 200, body: "<html></html>", want: Malformed},
		"no times":           {status: 200, body: `{"unix_seconds":[],"co2eq":[],"co2eq_forecast":[]}`, want: Missing},
		"nothing":            {status: 200, body: `{}`, want: Missing},
		"nulls":              {status: 200, body: `{"unix_seconds":[0,900],"co2eq":[null,null],"co2eq_forecast":[null,null]}`, want: Missing},
		"a value too few":    {status: 200, body: `{"unix_seconds":[0,900],"co2eq":[1]}`, want: Malformed, detail: "2 times, 1 values"},
		"a value too many":   {status: 200, body: `{"unix_seconds":[0],"co2eq":[1,2]}`, want: Malformed},
		"a forecast too few": {status: 200, body: `{"unix_seconds":[0,900],"co2eq":[1,null],"co2eq_forecast":[null]}`, want: Malformed, detail: "1 forecasts"},
		"a null for a time":  {status: 200, body: `{"unix_seconds":[null],"co2eq":[1]}`, want: Malformed},
		"texts":              {status: 200, body: `{"unix_seconds":["0"],"co2eq":["1"]}`, want: Malformed},
	})
}

func TestEnergyChartsZones(t *testing.T) {
	for zone, want := range map[string]string{"de": "DE", "CHE": "CH", "eu-central-1": "DE", "DK-DK1": ""} {
		got, ok := energyCharts.Zone(zone)
		assert.Equal(t, want != "", ok, zone)
		assert.True(t, !ok || got == want, zone)
	}
}
