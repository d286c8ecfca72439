// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakegrid"
)

// operator is a grid operator that publishes intensities, without a key.
type operator struct {
	name       string
	api        fakegrid.API
	zone, id   string // ours, and what the API calls it
	known      grid.Quality
	foretells  bool
	namesZones bool
}

var operators = []operator{
	{"neso", fakegrid.NESO, "GB", "GB", grid.Measured, true, false},
	{"rte", fakegrid.RTE, "FR", "FR", grid.Estimated, false, false},
	{"energinet", fakegrid.Energinet, "DK1", "DK1", grid.Estimated, true, true},
	{"energycharts", fakegrid.EnergyCharts, "DE", "de", grid.Measured, false, false},
}

func (o operator) at(endpoint string) Provider {
	kind := Types[o.name]
	p, err := kind.New(Settings{Name: o.name, Provenance: kind.Provenance, Endpoint: endpoint, Client: http.DefaultClient})
	if err != nil {
		panic(err)
	}
	return p
}

// publish has the grid know two hours, and foretell two.
func (o operator) publish(g *fakegrid.Server) (now time.Time) {
	step := Types[o.name].Step
	now = time.Now().Truncate(step)
	for at := now.Add(-2 * time.Hour); at.Before(now.Add(2 * time.Hour)); at = at.Add(step) {
		p := fakegrid.Point{Start: at, End: at.Add(step), GramsPerKWh: new(float64(at.Unix()/60%500) + 1), Kind: fakegrid.Measured}
		if !at.Before(now) {
			p.Kind = fakegrid.Forecast
		}
		if p.Kind == fakegrid.Measured || o.foretells || o.name == "energycharts" {
			g.Publish(o.api, o.id, p)
		}
	}
	return now
}

func TestOperators(t *testing.T) {
	for _, o := range operators {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			g := fakegrid.Start(t)
			now := o.publish(g)
			p, step := o.at(g.Endpoint(o.api)), Types[o.name].Step
			check := func(values []grid.Value, quality grid.Quality) {
				require.NotEmpty(t, values)
				for _, v := range values {
					assert.InDelta(t, float64(v.Start.Unix()/60%500)+1, v.GramsPerKWh, 0.5, "%v", v)
					assert.Equal(t, step, v.End.Sub(v.Start))
					assert.Equal(t, o.zone, v.Zone)
					assert.Equal(t, o.name, v.Source)
					if quality != "" {
						assert.Equal(t, quality, v.Quality)
					}
				}
			}
			latest, err := p.Latest(t.Context(), o.zone)
			require.NoError(t, err)
			check(latest, "")
			newest := latest[0].Start
			for _, v := range latest {
				if v.Quality == o.known && v.Start.After(newest) {
					newest = v.Start
				}
			}
			assert.Less(t, now.Sub(newest), time.Hour)

			history, err := p.History(t.Context(), o.zone, now.Add(-90*time.Minute), now)
			require.NoError(t, err)
			check(history, o.known)
			assert.GreaterOrEqual(t, len(history), int(time.Hour/step))

			forecast, err := p.Forecast(t.Context(), o.zone)
			if !o.foretells {
				require.ErrorIs(t, err, ErrNotOffered)
				return
			}
			require.NoError(t, err)
			check(forecast, grid.Forecast)
		})
	}
}

func TestFaultsOfOperators(t *testing.T) {
	for want, fault := range map[Reason]fakegrid.Fault{
		Unauthorized:   fakegrid.Status(http.StatusForbidden, ""),
		NotFound:       fakegrid.Status(http.StatusNotFound, ""),
		Throttled:      fakegrid.Throttle("7"),
		Unavailable:    fakegrid.Status(http.StatusBadGateway, ""),
		Malformed:      fakegrid.Garbage(),
		"malformed ":   fakegrid.HTML(),
		"malformed  ":  fakegrid.Huge(),
		"unavailable ": fakegrid.CutOff(),
		Missing:        fakegrid.Nulls(),
	} {
		for _, o := range operators {
			t.Run(o.name+"/"+string(want), func(t *testing.T) {
				t.Parallel()
				g := fakegrid.Start(t)
				o.publish(g)
				g.Fail(o.api, fault)
				_, err := o.at(g.Endpoint(o.api)).Latest(t.Context(), o.zone)
				var e *Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, Reason(trimmed(string(want))), e.Reason, "%v", err)
				assert.True(t, want != Throttled || e.RetryAfter == 7*time.Second)
			})
		}
	}
}

func trimmed(s string) string {
	for s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

func TestAnotherZoneIsRefused(t *testing.T) {
	for _, o := range []operator{operators[2], {name: "neso", api: fakegrid.NESO, zone: "GB-3", id: "3"}} {
		g := fakegrid.Start(t)
		o.foretells = true
		o.publish(g)
		g.Fail(o.api, fakegrid.WrongZone())
		_, err := o.at(g.Endpoint(o.api)).Latest(t.Context(), o.zone)
		var e *Error
		require.ErrorAs(t, err, &e, o.name)
		assert.Equal(t, ZoneDiffers, e.Reason, o.name)
	}
}

// Of a region there are only forecasts, in another form.
func TestRegionOfGreatBritain(t *testing.T) {
	g := fakegrid.Start(t)
	o := operator{name: "neso", api: fakegrid.NESO, zone: "GB-3", id: "3", foretells: true}
	now := o.publish(g)
	p := o.at(g.Endpoint(o.api))
	for _, ask := range []func() ([]grid.Value, error){
		func() ([]grid.Value, error) { return p.Latest(t.Context(), "GB-3") },
		func() ([]grid.Value, error) { return p.History(t.Context(), "GB-3", now.Add(-time.Hour), now) },
		func() ([]grid.Value, error) { return p.Forecast(t.Context(), "GB-3") },
	} {
		values, err := ask()
		require.NoError(t, err)
		for _, v := range values {
			assert.Equal(t, grid.Forecast, v.Quality)
			assert.Equal(t, "GB-3", v.Zone)
		}
	}
}

func TestZonesOfOperators(t *testing.T) {
	for _, tt := range []struct{ provider, zone, want string }{
		{"neso", "GB", "GB"},
		{"neso", "eu-west-2", "GB"},
		{"neso", "gb-13", "GB-13"},
		{"neso", "GB-18", ""},
		{"neso", "FR", ""},
		{"rte", "FRA", "FR"},
		{"rte", "DE", ""},
		{"energinet", "DK-DK2", "DK2"},
		{"energinet", "dk1", "DK1"},
		{"energinet", "DK", ""},
		{"energycharts", "eu-central-1", "DE"},
		{"energycharts", "US", ""},
	} {
		got, ok := Types[tt.provider].Zone(tt.zone)
		assert.Equal(t, tt.want != "", ok, "%s of %s", tt.zone, tt.provider)
		assert.True(t, !ok || got == tt.want, "%s of %s is %s", tt.zone, tt.provider, got)
	}
}

// The documented answers, and what is like them.
func fuzz(f *testing.F, name, zone string, documented ...string) {
	f.Helper()
	for _, text := range documented {
		f.Add([]byte(text))
	}
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	f.Cleanup(server.Close)
	p := operator{name: name}.at(server.URL)
	f.Fuzz(func(t *testing.T, answer []byte) {
		body = answer
		values, err := p.Latest(t.Context(), zone)
		require.True(t, err != nil || len(values) > 0)
		for _, v := range values {
			require.True(t, v.End.After(v.Start), "%v", v)
		}
	})
}

func FuzzNESO(f *testing.F) {
	fuzz(f, "neso", "GB", `{"data":[{"from":"2018-01-20T12:00Z","to":"2018-01-20T12:30Z","intensity":{"forecast":266,"actual":263,"index":"moderate"}}]}`,
		`{"error":{"code":"400 Bad Request","message":"string"}}`)
}

func FuzzNESORegion(f *testing.F) {
	fuzz(f, "neso", "GB-3", `{"data":[{"regionid":3,"data":[{"from":"2018-01-20T12:00Z","to":"2018-01-20T12:30Z","intensity":{"forecast":266}}]}]}`,
		`{"data":{"regionid":3,"data":[]}}`)
}

func FuzzRTE(f *testing.F) {
	fuzz(f, "rte", "FR", `{"total_count":2300,"results":[{"date_heure":"2026-05-14T15:45:00+00:00","taux_co2":35}]}`)
}

func FuzzEnerginet(f *testing.F) {
	fuzz(f, "energinet", "DK1", `{"total":2,"dataset":"CO2Emis","records":[{"Minutes5UTC":"2024-07-05T13:50:00","PriceArea":"DK1","CO2Emission":36.96}]}`)
}

func FuzzEnergyCharts(f *testing.F) {
	fuzz(f, "energycharts", "DE", `{"unix_seconds":[1783893600,1783894500],"co2eq":[491.5,null],"co2eq_forecast":[null,505.0],"substitute":false,"deprecated":false}`,
		`{"unix_seconds":[9223372036854775807],"co2eq":[1e308]}`)
}
