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
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakegrid"
)

func TestElectricityMaps(t *testing.T) {
	p, requests := asked(t, electricityMaps, http.StatusOK, nil, documented(t, "electricitymaps", "latest", "200"))
	values, err := p.Latest(t.Context(), "DE")
	require.NoError(t, err)
	start := time.Date(2025, 3, 29, 18, 0, 0, 0, time.UTC)
	assert.Equal(t, []grid.Value{{Start: start, End: start.Add(time.Hour), Intensity: grid.Intensity{
		GramsPerKWh: 302, Quality: grid.Estimated,
		Provenance: grid.Provenance{Zone: "DE", Source: "mine", Boundary: grid.Lifecycle, Basis: grid.Consumption, Gas: grid.CO2e},
	}}}, values, "the time is the interval's, not that of an update")
	request := (*requests)[0]
	assert.Equal(t, "/v4/carbon-intensity/latest", request.URL.Path)
	assert.Equal(t, testToken, request.Header.Get("auth-token"))
	assert.Empty(t, request.Header.Get("Authorization"))
	for key, want := range map[string]string{"zone": "DE", "emissionFactorType": "lifecycle", "shouldUseFallbackCallerLookup": "false"} {
		assert.Equal(t, want, request.URL.Query().Get(key), key)
	}
}

func TestElectricityMapsHistory(t *testing.T) {
	p, requests := asked(t, electricityMaps, http.StatusOK, nil, documented(t, "electricitymaps", "past-range", "200"))
	start := time.Date(2024, 3, 18, 2, 0, 0, 0, time.UTC)
	values, err := p.History(t.Context(), "DK-DK2", start.Add(10*time.Minute), start.Add(25*24*time.Hour))
	require.NoError(t, err)
	assert.Len(t, values, 3, "the server repeats itself")
	assert.Equal(t, start, values[0].Start)
	assert.Equal(t, grid.Measured, values[0].Quality)
	assert.InDelta(t, 161, values[0].GramsPerKWh, 0)
	var ranges []string
	for _, r := range *requests {
		assert.Equal(t, "/v4/carbon-intensity/past-range", r.URL.Path)
		assert.Equal(t, "DK-DK2", r.URL.Query().Get("zone"))
		ranges = append(ranges, r.URL.Query().Get("start")+" "+r.URL.Query().Get("end"))
	}
	assert.Equal(t, []string{
		"2024-03-18T02:00:00Z 2024-03-28T02:00:00Z", "2024-03-28T02:00:00Z 2024-04-07T02:00:00Z", "2024-04-07T02:00:00Z 2024-04-12T02:00:00Z",
	}, ranges)
}

func TestElectricityMapsForecast(t *testing.T) {
	p, requests := asked(t, electricityMaps, http.StatusOK, nil, documented(t, "electricitymaps", "forecast", "200"))
	values, err := p.Forecast(t.Context(), "DE")
	require.NoError(t, err)
	require.Len(t, values, 1)
	assert.Equal(t, grid.Forecast, values[0].Quality)
	assert.Equal(t, time.Date(2025, 3, 29, 19, 0, 0, 0, time.UTC), values[0].Start)
	assert.Equal(t, "/v4/carbon-intensity/forecast", (*requests)[0].URL.Path)
	assert.Equal(t, "24", (*requests)[0].URL.Query().Get("horizonHours"))
}

// A free token is for one zone, its latest value and its last 24 hours.
func TestElectricityMapsWithAFreeToken(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		s := served(t, func(w http.ResponseWriter, r *http.Request) {
			if what := strings.TrimPrefix(r.URL.Path, "/v4/carbon-intensity/"); what != "history" {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"error":"Request unauthorized for zoneKey=DE,requestType=` + what + `,dataType=carbon-intensity."}`))
				return
			}
			_, _ = w.Write([]byte(documented(t, "electricitymaps", "history", "200")))
		})
		s.Provenance = electricityMaps.Provenance
		p, err := electricityMaps.New(*s)
		require.NoError(t, err)
		_, err = p.Latest(t.Context(), "DE")
		assertReason(t, Unauthorized, err)
		_, err = p.Forecast(t.Context(), "DE")
		require.ErrorIs(t, err, ErrNotOffered)
		start := time.Date(2024, 3, 5, 20, 0, 0, 0, time.UTC)
		values, err := p.History(t.Context(), "DE", start, start.Add(time.Hour))
		require.NoError(t, err)
		require.Len(t, values, 1)
		assert.InDelta(t, 599, values[0].GramsPerKWh, 0)
		_, err = p.History(t.Context(), "DE", start.Add(-time.Hour), start)
		assertReason(t, Missing, err)
	}
}

func TestElectricityMapsReads(t *testing.T) {
	latest := func(members string) string {
		return `{"zone":"DE","datetime":"2025-03-29T18:00:00.000Z",` + members + `}`
	}
	for name, tt := range map[string]struct {
		what, body string
		grams      float64
		quality    grid.Quality
		step       time.Duration
	}{
		"a fraction":               {"latest", latest(`"carbonIntensity":302.25,"isEstimated":false,"estimationMethod":null`), 302.25, grid.Measured, time.Hour},
		"zero":                     {"latest", latest(`"carbonIntensity":0,"isEstimated":false`), 0, grid.Measured, time.Hour},
		"it does not say how":      {"latest", latest(`"carbonIntensity":1`), 1, grid.Estimated, time.Hour},
		"a new method":             {"latest", latest(`"carbonIntensity":1,"isEstimated":false,"estimationMethod":"NEW_ONE"`), 1, grid.Estimated, time.Hour},
		"quarters of an hour":      {"latest", latest(`"carbonIntensity":1,"isEstimated":true,"temporalGranularity":"15_minutes"`), 1, grid.Estimated, 15 * time.Minute},
		"a day":                    {"latest", latest(`"carbonIntensity":1,"isEstimated":true,"temporalGranularity":"daily"`), 1, grid.Estimated, 24 * time.Hour},
		"five minutes, said above": {"forecast", `{"zone":"DE","temporalGranularity":"5_minutes","forecast":[{"carbonIntensity":null,"datetime":"2025-03-29T17:55:00Z"},{"carbonIntensity":7,"datetime":"2025-03-29T18:00:00Z"}]}`, 7, grid.Forecast, 5 * time.Minute},
		"the other boundary":       {"latest", latest(`"carbonIntensity":1,"isEstimated":false,"emissionFactorType":"direct"`), 1, grid.Measured, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			p := &electricityMapsProvider{Settings: Settings{Name: "mine", Provenance: electricityMaps.Provenance}}
			if strings.Contains(tt.body, "direct") {
				p.Provenance.Boundary = grid.Direct
			}
			values, err := p.read([]byte(tt.body), "DE", tt.what)
			require.NoError(t, err)
			require.Len(t, values, 1)
			assert.Equal(t, time.Date(2025, 3, 29, 18, 0, 0, 0, time.UTC), values[0].Start)
			assert.Equal(t, tt.step, values[0].End.Sub(values[0].Start))
			assert.InDelta(t, tt.grams, values[0].GramsPerKWh, 0)
			assert.Equal(t, tt.quality, values[0].Quality)
			assert.Equal(t, p.Provenance.Boundary, values[0].Boundary)
		})
	}
}

func TestElectricityMapsRefusals(t *testing.T) {
	point := documented(t, "electricitymaps", "latest", "200")
	both := func(point string) string { return point[:len(point)-1] + `,"data":[` + point + `]}` } // latest and past-range
	with := func(old, value string) string {
		require.Contains(t, point, old)
		return both(strings.Replace(point, old, value, 1))
	}
	testRefusals(t, electricityMaps, "DE", map[string]refusalCase{
		"a wrong token":        {status: 401, body: documented(t, "electricitymaps", "latest", "401"), want: Unauthorized, detail: "Invalid auth-token"},
		"a zone not paid for":  {status: 403, body: documented(t, "electricitymaps", "latest", "403"), want: Unauthorized, detail: "zoneKey=IT"},
		"a token repeated":     {status: 401, body: `{"error":"Invalid auth-token ` + testToken + `"}`, want: Unauthorized, detail: "***"},
		"an unknown zone":      {status: 404, body: `{"error":"Zone \"XX\" does not exist."}`, want: NotFound, detail: "does not exist"},
		"too many requests":    {status: 429, header: map[string]string{"Retry-After": "30"}, want: Throttled, retry: 30 * time.Second},
		"too many, no time":    {status: 429, want: Throttled},
		"out of order":         {status: 503, header: map[string]string{"Content-Type": "text/html"}, body: "<html>", want: Unavailable},
		"HTML":                 {status: 200, body: "<html></html>", want: Malformed},
		"cut":                  {status: 200, body: point[:40], want: Malformed},
		"where the caller is":  {status: 200, body: with(`"zone":"DE"`, `"zone":"US-CAR-DUK"`), want: ZoneDiffers, detail: "US-CAR-DUK"},
		"no zone":              {status: 200, body: with(`"zone":"DE",`, ``), want: ZoneDiffers},
		"sandbox":              {status: 200, body: with("TIME_SLICER_AVERAGE", "SANDBOX_MODE_DATA"), want: Sandbox, detail: "scrambled"},
		"null":                 {status: 200, body: with("302", "null"), want: Missing},
		"no value":             {status: 200, body: with(`"carbonIntensity":302,`, ""), want: Missing},
		"a text":               {status: 200, body: with("302", `"302"`), want: Malformed},
		"the other boundary":   {status: 200, body: with("lifecycle", "direct"), want: Malformed, detail: `"direct", asked for lifecycle`},
		"another granularity":  {status: 200, body: with(`"isEstimated"`, `"temporalGranularity":"yearly","isEstimated"`), want: Malformed, detail: "yearly"},
		"no time":              {status: 200, body: with(`"datetime":"2025-03-29T18:00:00.000Z",`, ""), want: Malformed, detail: "datetime"},
		"a time without place": {status: 200, body: with(`18:00:00.000Z`, "18:00:00"), want: Malformed},
	})
	testKeepsItsKey(t, electricityMaps, "DE")

	p := &electricityMapsProvider{Settings: Settings{Provenance: electricityMaps.Provenance}}
	_, err := p.read([]byte(`{"zone":"DE","data":[`+strings.Replace(point, `"DE"`, `"FR"`, 1)+`]}`), "DE", "past-range")
	assertReason(t, ZoneDiffers, err)
}

func TestElectricityMapsVersions(t *testing.T) {
	for version, path := range map[string]string{"": "/v4/carbon-intensity/latest", "v4": "/v4/carbon-intensity/latest", "v3": "/v3/carbon-intensity/latest"} {
		s := served(t, func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, path, r.URL.Path)
			assert.Equal(t, "direct", r.URL.Query().Get("emissionFactorType"))
			assert.NotContains(t, r.Header, "Auth-Token")
			_, _ = w.Write([]byte(strings.Replace(documented(t, "electricitymaps", "latest", "200"), "lifecycle", "direct", 1)))
		})
		s.Token, s.Provenance, s.Options = "", electricityMaps.Provenance, map[string]string{}
		s.Provenance.Boundary = grid.Direct
		if version != "" {
			s.Options["api_version"] = version
		}
		p, err := electricityMaps.New(*s)
		require.NoError(t, err)
		values, err := p.Latest(t.Context(), "DE")
		require.NoError(t, err)
		assert.Equal(t, grid.Direct, values[0].Boundary)
	}
	for message, options := range map[string]map[string]string{
		`options::api_version: "v5"; accepted: v3, v4`:           {"api_version": "v5"},
		`options::api_version: ""; accepted: v3, v4`:             {"api_version": ""},
		`options: "version" is not known; accepted: api_version`: {"api_version": "v3", "version": "v3"},
	} {
		_, err := electricityMaps.New(Settings{Options: options})
		assert.EqualError(t, err, message)
	}
}

func TestElectricityMapsOfTheFakeGrid(t *testing.T) {
	g := fakegrid.Start(t)
	g.Require(fakegrid.ElectricityMaps, testToken)
	now := time.Now().Truncate(time.Hour)
	for n := range 30 {
		start := now.Add(time.Duration(n-28) * time.Hour)
		kind := fakegrid.Measured
		switch {
		case n > 28:
			kind = fakegrid.Forecast
		case n > 26:
			kind = fakegrid.Estimated
		}
		g.Publish(fakegrid.ElectricityMaps, "DE", fakegrid.Point{Start: start, End: start.Add(time.Hour), GramsPerKWh: new(300 + float64(n)), Kind: kind})
	}
	for _, version := range []string{"v3", "v4"} {
		p, err := electricityMaps.New(Settings{
			Provenance: electricityMaps.Provenance, Endpoint: g.Endpoint(fakegrid.ElectricityMaps), Client: http.DefaultClient, Token: testToken,
			Options: map[string]string{"api_version": version},
		})
		require.NoError(t, err)
		g.Fail(fakegrid.ElectricityMaps)
		latest, err := p.Latest(t.Context(), "DE")
		require.NoError(t, err)
		require.Len(t, latest, 1)
		assert.Equal(t, grid.Estimated, latest[0].Quality)
		assert.True(t, now.Equal(latest[0].Start))
		assert.InDelta(t, 328, latest[0].GramsPerKWh, 0)
		history, err := p.History(t.Context(), "DE", now.Add(-28*time.Hour), now)
		require.NoError(t, err)
		assert.Len(t, history, 28)
		forecast, err := p.Forecast(t.Context(), "DE")
		require.NoError(t, err)
		assert.Len(t, forecast, 1)
		for want, fault := range map[Reason]fakegrid.Fault{
			ZoneDiffers: fakegrid.WrongZone(), Sandbox: fakegrid.Sandbox(), Missing: fakegrid.Nulls(), Malformed: fakegrid.HTML(), Unavailable: fakegrid.CutOff(),
		} {
			g.Fail(fakegrid.ElectricityMaps, fault)
			_, err = p.Latest(t.Context(), "DE")
			assertReason(t, want, err)
		}
	}
}

func TestElectricityMapsZones(t *testing.T) {
	for zone, want := range map[string]string{"deu": "DE", "eu-north-1": "SE-SE3", "aws/us-east-1": "US-MIDA-PJM", "dk-dk1": "DK-DK1", "JP-TK": "JP-TK", "FR-COR": "FR-COR", "XK": "XK", "ad": "AD", "XX": "XX"} {
		got, ok := electricityMaps.Zone(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, want, got, zone)
	}
	for _, zone := range []string{"", "CAMX", "WORLD", "GB-13", "CAISO_NORTH", "CISO", "DK1", "DE&zone=FR", "XQ", "UK", "xq-a"} {
		_, ok := electricityMaps.Zone(zone)
		assert.False(t, ok, zone)
	}
}

// With those that have a yearly average they are all of ISO 3166-1, which has 249.
func TestEveryCountryIsOne(t *testing.T) {
	isCountry := map[string]bool{}
	for _, a := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		for _, b := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
			if _, ok := electricityMaps.Zone(string(a) + string(b)); ok {
				isCountry[string(a)+string(b)] = true
			}
		}
	}
	assert.Len(t, isCountry, 249+len([]string{"XK", "XX"}))
}

func FuzzElectricityMaps(f *testing.F) {
	for _, what := range []string{"latest", "history", "past-range", "forecast"} {
		f.Add(documented(f, "electricitymaps", what, "200"), what)
	}
	f.Add(documented(f, "electricitymaps", "latest", "401"), "latest")
	f.Fuzz(func(t *testing.T, body, what string) {
		p := &electricityMapsProvider{Settings: Settings{Name: "electricitymaps", Provenance: electricityMaps.Provenance}}
		values, err := p.read([]byte(body), "DE", what)
		sane(t, values, err)
	})
}
