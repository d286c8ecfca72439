// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// started is a server at noon that has the hours from 10 to 14 of each API, of 100, 200 (now), 300 and 400 g/kWh:
// the first two known, all foretold; or of the first two the mix.
func started(t *testing.T) *Server {
	t.Helper()
	s := Start(t)
	s.SetNow(func() time.Time { return noon })
	for api, zone := range zones {
		if services[api].mixed {
			s.PublishMix(api, zone, mixes[api]...)
			continue
		}
		step := steps[api]
		for i, grams := range []float64{100, 200, 300, 400} {
			start := noon.Add(time.Duration(i-1) * step)
			s.Publish(api, zone, Point{Start: start, End: start.Add(step), GramsPerKWh: &grams, Kind: Forecast, Updated: noon.Add(-2 * time.Hour)})
			if i < 2 {
				s.Publish(api, zone, Point{Start: start, End: start.Add(step), GramsPerKWh: &grams, Kind: Kind(i)})
			}
		}
	}
	return s
}

const germany = "10Y1001A1001A83F"

var zones = map[API]string{
	ElectricityMaps: "DE", WattTime: "CAISO_NORTH", NESO: "GB", EnergyCharts: "de", ENTSOE: germany, EIA: "CISO", RTE: "FR", Energinet: "DK1",
	OpenElectricity: "NSW1",
}

var steps = map[API]time.Duration{
	ElectricityMaps: time.Hour, WattTime: 5 * time.Minute, NESO: 30 * time.Minute, EnergyCharts: 15 * time.Minute, RTE: 15 * time.Minute,
	Energinet: 5 * time.Minute,
}

var mixes = map[API][]Mix{
	EIA: {
		{noon.Add(-2 * time.Hour), noon.Add(-time.Hour), map[string]float64{"NG": 7123, "BAT": -40}},
		{noon.Add(-time.Hour), noon.Add(-30 * time.Minute), map[string]float64{"NG": 500}},
		{noon.Add(-30 * time.Minute), noon, map[string]float64{"NG": 700.5}},
	},
	ENTSOE: {
		{noon.Add(-2 * time.Hour), noon.Add(-time.Hour), map[string]float64{"B04": 10, "B10/out": 40}},
		{noon.Add(-time.Hour), noon, map[string]float64{"B04": 20}},
	},
	OpenElectricity: {
		{noon.Add(-10 * time.Minute), noon.Add(-5 * time.Minute), map[string]float64{"emissions/coal": 90, "energy/coal": 100, "emissions/solar": 0, "energy/solar": 80}},
		{noon.Add(-5 * time.Minute), noon, map[string]float64{"emissions": 45, "energy": 100}},
	},
}

// paths ask for all that each API has, of the default zone.
var paths = map[API]string{
	ElectricityMaps: "/v4/carbon-intensity/past-range?zone=DE&start=2026-11-22T00:00:00Z&end=2026-11-23T00:00:00Z",
	WattTime:        "/v3/historical?region=CAISO_NORTH&signal_type=co2_moer&include_imputed_marker=true&start=2026-11-22T00:00:00Z&end=2026-11-23T00:00:00Z",
	NESO:            "/intensity/2026-11-22T00:00Z/fw24h",
	EnergyCharts:    "/co2eq?country=de",
	ENTSOE:          "/api?documentType=A75&processType=A16&in_Domain=" + germany + "&periodStart=202611220000&periodEnd=202611230000",
	EIA:             "/v2/electricity/rto/fuel-type-data/data/?frequency=hourly&data[]=value&facets[respondent][]=CISO&start=2026-11-22T00&end=2026-11-23T00&sort[0][column]=period&sort[0][direction]=desc&length=5000",
	RTE:             "/api/explore/v2.1/catalog/datasets/eco2mix-national-tr/records?select=date_heure,taux_co2&where=taux_co2%20is%20not%20null&order_by=date_heure%20desc&timezone=UTC",
	Energinet:       `/dataset/CO2Emis?start=now-PT1H&filter={"PriceArea":["DK1"]}&sort=Minutes5UTC%20desc`,
	OpenElectricity: "/v4/data/network/NEM?metrics=emissions&metrics=energy&interval=5m&primary_grouping=network_region&date_start=2026-11-22T21:00:00",
}

type response struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
}

func get(t *testing.T, s *Server, api API, path string, header ...string) response {
	t.Helper()
	target, query, _ := cut(path)
	if query != "" {
		target += "?" + query
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint(api)+target, http.NoBody)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return response{answer.StatusCode, answer.Header, body, err}
}

// cut encodes the query, which is written here as it reads best.
func cut(path string) (target, query string, err error) {
	u, err := url.Parse(path)
	if err != nil {
		return path, "", err
	}
	return u.Path, u.Query().Encode(), nil
}

func (r response) json(t *testing.T) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(r.body, &v), "%s", r.body)
	return v
}

// at follows keys and indices.
func at(t *testing.T, v any, keys ...any) any {
	t.Helper()
	for _, key := range keys {
		switch key := key.(type) {
		case string:
			require.IsType(t, object{}, v)
			require.Contains(t, v, key)
			v = v.(object)[key]
		case int:
			require.IsType(t, []any{}, v)
			require.Greater(t, len(v.([]any)), key)
			v = v.([]any)[key]
		}
	}
	return v
}

// TestShapes compares the keys and types of answers with those that the documentation shows.
func TestShapes(t *testing.T) {
	text, err := os.ReadFile("testdata/fixtures.json")
	require.NoError(t, err)
	var fixtures any
	require.NoError(t, json.Unmarshal(text, &fixtures))
	for name, tt := range map[string]struct {
		api     API
		path    string
		fixture []any
		status  int
		setup   func(*Server)
	}{
		"em v3 latest":          {api: ElectricityMaps, path: "/v3/carbon-intensity/latest?zone=DE", fixture: []any{"electricitymaps", "latest", "200"}},
		"em no token":           {api: ElectricityMaps, path: "/v3/carbon-intensity/latest?zone=DE", fixture: []any{"electricitymaps", "latest", "401"}, status: 401, setup: func(s *Server) { s.Require(ElectricityMaps, "T") }},
		"em refused":            {api: ElectricityMaps, path: "/v3/carbon-intensity/latest?zone=DE", fixture: []any{"electricitymaps", "latest", "403"}, status: 403, setup: func(s *Server) { s.Fail(ElectricityMaps, Status(403, "")) }},
		"em v3 history":         {api: ElectricityMaps, path: "/v3/carbon-intensity/history?zone=DE", fixture: []any{"electricitymaps", "history", "200"}},
		"em v3 past-range":      {api: ElectricityMaps, path: "/v3/carbon-intensity/past-range?zone=DE&start=2026-11-22T00:00:00Z&end=2026-11-23T00:00:00Z", fixture: []any{"electricitymaps", "past-range", "200"}},
		"em v3 forecast":        {api: ElectricityMaps, path: "/v3/carbon-intensity/forecast?zone=DE", fixture: []any{"electricitymaps", "forecast", "200"}},
		"watttime login":        {api: WattTime, path: "/login", fixture: []any{"watttime", "login", "200"}},
		"watttime region":       {api: WattTime, path: "/v3/region-from-loc?signal_type=co2_moer&latitude=42.3&longitude=-72.6", fixture: []any{"watttime", "region-from-loc", "200"}},
		"watttime index":        {api: WattTime, path: "/v3/signal-index?region=CAISO_NORTH&signal_type=co2_moer", fixture: []any{"watttime", "signal-index", "200"}},
		"watttime historical":   {api: WattTime, path: paths[WattTime], fixture: []any{"watttime", "historical", "200"}},
		"watttime no time zone": {api: WattTime, path: "/v3/historical?region=CAISO_NORTH&signal_type=co2_moer&start=2026-11-22T00:00&end=2026-11-23T00:00", fixture: []any{"watttime", "historical", "400"}, status: 400},
		"watttime forecast":     {api: WattTime, path: "/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer", fixture: []any{"watttime", "forecast", "200"}},
		"neso now":              {api: NESO, path: "/intensity", fixture: []any{"uk_neso", "intensity", "200"}},
		"neso a wrong time":     {api: NESO, path: "/intensity/2026-11-22T00:00:00Z", fixture: []any{"uk_neso", "intensity", "400"}, status: 400},
		"neso a region": {api: NESO, path: "/regional/regionid/3", fixture: []any{"uk_neso", "regional_id", "200"}, setup: func(s *Server) {
			s.Publish(NESO, "3", Point{Start: noon, End: noon.Add(nesoStep), GramsPerKWh: new(266.0)})
		}},
		"energy-charts":     {api: EnergyCharts, path: paths[EnergyCharts], fixture: []any{"energy_charts", "co2eq", "200"}},
		"energy-charts, XX": {api: EnergyCharts, path: "/co2eq?country=xx", fixture: []any{"energy_charts", "422"}, status: 422},
		"energy-charts, prices": {api: EnergyCharts, path: "/price?bzn=DE-LU", fixture: []any{"energy_charts", "price", "200"}, setup: func(s *Server) {
			s.PublishPrices(EnergyCharts, "DE-LU", Price{noon, new(12.3)})
		}},
		"rte":                   {api: RTE, path: paths[RTE], fixture: []any{"rte_odre", "200"}},
		"energinet":             {api: Energinet, path: paths[Energinet], fixture: []any{"energinet", "200"}},
		"energinet forecast":    {api: Energinet, path: `/dataset/CO2EmisProg?start=now-PT1H&filter={"PriceArea":["DK1"]}`, fixture: []any{"energinet", "200"}},
		"eia":                   {api: EIA, path: paths[EIA], fixture: []any{"eia", "200"}},
		"eia no key":            {api: EIA, path: paths[EIA], fixture: []any{"eia", "403"}, status: 403, setup: func(s *Server) { s.Require(EIA, "K") }},
		"eia a wrong frequency": {api: EIA, path: "/v2/electricity/rto/fuel-type-data/data/?frequency=millenially", fixture: []any{"eia", "400"}, status: 400},
		"openelectricity":       {api: OpenElectricity, path: paths[OpenElectricity], fixture: []any{"openelectricity", "200"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t)
			if tt.setup != nil {
				tt.setup(s)
			}
			r := get(t, s, tt.api, tt.path)
			if tt.status == 0 {
				tt.status = http.StatusOK
			}
			require.Equal(t, tt.status, r.status, "%s", r.body)
			sameShape(t, "", at(t, fixtures, tt.fixture...), r.json(t))
		})
	}
}

// sameShape takes null for any type, and the first element of a list for all.
func sameShape(t *testing.T, where string, want, got any) {
	t.Helper()
	if want == nil || got == nil {
		return
	}
	require.IsType(t, want, got, where)
	switch want := want.(type) {
	case object:
		keys, served := []string{}, []string{}
		for key := range want {
			keys = append(keys, key)
		}
		for key := range got.(object) {
			served = append(served, key)
		}
		require.ElementsMatch(t, keys, served, where)
		for key := range want {
			sameShape(t, where+"."+key, want[key], got.(object)[key])
		}
	case []any:
		if len(want) == 0 || where == ".meta.warnings" { // there is no warning to give
			return
		}
		require.NotEmpty(t, got, where)
		for i, element := range got.([]any) {
			sameShape(t, fmt.Sprintf("%s[%d]", where, i), want[min(i, len(want)-1)], element)
		}
	}
}

func TestElectricityMaps(t *testing.T) {
	s := started(t)
	s.Publish(ElectricityMaps, "DE", Point{Start: noon, End: noon.Add(time.Hour), GramsPerKWh: new(212.7), Kind: Estimated})
	latest := func(version, query string) any {
		return get(t, s, ElectricityMaps, "/"+version+"/carbon-intensity/latest?zone=DE"+query).json(t)
	}
	assert.InDelta(t, 213.0, at(t, latest("v3", ""), "carbonIntensity"), 0)
	assert.NotContains(t, latest("v3", ""), "flowTraced")
	assert.InDelta(t, 212.7, at(t, latest("v4", ""), "carbonIntensity"), 0)
	assert.Equal(t, "15_minutes", at(t, latest("v4", "&temporalGranularity=15_minutes"), "temporalGranularity"))
	assert.Equal(t, "direct", at(t, latest("v4", "&emissionFactorType=direct"), "emissionFactorType"))
	assert.Equal(t, "2026-11-22T12:00:00.000Z", at(t, latest("v4", ""), "datetime"))
	assert.Equal(t, "TIME_SLICER_AVERAGE", at(t, latest("v4", ""), "estimationMethod"))
	assert.Equal(t, "2026-11-22T11:00:00.000Z", at(t, latest("v4", "&disableEstimations=true"), "datetime"), "the one before is measured")

	forecast := get(t, s, ElectricityMaps, "/v4/carbon-intensity/forecast?zone=DE&horizonHours=6").json(t)
	assert.Len(t, at(t, forecast, "forecast"), 3, "from now on")
	assert.Equal(t, "2026-11-22T10:00:00.000Z", at(t, forecast, "updatedAt"))
	ranged := get(t, s, ElectricityMaps, paths[ElectricityMaps]).json(t)
	assert.Len(t, at(t, ranged, "data"), 2)

	s.Publish(ElectricityMaps, "AT", Point{Start: noon, End: noon.Add(time.Hour), GramsPerKWh: new(1.0)})
	fallback := get(t, s, ElectricityMaps, "/v4/carbon-intensity/latest")
	assert.Equal(t, "AT", at(t, fallback.json(t), "zone"), "where the caller is")
	for path, status := range map[string]int{
		"/v4/carbon-intensity/latest?shouldUseFallbackCallerLookup=false": 404, "/v4/carbon-intensity/latest?zone=XX": 404, "/v5/carbon-intensity/latest?zone=DE": 404, "/v4/carbon-intensity/none?zone=DE": 404,
		"/v4/carbon-intensity/past-range?zone=DE&start=2026-11-01T00:00:00Z&end=2026-11-22T00:00:00Z": 400, "/v4/carbon-intensity/past-range?zone=DE": 400, "/v4/carbon-intensity/forecast?zone=DE&horizonHours=7": 400,
	} {
		assert.Equal(t, status, get(t, s, ElectricityMaps, path).status, path)
	}
	s.Fail(ElectricityMaps, Sandbox())
	assert.Equal(t, "SANDBOX_MODE_DATA", at(t, latest("v4", ""), "estimationMethod"))
}

func TestWattTime(t *testing.T) {
	s := started(t)
	history := get(t, s, WattTime, paths[WattTime]).json(t)
	assert.Equal(t, "2026-11-22T12:00:00+00:00", at(t, history, "data", 1, "point_time"))
	assert.InDelta(t, 200, at(t, history, "data", 1, "value").(float64)*0.45359237, 1e-9, "lbs/MWh")
	assert.Equal(t, true, at(t, history, "data", 1, "imputed_data_used"))
	assert.InDelta(t, 300, at(t, history, "meta", "data_point_period_seconds"), 0)
	end := get(t, s, WattTime, "/v3/historical?region=CAISO_NORTH&signal_type=co2_moer&start=2026-11-22T11:00Z&end=2026-11-22T13:00%2B01:00").json(t)
	assert.Len(t, at(t, end, "data"), 2, "the end is included")
	assert.Len(t, at(t, get(t, s, WattTime, "/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer&horizon_hours=1").json(t), "data"), 3)
	assert.InDelta(t, 50, at(t, get(t, s, WattTime, "/v3/signal-index?region=CAISO_NORTH&signal_type=co2_moer").json(t), "data", 0, "value"), 0)
	for path, status := range map[string]int{
		"/v3/forecast?region=CAISO_NORTH": 422, "/v3/forecast?signal_type=co2_moer": 422, "/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer&horizon_hours=99": 422,
		"/v3/forecast?region=PJM&signal_type=co2_moer": 403, "/v3/forecast?region=CAISO_NORTH&signal_type=health_damage": 403, "/v3/data?region=CAISO_NORTH&signal_type=co2_moer": 404,
		"/v3/historical?region=CAISO_NORTH&signal_type=co2_moer&start=2026-01-01T00:00:00Z&end=2026-11-01T00:00:00Z": 400, "/v3/region-from-loc?signal_type=co2_moer": 422,
	} {
		assert.Equal(t, status, get(t, s, WattTime, path).status, path)
	}
}

func TestNESO(t *testing.T) {
	s := started(t)
	all := get(t, s, NESO, paths[NESO]).json(t)
	assert.Len(t, at(t, all, "data"), 4)
	assert.Equal(t, "2026-11-22T11:30Z", at(t, all, "data", 0, "from"), "no seconds")
	assert.InDelta(t, 100, at(t, all, "data", 0, "intensity", "actual"), 0)
	assert.Equal(t, "low", at(t, all, "data", 0, "intensity", "index"))
	assert.Nil(t, at(t, all, "data", 1, "intensity", "actual"), "it is not over yet")
	assert.InDelta(t, 200, at(t, all, "data", 1, "intensity", "forecast"), 0)
	assert.Equal(t, "2026-11-22T12:00Z", at(t, get(t, s, NESO, "/intensity").json(t), "data", 0, "from"))
	assert.Len(t, at(t, get(t, s, NESO, "/intensity/2026-11-22T12:00Z/pt24h").json(t), "data"), 1)
	assert.Len(t, at(t, get(t, s, NESO, "/intensity/2026-11-22T12:10Z").json(t), "data"), 1)
	assert.Empty(t, at(t, get(t, s, NESO, "/intensity/2020-11-22T12:00Z").json(t), "data"))

	s.Publish(NESO, "13", Point{Start: noon, End: noon.Add(nesoStep), GramsPerKWh: new(50.0)})
	s.Publish(NESO, "3", Point{Start: noon, End: noon.Add(nesoStep), GramsPerKWh: new(60.0), Kind: Forecast})
	london := get(t, s, NESO, "/regional/regionid/13").json(t)
	assert.Equal(t, "London", at(t, london, "data", 0, "shortname"))
	assert.Equal(t, object{"forecast": 50.0, "index": "low"}, at(t, london, "data", 0, "data", 0, "intensity"), "a forecast only")
	ranged := get(t, s, NESO, "/regional/intensity/2026-11-22T12:00Z/2026-11-22T13:00Z/regionid/13").json(t)
	assert.InDelta(t, 13, at(t, ranged, "data", "regionid"), 0, "an object, not a list")
	for _, path := range []string{"/regional", "/regional/intensity/2026-11-22T12:00Z/fw48h"} {
		regions := get(t, s, NESO, path).json(t)
		assert.Len(t, at(t, regions, "data"), 1)
		assert.InDelta(t, 3, at(t, regions, "data", 0, "regions", 0, "regionid"), 0)
		assert.InDelta(t, 50, at(t, regions, "data", 0, "regions", 1, "intensity", "forecast"), 0)
	}
	for path, status := range map[string]int{
		"/regional/regionid/18": 400, "/intensity/2026-11-01T12:00Z/2026-11-22T12:00Z": 400, "/intensity/2026-11-22T12:00Z/2026-11-22T13:00:00Z": 400, "/nothing": 404,
	} {
		r := get(t, s, NESO, path)
		assert.Equal(t, status, r.status, path)
		assert.Contains(t, at(t, r.json(t), "error", "code"), strconv.Itoa(status))
	}
	s.Fail(NESO, WrongZone())
	assert.InDelta(t, 3, at(t, get(t, s, NESO, "/regional/regionid/13").json(t), "data", 0, "regionid"), 0)
}

func TestEnergyCharts(t *testing.T) {
	s := started(t)
	today := get(t, s, EnergyCharts, "/co2eq?country=de").json(t)
	n := len(at(t, today, "unix_seconds").([]any))
	assert.Len(t, at(t, today, "co2eq"), n)
	assert.Len(t, at(t, today, "co2eq_forecast"), n)
	assert.Equal(t, []any{100.0, 200.0, nil, nil, nil}, at(t, today, "co2eq").([]any)[:5])
	assert.Equal(t, []any{nil, nil, 300.0, 400.0, nil}, at(t, today, "co2eq_forecast").([]any)[:5])
	assert.InDelta(t, float64(noon.Add(11*time.Hour-15*time.Minute).Unix()), at(t, today, "unix_seconds", n-1), 0, "until the end of the day in Berlin")
	assert.Equal(t, true, at(t, today, "substitute"), "one is estimated")
	ranged := get(t, s, EnergyCharts, fmt.Sprintf("/co2eq?country=de&start=%d&end=%d", noon.Add(-time.Hour).Unix(), noon.Add(-time.Minute).Unix())).json(t)
	assert.Equal(t, []any{100.0}, at(t, ranged, "co2eq"))
	assert.Equal(t, false, at(t, ranged, "substitute"))
	local := get(t, s, EnergyCharts, "/co2eq?country=de&start=2026-11-22T13:00&end=2026-11-22T13:10").json(t)
	assert.Equal(t, []any{200.0}, at(t, local, "co2eq"), "13 o'clock in Berlin is noon")
	assert.Equal(t, 404, get(t, s, EnergyCharts, "/co2eq?country=de&start=2020-01-01&end=2020-01-02").status)
	assert.Equal(t, 422, get(t, s, EnergyCharts, "/co2eq?country=de&start=then").status)
	assert.Equal(t, 404, get(t, s, EnergyCharts, "/price?bzn=DE-LU").status)
}

// entsoeAnswer is what the tests read of both documents.
type entsoeAnswer struct {
	XMLName xml.Name
	Code    string         `xml:"Reason>code"`
	Text    string         `xml:"Reason>text"`
	Series  []entsoeSeries `xml:"TimeSeries"`
}

func (r response) xml(t *testing.T) entsoeAnswer {
	t.Helper()
	var a entsoeAnswer
	require.NoError(t, xml.Unmarshal(r.body, &a), "%s", r.body)
	return a
}

func (s *entsoeSeries) positions() map[int]float64 {
	positions := map[int]float64{}
	for _, p := range s.Points {
		positions[p.Position] = *p.Quantity
	}
	return positions
}

func TestENTSOE(t *testing.T) {
	s := started(t)
	a := get(t, s, ENTSOE, paths[ENTSOE]).xml(t)
	assert.Equal(t, "GL_MarketDocument", a.XMLName.Local)
	require.Len(t, a.Series, 2)
	assert.Equal(t, germany, a.Series[0].In.EIC)
	assert.Nil(t, a.Series[0].Out)
	assert.Equal(t, map[int]float64{1: 10, 2: 20}, a.Series[0].positions())
	assert.Equal(t, []string{"2026-11-22T10:00Z", "2026-11-22T12:00Z", "PT60M"}, []string{a.Series[0].Start, a.Series[0].End, a.Series[0].Resolution})
	assert.Nil(t, a.Series[1].In, "pumping")
	assert.Equal(t, germany, a.Series[1].Out.EIC)
	assert.Equal(t, "B10", a.Series[1].Fuel)

	nothing := get(t, s, ENTSOE, "/api?documentType=A75&processType=A16&in_Domain=10YFR-RTE------C&periodStart=202611220000&periodEnd=202611230000")
	assert.Equal(t, 200, nothing.status)
	assert.Equal(t, "Acknowledgement_MarketDocument", nothing.xml(t).XMLName.Local)
	assert.Equal(t, "999", nothing.xml(t).Code)
	assert.Contains(t, nothing.xml(t).Text, "No matching data found")
	wrong := get(t, s, ENTSOE, "/api?documentType=A75")
	assert.Equal(t, 400, wrong.status)
	assert.Equal(t, "999", wrong.xml(t).Code)
	assert.Equal(t, 503, get(t, s, ENTSOE, "/").status)

	s.Fail(ENTSOE, Duplicates())
	a = get(t, s, ENTSOE, paths[ENTSOE]).xml(t)
	require.Len(t, a.Series, 4)
	assert.Equal(t, []int{1, 1, 2, 2}, []int{a.Series[0].Sequence, a.Series[1].Sequence, a.Series[2].Sequence, a.Series[3].Sequence})
	assert.Equal(t, map[int]float64{1: 20, 2: 40}, a.Series[2].positions())
	s.Fail(ENTSOE, Throttle(""))
	assert.Contains(t, string(get(t, s, ENTSOE, paths[ENTSOE]).body), "400 only")
}

// golden.json: entsoe_a03, entsoe_a01
func TestENTSOECurves(t *testing.T) {
	quarters := func(megawatts ...float64) (mixes []Mix) {
		for i, mw := range megawatts {
			start := noon.Add(time.Duration(i-8) * 15 * time.Minute)
			if mw >= 0 {
				mixes = append(mixes, Mix{start, start.Add(15 * time.Minute), map[string]float64{"B16": mw / 4}})
			}
		}
		return mixes
	}
	for name, tt := range map[string]struct {
		curve string
		mixes []Mix
		want  []map[int]float64
	}{
		"A03":       {"A03", quarters(100, 110, 110, 110, 90, 90), []map[int]float64{{1: 100, 2: 110, 5: 90}}},
		"A03, gap":  {"A03", quarters(100, -1, 100), []map[int]float64{{1: 100}, {1: 100}}},
		"A01":       {"A01", quarters(100, 110, -1, 90), []map[int]float64{{1: 100, 2: 110, 4: 90}}},
		"A01, same": {"A01", quarters(100, 100), []map[int]float64{{1: 100, 2: 100}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			s.SetNow(func() time.Time { return noon })
			s.SetCurve(tt.curve)
			s.PublishMix(ENTSOE, germany, tt.mixes...)
			var got []map[int]float64
			for _, series := range get(t, s, ENTSOE, paths[ENTSOE]).xml(t).Series {
				assert.Equal(t, tt.curve, series.Curve)
				assert.Equal(t, "PT15M", series.Resolution)
				got = append(got, series.positions())
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestEIA(t *testing.T) {
	s := started(t)
	a := get(t, s, EIA, paths[EIA]).json(t)
	assert.InDelta(t, 3, at(t, a, "response", "total"), 0)
	row := func(i int) []any {
		return []any{at(t, a, "response", "data", i, "period"), at(t, a, "response", "data", i, "fueltype"), at(t, a, "response", "data", i, "value")}
	}
	assert.Equal(t, []any{"2026-11-22T12", "NG", "1200.5"}, row(0), "named after the end, summed, a string")
	assert.Equal(t, []any{"2026-11-22T11", "BAT", "-40"}, row(1))
	unknown := get(t, s, EIA, "/v2/electricity/rto/fuel-type-data/data/?facets[respondent][]=XXXX")
	assert.Equal(t, 200, unknown.status)
	assert.Empty(t, at(t, unknown.json(t), "response", "data"))
	cut := get(t, s, EIA, paths[EIA]+"&offset=1&facets[fueltype][]=NG").json(t)
	assert.Len(t, at(t, cut, "response", "data"), 1)
	assert.Equal(t, 404, get(t, s, EIA, "/v2/nothing").status)
	assert.Equal(t, 400, get(t, s, EIA, "/v2/electricity/rto/fuel-type-data/data/?start=2026").status)

	var many []Mix
	for i := range eiaMost + 1 {
		many = append(many, Mix{noon.Add(-time.Duration(i+1) * time.Hour), noon.Add(-time.Duration(i) * time.Hour), map[string]float64{"WND": 1}})
	}
	s.state(EIA).mixes["MISO"] = many
	full := get(t, s, EIA, "/v2/electricity/rto/fuel-type-data/data/?facets[respondent][]=MISO").json(t)
	assert.Len(t, at(t, full, "response", "data"), eiaMost)
	assert.Contains(t, at(t, full, "response", "warnings", 0, "description"), "5000 rows")
}

func TestRTE(t *testing.T) {
	s := started(t)
	const records = "/api/explore/v2.1/catalog/datasets/eco2mix-national-tr/records"
	results := func(path string) []any { return at(t, get(t, s, RTE, path).json(t), "results").([]any) }
	assert.Equal(t, []any{object{"date_heure": "2026-11-22T12:00:00+00:00", "taux_co2": 200.0}, object{"date_heure": "2026-11-22T11:45:00+00:00", "taux_co2": 100.0}}, results(paths[RTE]))
	newest := results(records + "?order_by=date_heure desc&limit=1")
	assert.Equal(t, []any{object{"date_heure": "2026-11-22T22:45:00+00:00", "taux_co2": nil}}, newest, "the rest of the day in Paris is null")
	assert.Len(t, results(records+"?where=date_heure >= '2026-11-22T12:00:00Z' and date_heure < date'2026-11-22T12:30:00Z'"), 2)
	assert.Len(t, results(records+"?where=date_heure > \"2026-11-22T11:45:00Z\" AND date_heure <= '2026-11-22T12:00:00%2B00:00'&select=taux_co2"), 1)
	assert.Len(t, results("/api/explore/v2.1/catalog/datasets/eco2mix-national-cons-def/records"), 1, "the other is estimated")
	for path, status := range map[string]int{
		records + "?limit=101": 400, records + "?where=taux_co2": 400, records + "?select=nothing": 400, records + "?where=date_heure > 'then'": 400,
		"/api/explore/v2.1/catalog/datasets/nothing/records": 404,
	} {
		r := get(t, s, RTE, path)
		assert.Equal(t, status, r.status, path)
		assert.Contains(t, r.json(t), "error_code")
	}
}

func TestEnerginet(t *testing.T) {
	s := started(t)
	a := get(t, s, Energinet, paths[Energinet]).json(t)
	assert.Equal(t, object{"Minutes5UTC": "2026-11-22T12:00:00", "Minutes5DK": "2026-11-22T13:00:00", "PriceArea": "DK1", "CO2Emission": 200.0}, at(t, a, "records", 0))
	count := func(query string) int {
		return len(at(t, get(t, s, Energinet, "/dataset/CO2Emis?"+query).json(t), "records").([]any))
	}
	assert.Equal(t, 1, count("start=2026-11-22T13:00"), "Danish time")
	assert.Equal(t, 1, count("start=2026-11-22T12:00&timezone=utc"))
	assert.Equal(t, 2, count("end=2026-11-23"))
	assert.Equal(t, 1, count("limit=1&offset=1"))
	assert.Equal(t, 2, count("limit=0&start=now-P1D&end=now%2BPT5M&sort=Minutes5UTC asc"))
	assert.Equal(t, 0, count(`filter={"PriceArea":["SE3"]}`), "not known")
	assert.Len(t, at(t, get(t, s, Energinet, "/dataset/CO2EmisProg?start=now").json(t), "records"), 3)
	for path, status := range map[string]int{"/dataset/None": 404, "/dataset/CO2Emis?start=then": 400, "/dataset/CO2Emis?filter={": 400, "/dataset/CO2Emis?sort=x": 400, "/dataset/CO2Emis?limit=x": 400} {
		assert.Equal(t, status, get(t, s, Energinet, path).status, path)
	}
}

func TestOpenElectricity(t *testing.T) {
	s := started(t)
	s.PublishMix(OpenElectricity, "WEM", Mix{noon.Add(-time.Hour), noon, map[string]float64{"emissions": 1200, "energy": 2400}})
	a := get(t, s, OpenElectricity, paths[OpenElectricity]).json(t)
	assert.Equal(t, "NSW1", at(t, a, "data", 0, "results", 0, "columns", "region"))
	assert.Equal(t, []any{[]any{"2026-11-22T21:50:00+10:00", 180.0}, []any{"2026-11-22T21:55:00+10:00", 100.0}}, at(t, a, "data", 1, "results", 0, "data"))
	assert.Len(t, at(t, a, "data", 1, "results"), 1, "the other market's region is not there")
	fuels := get(t, s, OpenElectricity, paths[OpenElectricity]+"&secondary_grouping=fueltech_group&network_region=NSW1").json(t)
	assert.Equal(t, object{"region": "NSW1", "fueltech_group": "solar"}, at(t, fuels, "data", 0, "results", 1, "columns"))
	assert.Equal(t, []any{[]any{"2026-11-22T21:50:00+10:00", 80.0}}, at(t, fuels, "data", 1, "results", 1, "data"))
	west := get(t, s, OpenElectricity, "/v4/data/network/WEM?metrics=energy&interval=5m&date_start=2026-11-22T19:30:00").json(t)
	assert.Len(t, at(t, west, "data", 0, "results", 0, "data"), 6)
	assert.Equal(t, []any{"2026-11-22T19:30:00+08:00", 200.0}, at(t, west, "data", 0, "results", 0, "data", 0), "spread evenly")
	for path, status := range map[string]int{
		"/v4/data/network/NEM?metrics=energy&date_start=2026-11-22T21:00:00%2B10:00": 400, "/v4/data/network/NEM?metrics=energy&date_start=2026-11-01T21:00:00": 400,
		"/v4/data/network/NEM?metrics=energy&date_start=2026-11-22T21:00:00&date_end=2026-11-22T21:30:00Z": 400,
		"/v4/data/network/NEM?metrics=energy&date_start=2026-11-20T21:00:00&date_end=2026-11-20T22:00:00":  404, "/v4/data/network/XXX": 404,
		"/v4/data/network/NEM?metrics=energy&date_start=2026-11-22T21:00:00&interval=2m": 422, "/v4/data/network/NEM?metrics=power&date_start=2026-11-22T21:00:00": 422, "/v4/data/network/NEM?date_start=2026-11-22T21:00:00": 422,
	} {
		assert.Equal(t, status, get(t, s, OpenElectricity, path).status, path)
	}
}

func TestRequests(t *testing.T) {
	s := started(t)
	get(t, s, RTE, "/some/path?a=b", "User-Agent", "me")
	require.Len(t, s.Requests(RTE), 1)
	r := s.Requests(RTE)[0]
	assert.Equal(t, []string{"GET", "/some/path", "b", "me"}, []string{r.Method, r.Path, r.Query.Get("a"), r.Header.Get("User-Agent")})
	assert.Equal(t, noon, r.At)
	assert.Empty(t, s.Requests(EIA))
	assert.Equal(t, slices.Sorted(slices.Values([]API{ElectricityMaps, WattTime, NESO, EnergyCharts, ENTSOE, EIA, RTE, Energinet, OpenElectricity})), keysOf(services))
}

func keysOf(m map[API]service) (keys []API) {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
