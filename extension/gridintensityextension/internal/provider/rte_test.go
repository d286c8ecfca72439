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

func TestRTE(t *testing.T) {
	p, requests := asked(t, rte, http.StatusOK, nil, documented(t, "rte_odre", "200"))
	values, err := p.Latest(t.Context(), "FR")
	require.NoError(t, err)
	start := time.Date(2026, 5, 14, 15, 45, 0, 0, time.UTC)
	assert.Equal(t, []grid.Value{{Start: start, End: start.Add(15 * time.Minute), Intensity: grid.Intensity{
		GramsPerKWh: 35, Quality: grid.Estimated, // in real time
		Provenance: grid.Provenance{Zone: "FR", Source: "mine", Boundary: grid.Direct, Basis: grid.Production, Gas: grid.CO2e},
	}}}, values)
	request := (*requests)[0]
	assert.Equal(t, "/api/explore/v2.1/catalog/datasets/eco2mix-national-tr/records", request.URL.Path)
	for key, want := range map[string]string{
		"select": "date_heure,taux_co2", "where": "taux_co2 is not null", "order_by": "date_heure desc", "limit": "8", "timezone": "UTC",
	} {
		assert.Equal(t, want, request.URL.Query().Get(key), key)
	}
	_, err = p.Forecast(t.Context(), "FR")
	assert.ErrorIs(t, err, ErrNotOffered)
}

// What is not in the real-time data any more is in the consolidated ones, of half hours.
func TestRTEHistory(t *testing.T) {
	var asked []string
	s := served(t, func(w http.ResponseWriter, r *http.Request) {
		set := strings.Split(r.URL.Path, "/")[6]
		where := strings.ReplaceAll(r.URL.Query().Get("where"), "taux_co2 is not null and ", "")
		asked = append(asked, set+": "+where)
		assert.Equal(t, "date_heure", r.URL.Query().Get("order_by"))
		assert.Equal(t, "100", r.URL.Query().Get("limit"))
		switch {
		case set == "eco2mix-national-cons-def":
			_, _ = w.Write([]byte(`{"results":[{"date_heure":"2026-05-13T00:00:00+00:00","taux_co2":20},{"date_heure":"2026-05-13T02:30:00+02:00","taux_co2":21},{"date_heure":"2026-05-13T02:00:00+00:00","taux_co2":22}]}`))
		case strings.Contains(where, ">= date'2026-05-14"):
			_, _ = w.Write([]byte(`{"results":[{"date_heure":"2026-05-14T00:30:00+00:00","taux_co2":31},{"date_heure":"2026-05-14T00:00:00+00:00","taux_co2":30}]}`))
		default:
			_, _ = w.Write([]byte(`{"total_count":0,"results":[]}`))
		}
	})
	s.Provenance = rte.Provenance
	p, err := rte.New(*s)
	require.NoError(t, err)
	from := time.Date(2026, 5, 13, 0, 10, 0, 0, time.UTC)
	values, err := p.History(t.Context(), "FR", from, from.Add(36*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"eco2mix-national-tr: date_heure >= date'2026-05-13T00:00:00Z' and date_heure < date'2026-05-14T00:00:00Z'",
		"eco2mix-national-cons-def: date_heure >= date'2026-05-13T00:00:00Z' and date_heure < date'2026-05-14T00:00:00Z'",
		"eco2mix-national-tr: date_heure >= date'2026-05-14T00:00:00Z' and date_heure < date'2026-05-14T12:10:00Z'",
	}, asked)
	var lines []string
	for _, v := range values {
		lines = append(lines, v.Start.Format("02T15:04 ")+v.End.Sub(v.Start).String()+" "+string(v.Quality))
	}
	assert.Equal(t, []string{
		"13T00:00 30m0s measured", "13T00:30 30m0s measured", "13T02:00 30m0s measured", "14T00:30 15m0s estimated", "14T00:00 15m0s estimated",
	}, lines)
}

func TestRTERefusals(t *testing.T) {
	good := documented(t, "rte_odre", "200")
	testRefusals(t, rte, "FR", map[string]refusalCase{
		"a wrong query":       {status: 400, body: `{"error_code":"ODSQLError","message":"ODSQL query is malformed"}`, want: NotFound, detail: "ODSQLError"},
		"an unknown set":      {status: 404, body: `{"error_code":"UnknownDatasetError"}`, want: NotFound, detail: "UnknownDatasetError"},
		"too many requests":   {status: 429, body: `{"errorcode":10002,"error":"Too many requests on the domain. Please contact the domain administrator.","call_limit":50000,"limit_time_unit":"day"}`, want: Throttled, detail: "50000"},
		"out of order":        {status: 503, want: Unavailable},
		"HTML":                {status: 200, body: "<html></html>", want: Malformed},
		"no results":          {status: 200, body: `{"total_count":0,"results":[]}`, want: Missing},
		"an error with 200":   {status: 200, body: `{"error_code":"x"}`, want: Missing},
		"nulls":               {status: 200, body: strings.Replace(good, "35", "null", 1), want: Missing},
		"no time":             {status: 200, body: strings.Replace(good, `"2026-05-14T15:45:00+00:00"`, "null", 1), want: Malformed, detail: "date_heure"},
		"a time without zone": {status: 200, body: strings.Replace(good, "+00:00", "", 1), want: Malformed},
		"a text":              {status: 200, body: strings.Replace(good, "35", `"35"`, 1), want: Malformed},
	})
}

func TestRTEZones(t *testing.T) {
	for zone, want := range map[string]bool{"FR": true, "fra": true, "eu-west-3": true, "FR-COR": false, "RE": false, "DE": false, "": false} {
		_, ok := rte.Zone(zone)
		assert.Equal(t, want, ok, zone)
	}
}
