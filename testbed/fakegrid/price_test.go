// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrices(t *testing.T) {
	s := started(t)
	for i, eur := range []float64{1, -2, 3} {
		for _, api := range []API{EnergyCharts, Energinet} {
			s.PublishPrices(api, "DK1", Price{noon.Add(time.Duration(i) * 15 * time.Minute), new(9.0)}, Price{noon.Add(time.Duration(i) * 15 * time.Minute), &eur})
		}
	}
	const charts = "/price?bzn=DK1&start=1795348800&end=1795349700" // noon and a quarter past, which is included
	r := get(t, s, EnergyCharts, charts)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	assert.Equal(t, []any{1795348800.0, 1795349700.0}, at(t, r.json(t), "unix_seconds"))
	assert.Equal(t, []any{1.0, -2.0}, at(t, r.json(t), "price"))
	assert.Equal(t, http.StatusNotFound, get(t, s, EnergyCharts, "/price?bzn=dk1").status, "the case counts")
	assert.Equal(t, http.StatusUnprocessableEntity, get(t, s, EnergyCharts, "/price?start=noon").status)

	const net = `/dataset/DayAheadPrices?start=2026-11-22T12:15&end=2026-11-22T13:00&timezone=utc&filter={"PriceArea":["DK1"]}&limit=0`
	r = get(t, s, Energinet, net)
	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	records := at(t, r.json(t), "records").([]any)
	require.Len(t, records, 2)
	assert.Equal(t, object{"TimeUTC": "2026-11-22T12:30:00", "TimeDK": "2026-11-22T13:30:00", "PriceArea": "DK1", "DayAheadPriceEUR": 3.0, "DayAheadPriceDKK": nil}, records[0], "the newest first")
	assert.InDelta(t, -2, at(t, get(t, s, Energinet, net+"&sort=TimeUTC%20asc").json(t), "records", 0, "DayAheadPriceEUR"), 0)

	s.Fail(EnergyCharts, Nulls(), Skew(time.Hour))
	assert.Equal(t, []any{nil, nil}, at(t, get(t, s, EnergyCharts, charts).json(t), "price"))
	assert.Equal(t, []any{1795352400.0, 1795353300.0}, at(t, get(t, s, EnergyCharts, charts).json(t), "unix_seconds"))
}
