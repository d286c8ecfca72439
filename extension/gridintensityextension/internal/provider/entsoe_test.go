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
	"pgregory.net/rapid"
)

const (
	eicGermany = "10Y1001A1001A83F"
	noData     = `<?xml version="1.0" encoding="UTF-8"?>
<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">
  <mRID>a1</mRID>
  <createdDateTime>2025-03-01T12:00:00Z</createdDateTime>
  <received_MarketDocument.createdDateTime>2025-03-01T12:00:00Z</received_MarketDocument.createdDateTime>
  <Reason>
    <code>999</code>
    <text>No matching data found for Data item AGGREGATED_GENERATION_PER_TYPE_R3 [16.1.B&amp;C] (10Y1001A1001A83F) and interval 2025-03-03T23:00:00.000Z/2025-03-04T23:00:00.000Z.</text>
  </Reason>
</Acknowledgement_MarketDocument>`
)

// a75 is one series; its points are position, quantity, position, quantity ...
func a75(direction, fuel, curve, start, end, resolution string, points ...int) string {
	var xml strings.Builder
	fmt.Fprintf(&xml, `<TimeSeries><mRID>1</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>
<%sBiddingZone_Domain.mRID codingScheme="A01">%s</%sBiddingZone_Domain.mRID><quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name>
<curveType>%s</curveType><MktPSRType><psrType>%s</psrType></MktPSRType>
<Period><timeInterval><start>2026-11-22T%sZ</start><end>2026-11-22T%sZ</end></timeInterval><resolution>%s</resolution>`,
		direction, eicGermany, direction, curve, fuel, start, end, resolution)
	for i := 0; i < len(points); i += 2 {
		fmt.Fprintf(&xml, `<Point><position>%d</position><quantity>%d</quantity></Point>`, points[i], points[i+1])
	}
	xml.WriteString(`</Period></TimeSeries>`)
	return xml.String()
}

func gl(series ...string) string {
	return `<?xml version="1.0" encoding="utf-8"?><GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"><mRID>x</mRID><type>A75</type>` + strings.Join(series, "") + `</GL_MarketDocument>`
}

// golden.json: entsoe_a03, entsoe_a01
func TestENTSOECurves(t *testing.T) {
	for curve, tt := range map[string]struct {
		end    string
		points []entsoePoint
		want   map[string]float64
	}{
		"A03": {
			"2026-11-22T01:30Z",
			[]entsoePoint{{1, new(100.0)}, {2, new(110.0)}, {5, new(90.0)}},
			map[string]float64{"00:00": 100, "00:15": 110, "00:30": 110, "00:45": 110, "01:00": 90, "01:15": 90},
		},
		"A01": {
			"2026-11-22T01:00Z",
			[]entsoePoint{{1, new(100.0)}, {2, new(110.0)}, {4, new(90.0)}},
			map[string]float64{"00:00": 100, "00:15": 110, "00:45": 90},
		},
	} {
		t.Run(curve, func(t *testing.T) {
			p := entsoePeriod{Start: "2026-11-22T00:00Z", End: tt.end, Resolution: "PT15M", Points: tt.points}
			got := map[string]float64{}
			require.NoError(t, p.expand(curve, 15*time.Minute, func(at time.Time, megawatts float64) error {
				got[at.Format("15:04")] = megawatts
				return nil
			}))
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestENTSOE(t *testing.T) {
	p, requests := asked(t, entsoe, http.StatusOK, nil, gl(
		a75("in", "B19", "A03", "00:00", "01:00", "PT15M", 1, 30, 3, 60),
		a75("in", "B04", "A01", "00:00", "02:00", "PT60M", 1, 10, 2, 10), // of the second hour there is no wind yet
		a75("in", "B10", "A03", "00:00", "01:00", "PT15M", 1, 500),
		a75("out", "B10", "A03", "00:00", "01:00", "PT15M", 1, 4000),
		a75("out", "B04", "A03", "00:00", "01:00", "PT15M", 1, 4000),
	))
	from := time.Date(2026, 11, 22, 0, 20, 0, 0, time.UTC)
	values, err := p.History(t.Context(), eicGermany, from, from.Add(time.Hour))
	require.NoError(t, err)
	require.Len(t, values, 4)
	for i, want := range []float64{(30*11 + 10*490) / 40.0, (30*11 + 10*490) / 40.0, (60*11 + 10*490) / 70.0, (60*11 + 10*490) / 70.0} {
		assert.InDelta(t, want, values[i].GramsPerKWh, 1e-9)
		assert.Equal(t, from.Truncate(time.Hour).Add(time.Duration(i)*15*time.Minute), values[i].Start)
		assert.Equal(t, 15*time.Minute, values[i].End.Sub(values[i].Start))
		assert.Equal(t, eicGermany, values[i].Zone)
	}
	request := (*requests)[0]
	assert.Equal(t, "/api", request.URL.Path)
	for key, want := range map[string]string{
		"securityToken": testToken, "documentType": "A75", "processType": "A16", "in_Domain": eicGermany,
		"periodStart": "202611220000", "periodEnd": "202611220200",
	} {
		assert.Equal(t, want, request.URL.Query().Get(key), key)
	}
	values, err = p.Latest(t.Context(), eicGermany)
	require.NoError(t, err)
	assert.Len(t, values, 4)
	_, err = p.Forecast(t.Context(), eicGermany)
	assert.ErrorIs(t, err, ErrNotOffered)
}

func TestENTSOETakesTheLowestSequence(t *testing.T) {
	sequence := func(n int, series string) string {
		return strings.Replace(series, "<mRID>", fmt.Sprintf("<classificationSequence_AttributeInstanceComponent.position>%d</classificationSequence_AttributeInstanceComponent.position><mRID>", n), 1)
	}
	p := &entsoeProvider{Settings{Provenance: mixProvenance}}
	values, err := p.read([]byte(gl(
		sequence(2, a75("in", "B19", "A03", "00:00", "01:00", "PT60M", 1, 999)),
		sequence(1, a75("in", "B19", "A03", "00:00", "01:00", "PT60M", 1, 10)),
		sequence(3, a75("in", "B19", "A03", "00:00", "01:00", "PT60M", 1, 999)),
		a75("in", "B02", "A03", "00:00", "01:00", "PT60M", 1, 10),
	)), eicGermany)
	require.NoError(t, err)
	require.Len(t, values, 1)
	assert.InDelta(t, (11+820)/2.0, values[0].GramsPerKWh, 1e-9)
	assert.Equal(t, time.Hour, values[0].End.Sub(values[0].Start))
}

func TestENTSOERefusals(t *testing.T) {
	wind := a75("in", "B19", "A03", "00:00", "01:00", "PT15M", 1, 30)
	testRefusals(t, entsoe, eicGermany, map[string]refusalCase{
		"no data":                 {status: 200, body: noData, want: Missing, detail: "No matching data"},
		"no data, with an error":  {status: 400, body: noData, want: Missing, detail: "No matching data"},
		"a wrong parameter":       {status: 400, body: strings.ReplaceAll(noData, "No matching data found", "Invalid query attributes or parameters"), want: NotFound, detail: "Invalid query"},
		"a wrong key":             {status: 401, body: strings.ReplaceAll(noData, "No matching data found", "Unauthorized. Missing or invalid security token "+testToken), want: Unauthorized},
		"a wrong key, in HTML":    {status: 401, header: map[string]string{"Content-Type": "text/html;charset=UTF-8"}, body: "<html>Unauthorized</html>", want: Unauthorized},
		"banned":                  {status: 429, body: "Max allowed requests per minute from each unique IP is max up to 400 only", want: Throttled, detail: "400 only", retry: 10 * time.Minute},
		"banned, and says so":     {status: 429, header: map[string]string{"Retry-After": "60"}, want: Throttled, retry: time.Minute},
		"out of order":            {status: 503, header: map[string]string{"Content-Type": "text/html"}, body: "<html>Service Unavailable</html>", want: Unavailable, detail: "503"},
		"refused, in HTML":        {status: 400, header: map[string]string{"Content-Type": "text/html"}, body: "<html>Bad Request</html>", want: NotFound, detail: "400"},
		"HTML":                    {status: 200, body: "<!DOCTYPE html><html><br></html>", want: Malformed},
		"XHTML":                   {status: 200, body: "<html></html>", want: Malformed, detail: "html"},
		"another document":        {status: 200, body: "<Publication_MarketDocument/>", want: Malformed, detail: "Publication_MarketDocument"},
		"cut off":                 {status: 200, body: gl(wind)[:300], want: Malformed},
		"empty":                   {status: 200, want: Malformed},
		"no series":               {status: 200, body: gl(), want: Missing},
		"only pumping":            {status: 200, body: gl(strings.ReplaceAll(wind, "inBidding", "outBidding")), want: Missing},
		"another zone":            {status: 200, body: gl(strings.ReplaceAll(wind, eicGermany, "10YFR-RTE------C")), want: ZoneDiffers, detail: "10YFR-RTE------C"},
		"another unit":            {status: 200, body: gl(strings.ReplaceAll(wind, "MAW", "KWT")), want: Malformed, detail: "KWT"},
		"another resolution":      {status: 200, body: gl(strings.ReplaceAll(wind, "PT15M", "P1D")), want: Malformed, detail: "P1D"},
		"a position outside":      {status: 200, body: gl(a75("in", "B19", "A03", "00:00", "01:00", "PT15M", 5, 30)), want: Malformed, detail: "position 5 of 4"},
		"position 0":              {status: 200, body: gl(a75("in", "B19", "A03", "00:00", "01:00", "PT15M", 0, 30)), want: Malformed, detail: "position 0"},
		"an end before the start": {status: 200, body: gl(a75("in", "B19", "A03", "01:00", "00:00", "PT15M", 1, 30)), want: Malformed, detail: "period"},
		"a broken step":           {status: 200, body: gl(a75("in", "B19", "A03", "00:00", "01:05", "PT15M", 1, 30)), want: Malformed, detail: "period"},
		"a broken start":          {status: 200, body: gl(a75("in", "B19", "A03", "00:05", "01:05", "PT15M", 1, 30)), want: Malformed, detail: "period"},
		"no number":               {status: 200, body: gl(strings.ReplaceAll(wind, ">30<", ">NaN<")), want: Absurd},
		"no text":                 {status: 200, body: gl(strings.ReplaceAll(wind, ">30<", ">many<")), want: Malformed},
	})
	testKeepsItsKey(t, entsoe, eicGermany)
}

func TestENTSOEZones(t *testing.T) {
	for zone, want := range map[string]string{
		"DE": eicGermany, "de": eicGermany, "DEU": eicGermany, "DE_LU": "10Y1001A1001A82H", "NO_2": "10YNO-2--------T", eicGermany: eicGermany,
		"eu-central-1": "10Y1001A1001A82H", "azure/northeurope": "10Y1001A1001A59C", "eu-north-1": "10Y1001A1001A46L",
	} {
		got, ok := entsoe.Zone(zone)
		assert.True(t, ok, zone)
		assert.Equal(t, want, got, zone)
	}
	for _, zone := range []string{"US", "us-east-1", "IS", "", "10Y0000000000000"} {
		_, ok := entsoe.Zone(zone)
		assert.False(t, ok, zone)
	}
	for _, row := range table("entsoe_areas.csv") {
		require.Len(t, row[1], 16, row[0])
	}
}

func FuzzENTSOE(f *testing.F) {
	f.Add(gl(a75("in", "B19", "A03", "00:00", "01:00", "PT15M", 1, 30, 3, 60), a75("in", "B04", "A01", "00:00", "02:00", "PT60M", 1, 10)))
	f.Add(gl(a75("out", "B10", "A01", "00:00", "01:00", "PT30M", 1, -30)))
	f.Add(noData)
	f.Add("<html></html>")
	f.Fuzz(func(t *testing.T, body string) {
		p := &entsoeProvider{Settings{Name: "entsoe", Provenance: mixProvenance}}
		values, err := p.read([]byte(body), eicGermany)
		sane(t, values, err)
	})
}

// On an A03 curve each step has what the last position before it says; a finer step changes nothing.
func TestENTSOEExpandsAnyCurve(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hours := rapid.IntRange(1, 20).Draw(rt, "hours")
		given := rapid.MapOf(rapid.IntRange(1, hours), rapid.Float64Range(0, 1e5)).Draw(rt, "points")
		p := entsoePeriod{Start: "2026-11-22T00:00Z", End: fmt.Sprintf("2026-11-22T%02d:00Z", hours), Resolution: "PT60M"}
		for position, quantity := range given {
			p.Points = append(p.Points, entsoePoint{position, &quantity})
		}
		start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		got := map[time.Time]float64{}
		require.NoError(rt, p.expand("A03", 15*time.Minute, func(at time.Time, megawatts float64) error {
			require.NotContains(rt, got, at)
			got[at] = megawatts
			return nil
		}))
		for quarter := range 4 * hours {
			want, known := 0.0, false
			for position := quarter/4 + 1; position > 0 && !known; position-- {
				want, known = given[position]
			}
			at := start.Add(time.Duration(quarter) * 15 * time.Minute)
			quantity, ok := got[at]
			require.Equal(rt, known, ok)
			require.InDelta(rt, want, quantity, 0)
			delete(got, at)
		}
		require.Empty(rt, got)
	})
}
