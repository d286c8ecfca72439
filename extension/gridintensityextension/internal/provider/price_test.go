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

const (
	energyChartsPrices = `{"license_info":"CC BY 4.0 ...","unix_seconds":[1735686000,1735686900],"price":[12.3,-4.5],"unit":"EUR / MWh","deprecated":false}`
	energinetPrices    = `{"total":1,"dataset":"DayAheadPrices","records":[{"TimeUTC":"2026-11-23T12:15:00","TimeDK":"2026-11-23T13:15:00","PriceArea":"DK1","DayAheadPriceEUR":-12.5,"DayAheadPriceDKK":-93.36}]}`
)

func TestPrices(t *testing.T) {
	day := noon.Truncate(24 * time.Hour)
	for name, tt := range map[string]struct {
		api   fakegrid.API
		typ   Type
		area  string
		query map[string]string
	}{
		"energycharts": {fakegrid.EnergyCharts, energyCharts, "DE-LU", map[string]string{"bzn": "DE-LU", "start": "1795392000", "end": "1795564799"}},
		"energinet":    {fakegrid.Energinet, energinet, "DK1", map[string]string{"start": "2026-11-23T00:00", "end": "2026-11-25T00:00", "timezone": "utc", "limit": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := fakegrid.Start(t)
			var want []grid.Price
			for i := range 8 {
				eurPerMWh := float64(i*50 - 100)
				start := minute(15 * i)
				server.PublishPrices(tt.api, tt.area, fakegrid.Price{Start: start, EURPerMWh: &eurPerMWh})
				want = append(want, grid.Price{Start: start, End: start.Add(15 * time.Minute), Area: tt.area, Currency: "EUR", PerKWh: eurPerMWh / 1000})
			}
			p, err := tt.typ.New(Settings{Endpoint: server.Endpoint(tt.api), Client: http.DefaultClient})
			require.NoError(t, err)
			pricer := p.(Pricer)
			require.Contains(t, pricer.PriceAreas(), tt.area)
			ask := func() ([]grid.Price, error) {
				return pricer.Prices(t.Context(), tt.area, day, day.Add(48*time.Hour))
			}

			got, err := ask()
			require.NoError(t, err)
			assert.Equal(t, want, got, "below 0 as well")
			query := server.Requests(tt.api)[0].Query
			for key, want := range tt.query {
				assert.Equal(t, want, query.Get(key), key)
			}
			server.Fail(tt.api, fakegrid.Unsorted())
			got, err = ask()
			require.NoError(t, err)
			assert.ElementsMatch(t, want, got)

			_, err = pricer.Prices(t.Context(), "SE4", day, day.Add(48*time.Hour))
			require.True(t, isOf(err, NotFound, Missing), "%v", err)
			for _, fault := range []struct {
				fault fakegrid.Fault
				want  Reason
			}{
				{fakegrid.Nulls(), Missing},
				{fakegrid.HTML(), Malformed},
				{fakegrid.Garbage(), Malformed},
				{fakegrid.CutOff(), Unavailable},
				{fakegrid.Huge(), Malformed},
				{fakegrid.Status(http.StatusNotFound, ""), NotFound},
				{fakegrid.Throttle("9"), Throttled},
				{fakegrid.Status(http.StatusForbidden, ""), Unauthorized},
				{fakegrid.Status(http.StatusBadGateway, ""), Unavailable},
			} {
				server.Fail(tt.api, fault.fault)
				_, err := ask()
				assertReason(t, fault.want, err)
			}
		})
	}
}

func TestPricesOfAnotherArea(t *testing.T) {
	server := fakegrid.Start(t)
	server.PublishPrices(fakegrid.Energinet, "DK1", fakegrid.Price{Start: noon, EURPerMWh: new(1.0)})
	server.Fail(fakegrid.Energinet, fakegrid.WrongZone())
	p, err := energinet.New(Settings{Endpoint: server.Endpoint(fakegrid.Energinet), Client: http.DefaultClient})
	require.NoError(t, err)
	_, err = p.(Pricer).Prices(t.Context(), "DK1", noon, minute(60))
	assertReason(t, ZoneDiffers, err)
}

func TestEnergyChartsReadsPrices(t *testing.T) {
	prices, err := readEnergyChartsPrices([]byte(`{"unix_seconds":[0,3600,7200,14400],"price":[0,null,1000,1],"unit":"CHF/MWh"}`), "CH")
	require.NoError(t, err)
	hour := func(n int, perKWh float64) grid.Price {
		start := time.Unix(int64(n)*3600, 0).UTC()
		return grid.Price{Start: start, End: start.Add(time.Hour), Area: "CH", Currency: "CHF", PerKWh: perKWh}
	}
	assert.Equal(t, []grid.Price{hour(0, 0), hour(2, 1), hour(4, 0.001)}, prices, "hours, of which two are not there")

	prices, err = readEnergyChartsPrices([]byte(energyChartsPrices), "DE-LU")
	require.NoError(t, err)
	assert.Len(t, prices, 2)
	for name, tt := range map[string]struct {
		from, to string
		want     Reason
	}{
		"another unit":      {"EUR / MWh", "EUR / kWh", Malformed},
		"cents":             {"EUR / MWh", "ct / MWh", Malformed},
		"no unit":           {`,"unit":"EUR / MWh"`, "", Malformed},
		"a price too few":   {"12.3,", "", Malformed},
		"a null for a time": {"1735686000", "null", Malformed},
		"texts":             {"12.3", `"12.3"`, Malformed},
		"nulls":             {"12.3,-4.5", "null,null", Missing},
		"no times":          {energyChartsPrices, `{"unix_seconds":[],"price":[],"unit":"EUR / MWh"}`, Missing},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readEnergyChartsPrices([]byte(strings.Replace(energyChartsPrices, tt.from, tt.to, 1)), "DE-LU")
			assertReason(t, tt.want, err)
		})
	}
}

func TestEnerginetReadsPrices(t *testing.T) {
	prices, err := readEnerginetPrices([]byte(energinetPrices), "DK1")
	require.NoError(t, err)
	assert.Equal(t, []grid.Price{{Start: minute(15), End: minute(30), Area: "DK1", Currency: "EUR", PerKWh: -0.0125}}, prices)
	for name, tt := range map[string]struct {
		from, to string
		want     Reason
	}{
		"a null":             {"-12.5", "null", Missing},
		"no records":         {energinetPrices, `{"records":[]}`, Missing},
		"no area":            {`"PriceArea":"DK1",`, "", ZoneDiffers},
		"no time":            {`"TimeUTC":"2026-11-23T12:15:00",`, "", Malformed},
		"a time with a zone": {`12:15:00"`, `12:15:00Z"`, Malformed},
		"a decimal comma":    {"-12.5", `"-12,5"`, Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readEnerginetPrices([]byte(strings.Replace(energinetPrices, tt.from, tt.to, 1)), "DK1")
			assertReason(t, tt.want, err)
		})
	}
}

func fuzzPrices(f *testing.F, area string, read func(body []byte, area string) ([]grid.Price, error), documented ...string) {
	f.Helper()
	for _, text := range documented {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		prices, err := read(body, area)
		require.True(t, err != nil || len(prices) > 0)
		for _, p := range prices {
			require.True(t, p.End.After(p.Start), "%v", p)
			require.Equal(t, area, p.Area)
			require.Regexp(t, currencyCode, p.Currency)
		}
	})
}

func FuzzEnergyChartsPrices(f *testing.F) {
	fuzzPrices(f, "DE-LU", readEnergyChartsPrices, energyChartsPrices, `{"unix_seconds":[9223372036854775807],"price":[1e308],"unit":"EUR/MWh"}`)
}

func FuzzEnerginetPrices(f *testing.F) { fuzzPrices(f, "DK1", readEnerginetPrices, energinetPrices) }
