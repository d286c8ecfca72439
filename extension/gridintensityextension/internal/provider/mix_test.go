// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// golden.json: fuel_mix_lifecycle
func TestIntensityOfAMix(t *testing.T) {
	got, ok := mix{"NG": 7123, "SUN": 5200, "WND": 1800, "NUC": 2260, "WAT": 1400, "GEO": 700, "COL": 15, "BAT": -1200, "OTH": 120}.intensity()
	require.True(t, ok)
	assert.InEpsilon(t, 210.9619722848856, got, 1e-9)
}

func TestIntensityOfSmallMixes(t *testing.T) {
	for name, tt := range map[string]struct {
		mix   mix
		grams float64
		ok    bool
	}{
		"nothing":                  {mix{}, 0, false},
		"only load":                {mix{"SUN": -1, "PS": -300}, 0, false},
		"zero":                     {mix{"COL": 0}, 0, false},
		"load is not generation":   {mix{"COL": 100, "WND": -50}, 820, true},
		"storage counts not twice": {mix{"WAT": 100, "PS": 50, "BAT": 50, "B10": 1}, 24, true},
		"only storage":             {mix{"BAT": 100}, 0, false},
		"an unknown code":          {mix{"XYZ": 1}, 700, true},
		"a new code of EIA":        {mix{"SNB": 1, "WNB": 1}, 28, true},
		"ENTSO-E":                  {mix{"B02": 1, "B04": 1, "B14": 2}, (820.0 + 490 + 24) / 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := tt.mix.intensity()
			assert.Equal(t, tt.ok, ok)
			if ok {
				assert.InDelta(t, tt.grams, got, 1e-9)
			}
		})
	}
}

func TestEveryFuelHasAFactor(t *testing.T) {
	storage := 0
	for _, row := range table("fuels.csv") {
		require.Len(t, row, 4)
		factor, stores := factorOf(row[0])
		if stores {
			storage++
			continue
		}
		assert.Equal(t, row[1], fmt.Sprint(factor))
		assert.Positive(t, factor, row[0])
		for code := range strings.SplitSeq(row[2]+";"+row[3], ";") {
			same, stores := factorOf(code)
			assert.False(t, stores)
			assert.InDelta(t, factor, same, 0, code)
		}
	}
	assert.Equal(t, 1, storage)
	for n := 1; n <= 20; n++ { // every type of generation of ENTSO-E
		assert.Contains(t, fuels(), fmt.Sprintf("B%02d", n))
	}
}

// The intensity is between the lowest and the highest factor, and does not depend on the unit.
func TestIntensityIsAMean(t *testing.T) {
	codes := []string{"NG", "SUN", "COL", "NUC", "BAT", "PS", "OTH", "B04", "new"}
	rapid.Check(t, func(rt *rapid.T) {
		m := mix(rapid.MapOf(rapid.SampledFrom(codes), rapid.Float64Range(-1e5, 1e5)).Draw(rt, "mix"))
		scaled := mix{}
		for code, amount := range m {
			scaled[code] = amount * 1000
		}
		got, ok := m.intensity()
		again, okAgain := scaled.intensity()
		require.Equal(rt, ok, okAgain)
		if ok {
			require.GreaterOrEqual(rt, got, 11.0-1e-9)
			require.LessOrEqual(rt, got, 820.0+1e-9)
			require.InEpsilon(rt, got, again, 1e-9)
		}
	})
}

func TestAnIntervalWithoutAFuelIsLeftOut(t *testing.T) {
	s := Settings{Name: "mine", Provenance: mixProvenance}
	hour := func(n int) time.Time { return time.Date(2026, 11, 23, n, 0, 0, 0, time.UTC) }
	g := generation{}
	for n := range 4 {
		require.NoError(t, g.add(hour(n), "WND", 90))
		require.NoError(t, g.add(hour(n), "PS", 500))
		if n < 3 {
			require.NoError(t, g.add(hour(n), "COL", 10))
		}
		if n == 0 {
			require.NoError(t, g.add(hour(n), "OIL", 0.5)) // a plant that mostly stands still
		}
		if n == 1 {
			delete(g[hour(n).Unix()], "PS")
		}
	}
	values, err := g.values(&s, "Z", time.Hour)
	require.NoError(t, err)
	require.Len(t, values, 3, "the last hour has no coal yet")
	assert.Equal(t, grid.Value{Start: hour(1), End: hour(2), Intensity: grid.Intensity{
		GramsPerKWh: (90*11 + 10*820) / 100.0, Quality: grid.Measured,
		Provenance: grid.Provenance{
			Zone: "Z", Source: "mine", Boundary: grid.Lifecycle, Basis: grid.Production, Gas: grid.CO2e, Edition: "IPCC AR5 2014 lifecycle medians",
		},
	}}, values[1])

	_, err = generation{hour(0).Unix(): {"BAT": 5}}.values(&s, "Z", time.Hour)
	assertReason(t, Missing, err)
	assertReason(t, Absurd, g.add(hour(0), "COL", math.NaN()))
	assertReason(t, Absurd, g.add(hour(0), "COL", math.Inf(-1)))
}

func assertReason(t *testing.T, want Reason, err error) {
	t.Helper()
	var e *Error
	if assert.ErrorAs(t, err, &e) {
		assert.Equal(t, want, e.Reason, err.Error())
	}
}

const testToken = "b7f9c2d4-secret"

// asked is a provider whose service always gives the same answer, and the requests that it got.
func asked(t *testing.T, typ Type, status int, header map[string]string, body string) (Provider, *[]*http.Request) {
	t.Helper()
	var requests []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r)
		for key, value := range header {
			w.Header().Set(key, value)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	p, err := typ.New(Settings{Name: "mine", Provenance: typ.Provenance, Endpoint: server.URL, Client: server.Client(), Token: testToken})
	require.NoError(t, err)
	return p, &requests
}

type refusalCase struct {
	status int
	header map[string]string
	body   string
	want   Reason
	detail string
	retry  time.Duration
}

// testRefusals asks for the history of a zone and for the latest.
func testRefusals(t *testing.T, typ Type, zone string, cases map[string]refusalCase) {
	t.Helper()
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			p, _ := asked(t, typ, tt.status, tt.header, tt.body)
			_, latest := p.Latest(t.Context(), zone)
			_, history := p.History(t.Context(), zone, time.Unix(1.7e9, 0), time.Unix(1.7e9+3600, 0))
			for _, err := range []error{latest, history} {
				assertReason(t, tt.want, err)
				require.ErrorContains(t, err, tt.detail)
				assert.NotContains(t, err.Error(), testToken)
				var e *Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tt.retry, e.RetryAfter)
			}
		})
	}
}

// A redirect would carry the key, which is in the URL.
func testKeepsItsKey(t *testing.T, typ Type, zone string) {
	t.Helper()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed elsewhere") }))
	defer elsewhere.Close()
	p, _ := asked(t, typ, http.StatusFound, map[string]string{"Location": elsewhere.URL}, "see "+elsewhere.URL+"?key="+testToken)
	_, err := p.Latest(t.Context(), zone)
	assertReason(t, Unavailable, err)
	assert.NotContains(t, err.Error(), testToken)

	p, requests := asked(t, typ, http.StatusOK, nil, "<b>your key "+testToken+"</b>")
	_, err = p.Latest(t.Context(), zone)
	assertReason(t, Malformed, err)
	assert.NotContains(t, err.Error(), testToken)
	assert.Contains(t, (*requests)[0].URL.String()+fmt.Sprint((*requests)[0].Header), testToken)
}

// sane is what each value of any answer is.
func sane(t *testing.T, values []grid.Value, err error) {
	t.Helper()
	if err != nil {
		assert.Empty(t, values)
		return
	}
	assert.NotEmpty(t, values)
	for _, v := range values {
		assert.True(t, v.End.After(v.Start), "%s to %s", v.Start, v.End)
		assert.False(t, math.IsNaN(v.GramsPerKWh) || math.IsInf(v.GramsPerKWh, 0), "%g", v.GramsPerKWh)
	}
}
