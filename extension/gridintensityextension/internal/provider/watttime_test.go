// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakegrid"
)

func TestWattTime(t *testing.T) {
	s := &wattTimeServer{answer: always(200, documented(t, "watttime", "historical", "200"))}
	p := s.provider(nil)
	start := time.Date(2022, 7, 15, 0, 0, 0, 0, time.UTC)
	values, err := p.History(t.Context(), "CAISO_NORTH", start, start.Add(time.Hour))
	require.NoError(t, err)
	require.Len(t, values, 1)
	assert.InEpsilon(t, 394.6253619, values[0].GramsPerKWh, 1e-9) // golden.json, units
	values[0].GramsPerKWh = 0
	assert.Equal(t, grid.Value{Start: start, End: start.Add(5 * time.Minute), Intensity: grid.Intensity{
		Quality:    grid.Estimated, // its data were imputed
		Provenance: grid.Provenance{Zone: "CAISO_NORTH", Source: "mine", Signal: grid.Marginal, Boundary: grid.Direct, Gas: grid.CO2},
	}}, values[0])
	assert.Equal(t, "/v3/historical", s.requests[0].URL.Path)
	for key, want := range map[string]string{
		"region": "CAISO_NORTH", "signal_type": "co2_moer", "start": "2022-07-15T00:00:00Z", "end": "2022-07-15T01:00:00Z", "include_imputed_marker": "true",
	} {
		assert.Equal(t, want, s.requests[0].URL.Query().Get(key), key)
	}

	s.answer = always(200, strings.Replace(documented(t, "watttime", "historical", "200"), "true", "false", 1))
	values, err = p.Latest(t.Context(), "CAISO_NORTH")
	require.NoError(t, err)
	assert.Equal(t, grid.Measured, values[0].Quality)

	s.requests = nil
	s.answer = always(200, documented(t, "watttime", "forecast", "200"))
	values, err = p.Forecast(t.Context(), "CAISO_NORTH")
	require.NoError(t, err)
	assert.Equal(t, grid.Forecast, values[0].Quality)
	assert.Equal(t, "/v3/forecast", s.requests[0].URL.Path)
	assert.Equal(t, "24", s.requests[0].URL.Query().Get("horizon_hours"))
	assert.Equal(t, 1, s.logins)
}

// Some regions are published hours late. What is foretold of now stands in, or nothing would.
func TestWattTimePublishedLate(t *testing.T) {
	const denied = `{"error":"FORBIDDEN","message":"no access to the forecast"}`
	for name, tt := range map[string]struct {
		ended    time.Duration // how long ago the newest interval did; 0: there is none
		forecast int           // the status of its answer
		want     []grid.Quality
		reason   Reason
		asked    int
	}{
		"in time":                      {5 * time.Minute, 200, []grid.Quality{grid.Measured}, "", 1},
		"late":                         {5*time.Minute + time.Second, 200, []grid.Quality{grid.Measured, grid.Forecast}, "", 2},
		"later than is asked for":      {0, 200, []grid.Quality{grid.Forecast}, "", 2},
		"late, no forecast":            {time.Hour, 403, []grid.Quality{grid.Measured}, "", 2},
		"nothing, no forecast":         {0, 403, nil, Unauthorized, 2},
		"nothing, and nothing to come": {0, 204, nil, Missing, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				points := func(start time.Time) string {
					return `{"data":[{"point_time":"` + start.Format(time.RFC3339) + `","value":870}],"meta":{"data_point_period_seconds":300,"region":"CAISO_NORTH","signal_type":"co2_moer","units":"lbs_co2_per_mwh"}}`
				}
				s := &wattTimeServer{answer: func(r *http.Request) (int, string) {
					switch {
					case r.URL.Path == "/v3/forecast" && tt.forecast != 200:
						return tt.forecast, denied
					case r.URL.Path == "/v3/forecast":
						assert.Equal(t, "1", r.URL.Query().Get("horizon_hours"))
						return 200, points(begin)
					case tt.ended == 0:
						return 200, strings.Replace(points(begin), "870", "null", 1)
					default:
						return 200, points(begin.Add(-tt.ended - wattTime.Step))
					}
				}}
				values, err := s.provider(nil).Latest(t.Context(), "CAISO_NORTH")
				if tt.reason != "" {
					assertReason(t, tt.reason, err)
				} else {
					require.NoError(t, err)
				}
				var got []grid.Quality
				for _, v := range values {
					got = append(got, v.Quality)
				}
				assert.Equal(t, tt.want, got)
				assert.Len(t, s.requests, tt.asked)
			})
		})
	}
}

func TestWattTimeAsksForALongTimeInParts(t *testing.T) {
	s := &wattTimeServer{answer: always(200, documented(t, "watttime", "historical", "200"))}
	start := time.Date(2022, 7, 15, 0, 0, 0, 0, time.UTC)
	_, err := s.provider(nil).History(t.Context(), "CAISO_NORTH", start, start.Add(40*24*time.Hour))
	require.NoError(t, err)
	require.Len(t, s.requests, 2)
	assert.Equal(t, "2022-08-15T00:00:00Z", s.requests[0].URL.Query().Get("end"))
	assert.Equal(t, "2022-08-15T00:00:00Z", s.requests[1].URL.Query().Get("start"))
}

func TestWattTimeRefusals(t *testing.T) {
	good := documented(t, "watttime", "historical", "200")
	_, meta, _ := strings.Cut(good, `"meta"`)
	with := func(old, value string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, value, 1)
	}
	for name, tt := range map[string]refusalCase{
		"a wrong parameter":   {status: 400, body: documented(t, "watttime", "historical", "400"), want: NotFound, detail: "INVALID_QUERY_PARAMS"},
		"an unknown region":   {status: 422, body: `{"detail":[{"loc":["query","region"],"msg":"unknown","type":"value_error"}]}`, want: NotFound, detail: "unknown"},
		"too many requests":   {status: 429, want: Throttled},
		"out of order":        {status: 502, want: Unavailable},
		"HTML":                {status: 200, body: "<html></html>", want: Malformed},
		"another region":      {status: 200, body: with("CAISO_NORTH", "PJM_DC"), want: ZoneDiffers, detail: "PJM_DC"},
		"another signal":      {status: 200, body: with("co2_moer", "health_damage"), want: Malformed, detail: "health_damage"},
		"another unit":        {status: 200, body: with("lbs_co2_per_mwh", "percentile"), want: Malformed, detail: "percentile"},
		"no period":           {status: 200, body: with(`"data_point_period_seconds":300,`, ""), want: Malformed, detail: "period"},
		"a negative period":   {status: 200, body: with(`300`, "-300"), want: Malformed, detail: "-300"},
		"null":                {status: 200, body: with("870", "null"), want: Missing},
		"no data":             {status: 200, body: `{"data":[],"meta"` + meta, want: Missing},
		"a time without zone": {status: 200, body: with(`00:00:00+00:00`, "00:00:00"), want: Malformed},
		"no time":             {status: 200, body: with(`"point_time":"2022-07-15T00:00:00+00:00",`, ""), want: Malformed},
		"a text":              {status: 200, body: with("870", `"870"`), want: Malformed},
		"nothing":             {status: 200, body: "{}", want: ZoneDiffers},
	} {
		t.Run(name, func(t *testing.T) {
			s := &wattTimeServer{answer: always(tt.status, tt.body)}
			p := s.provider(nil)
			start := time.Date(2022, 7, 15, 0, 0, 0, 0, time.UTC)
			_, latest := p.Latest(t.Context(), "CAISO_NORTH")
			_, history := p.History(t.Context(), "CAISO_NORTH", start, start.Add(time.Hour))
			_, forecast := p.Forecast(t.Context(), "CAISO_NORTH")
			for _, err := range []error{latest, history, forecast} {
				assertReason(t, tt.want, err)
				require.ErrorContains(t, err, tt.detail)
			}
		})
	}
}

func TestWattTimeOfTheFakeGrid(t *testing.T) {
	g := fakegrid.Start(t)
	g.Require(fakegrid.WattTime, testUser+":"+testPassword)
	now := time.Now().Truncate(wattTime.Step)
	for n := range 4 {
		start := now.Add(time.Duration(n-2) * wattTime.Step)
		kind := []fakegrid.Kind{fakegrid.Measured, fakegrid.Estimated, fakegrid.Forecast, fakegrid.Forecast}[n]
		g.Publish(fakegrid.WattTime, "CAISO_NORTH", fakegrid.Point{Start: start, End: start.Add(wattTime.Step), GramsPerKWh: new(400 + float64(n)), Kind: kind})
	}
	p, err := wattTime.New(Settings{Endpoint: g.Endpoint(fakegrid.WattTime), Client: http.DefaultClient, Username: testUser, Password: testPassword})
	require.NoError(t, err)
	for range 2 {
		latest, err := p.Latest(t.Context(), "CAISO_NORTH")
		require.NoError(t, err)
		forecast, err := p.Forecast(t.Context(), "CAISO_NORTH")
		require.NoError(t, err)
		require.Len(t, latest, 2)
		require.Len(t, forecast, 2)
		for n, v := range append(latest, forecast...) {
			assert.True(t, now.Add(time.Duration(n-2)*wattTime.Step).Equal(v.Start))
			assert.InDelta(t, 400+float64(n), v.GramsPerKWh, 1e-9)
			assert.Equal(t, []grid.Quality{grid.Measured, grid.Estimated, grid.Forecast, grid.Forecast}[n], v.Quality)
		}
		g.Require(fakegrid.WattTime, "someone:else") // the session is no good any more
		g.Require(fakegrid.WattTime, testUser+":"+testPassword)
	}
	g.Fail(fakegrid.WattTime, fakegrid.WrongZone())
	_, err = p.Latest(t.Context(), "CAISO_NORTH")
	assertReason(t, ZoneDiffers, err)
}

func TestWattTimeZones(t *testing.T) {
	for _, zone := range []string{"CAISO_NORTH", "ISONE_WCMA", "PJM_ROANOKE", "SPP_KC"} {
		id, ok := wattTime.Zone(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, zone, id)
	}
	for _, zone := range []string{"", "DE", "US", "us-east-1", "US-CAL-CISO", "CAMX", "caiso_north", "_", "A_", "A_B&x=1"} {
		_, ok := wattTime.Zone(zone)
		assert.False(t, ok, zone)
	}
}

func FuzzWattTime(f *testing.F) {
	f.Add(documented(f, "watttime", "historical", "200"))
	f.Add(documented(f, "watttime", "forecast", "200"))
	f.Add(documented(f, "watttime", "historical", "400"))
	f.Fuzz(func(t *testing.T, body string) {
		p := &wattTimeProvider{Settings: Settings{Name: "watttime", Provenance: wattTime.Provenance}}
		for _, quality := range []grid.Quality{grid.Measured, grid.Forecast} {
			values, err := p.read([]byte(body), "CAISO_NORTH", quality)
			sane(t, values, err)
		}
	})
}
