// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // two services have local times
)

// energyCharts has parallel arrays: the forecast where there is no value, null in both for the rest of the day.
var energyCharts = service{
	answer: (*query).energyCharts,
	refuse: func(status int, message string) reply {
		if status == http.StatusUnprocessableEntity {
			return energyChartsInvalid("country", message)
		}
		return answerWith(status, object{"detail": message})
	},
}

const energyChartsStep = 15 * time.Minute

func energyChartsInvalid(field, message string) reply {
	return answerWith(http.StatusUnprocessableEntity, object{
		"detail": []object{{"loc": []string{"query", field}, "msg": message, "type": "value_error"}},
	})
}

func (q *query) energyCharts() reply {
	switch q.path {
	case "/co2eq":
	case "/price":
		return q.energyChartsPrices()
	default:
		return q.service.refuse(http.StatusNotFound, "Not Found")
	}
	country := strings.ToUpper(q.or("country", "de"))
	if !q.published(country) {
		return energyChartsInvalid("country", "value is not a valid enumeration member")
	}
	from, to, ok := q.energyChartsRange()
	if !ok {
		return energyChartsInvalid("start", "invalid datetime format")
	}
	var seconds []int64
	var values, forecasts []*float64
	add := func(start time.Time, value, forecast *float64) {
		seconds, values, forecasts = append(seconds, start.Unix()), append(values, value), append(forecasts, forecast)
	}
	estimated, next := false, from
	for _, r := range q.rows(country, from, to) {
		next = maxTime(next, r.end)
		switch {
		case r.known != nil:
			estimated = estimated || r.known.Kind == Estimated
			add(r.start, r.known.GramsPerKWh, nil)
		default:
			add(r.start, nil, r.foretold.GramsPerKWh)
		}
	}
	if len(seconds) == 0 {
		return q.service.refuse(http.StatusNotFound, "no content available")
	}
	for ; next.Before(to); next = next.Add(energyChartsStep) {
		add(next, nil, nil)
	}
	return answer(object{"unix_seconds": seconds, "co2eq": values, "co2eq_forecast": forecasts, "substitute": estimated, "deprecated": false})
}

// energyChartsPrices: the case of bidding zones counts.
func (q *query) energyChartsPrices() reply {
	from, to, ok := q.energyChartsRange()
	if !ok {
		return energyChartsInvalid("start", "invalid datetime format")
	}
	var seconds []int64
	var prices []*float64
	for _, p := range q.prices(q.or("bzn", "DE-LU"), from, to) {
		seconds, prices = append(seconds, p.Start.Unix()), append(prices, p.EURPerMWh)
	}
	if len(seconds) == 0 {
		return q.service.refuse(http.StatusNotFound, "no content available")
	}
	return answer(object{
		"license_info": "CC BY 4.0 (creativecommons.org/licenses/by/4.0) from Bundesnetzagentur | SMARD.de",
		"unix_seconds": seconds, "price": prices, "unit": "EUR / MWh", "deprecated": false,
	})
}

// energyChartsRange is today in Germany if nothing is asked for.
func (q *query) energyChartsRange() (from, to time.Time, ok bool) {
	local := location("Europe/Berlin")
	today := startOfDay(q.now, local)
	from, ok1 := energyChartsTime(q.Get("start"), today, local)
	to, ok2 := energyChartsTime(q.Get("end"), today.AddDate(0, 0, 1), local)
	if q.Get("end") != "" {
		to = to.Add(1) // it is included
	}
	return from, to, ok1 && ok2
}

// energyChartsTime is in Unix seconds, or a date or time that is local where it has no offset.
func energyChartsTime(text string, otherwise time.Time, local *time.Location) (time.Time, bool) {
	if text == "" {
		return otherwise, true
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC(), true
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04Z07:00", time.RFC3339} {
		if at, err := time.ParseInLocation(layout, text, local); err == nil {
			return at, true
		}
	}
	return never, false
}

func location(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // it is built in
	}
	return l
}

func startOfDay(at time.Time, local *time.Location) time.Time {
	y, m, d := at.In(local).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, local)
}

// fields of the rows that are asked for; all if none is. False if one is unknown.
func fields(asked string, known ...string) ([]string, bool) {
	if asked == "" {
		return known, true
	}
	var chosen []string
	for field := range strings.SplitSeq(asked, ",") {
		if field = strings.TrimSpace(field); !slices.Contains(known, field) {
			return nil, false
		}
		chosen = append(chosen, field)
	}
	return chosen, true
}
