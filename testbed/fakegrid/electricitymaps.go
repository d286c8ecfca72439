// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// electricityMaps has versions 3 and 4 below one endpoint. Version 3 rounds to whole grams; 4 does not, and adds
// temporalGranularity and flowTraced. There is no aggregation: the granularity is repeated as it was asked for.
var electricityMaps = service{
	others: []string{"US-CAR-DUK", "DE"},
	answer: (*query).electricityMaps,
	refuse: func(status int, message string) reply { return answerWith(status, object{"error": message}) },
	credential: func(q *query) string {
		return q.header.Get("auth-token")
	},
	denied: func(string) reply {
		return answerWith(http.StatusUnauthorized, object{"error": "Invalid auth-token"})
	},
}

const milliseconds = "2006-01-02T15:04:05.000Z"

func (q *query) electricityMaps() reply {
	parts := strings.Split(strings.Trim(q.path, "/"), "/")
	if len(parts) != 3 || parts[0] != "v3" && parts[0] != "v4" || parts[1] != "carbon-intensity" {
		return q.service.refuse(http.StatusNotFound, "Not found")
	}
	v4 := parts[0] == "v4"
	zone := q.Get("zone")
	if zone == "" && q.Get("shouldUseFallbackCallerLookup") != "false" && len(q.zones()) > 0 {
		zone = q.zones()[0] // where the caller seems to be
	}
	if !q.published(zone) {
		return q.service.refuse(http.StatusNotFound, "Zone "+strconv.Quote(zone)+" does not exist.")
	}
	switch parts[2] {
	case "latest":
		points := q.electricityMapsKnown(zone, never, ever)
		if len(points) == 0 {
			return q.service.refuse(http.StatusNotFound, "No recent data for zone "+strconv.Quote(zone))
		}
		newest := slices.MaxFunc(points, func(a, b Point) int { return a.Start.Compare(b.Start) })
		return answer(q.electricityMapsPoint(newest, zone, v4))
	case "history":
		return q.electricityMapsList("history", zone, q.now.Add(-24*time.Hour), ever, v4)
	case "past-range":
		return q.electricityMapsRange(zone, v4)
	case "forecast":
		return q.electricityMapsForecast(zone, v4)
	default:
		return q.service.refuse(http.StatusNotFound, "Not found")
	}
}

func (q *query) electricityMapsRange(zone string, v4 bool) reply {
	longest := 10 * 24 * time.Hour
	if q.Get("temporalGranularity") == "daily" {
		longest *= 10
	}
	from, err1 := isoTime(q.Get("start"))
	to, err2 := isoTime(q.Get("end"))
	switch {
	case err1 != nil || err2 != nil:
		return q.service.refuse(http.StatusBadRequest, "Invalid start or end")
	case to.Sub(from) > longest:
		return q.service.refuse(http.StatusBadRequest, "Date range is too large")
	}
	return q.electricityMapsList("data", zone, from, to, v4)
}

func (q *query) electricityMapsList(wrapper, zone string, from, to time.Time, v4 bool) reply {
	list := []object{}
	for _, p := range q.electricityMapsKnown(zone, from, to) {
		list = append(list, q.electricityMapsPoint(p, zone, v4))
	}
	return answer(object{"zone": q.zone(zone), wrapper: list})
}

func (q *query) electricityMapsKnown(zone string, from, to time.Time) []Point {
	return slices.DeleteFunc(q.known(zone, from, to), func(p Point) bool {
		return q.Get("disableEstimations") == "true" && p.Kind == Estimated
	})
}

func (q *query) electricityMapsPoint(p Point, zone string, v4 bool) object {
	const firstEstimate = 48 * time.Hour // before the interval
	o := object{
		"zone": q.zone(zone), "carbonIntensity": electricityMapsValue(p, v4),
		"datetime": p.Start.Format(milliseconds), "updatedAt": p.Updated.Format(milliseconds),
		"createdAt":          p.Start.Add(-firstEstimate).Format(milliseconds),
		"emissionFactorType": q.or("emissionFactorType", "lifecycle"),
		"isEstimated":        p.Kind == Estimated || q.effects.sandbox, "estimationMethod": nil,
	}
	switch {
	case q.effects.sandbox:
		o["estimationMethod"] = "SANDBOX_MODE_DATA"
	case p.Kind == Estimated:
		o["estimationMethod"] = "TIME_SLICER_AVERAGE"
	}
	if v4 {
		o["temporalGranularity"], o["flowTraced"] = q.or("temporalGranularity", "hourly"), true
	}
	return o
}

func (q *query) electricityMapsForecast(zone string, v4 bool) reply {
	hours, err := strconv.Atoi(q.or("horizonHours", "24"))
	if err != nil || !slices.Contains([]int{6, 24, 48, 72}, hours) {
		return q.service.refuse(http.StatusBadRequest, "Invalid horizonHours")
	}
	list, updated := []object{}, never
	for _, p := range q.foretold(zone, q.now, q.now.Add(time.Duration(hours)*time.Hour)) {
		list = append(list, object{"carbonIntensity": electricityMapsValue(p, v4), "datetime": p.Start.Format(milliseconds)})
		updated = maxTime(updated, p.Updated)
	}
	body := object{"zone": q.zone(zone), "forecast": list, "updatedAt": updated.Format(milliseconds)}
	if v4 {
		body["temporalGranularity"] = q.or("temporalGranularity", "hourly")
	}
	return answer(body)
}

func electricityMapsValue(p Point, v4 bool) any {
	if p.GramsPerKWh != nil && !v4 {
		return math.Round(*p.GramsPerKWh)
	}
	return p.GramsPerKWh
}

func (q *query) or(key, otherwise string) string {
	if q.Has(key) {
		return q.Get(key)
	}
	return otherwise
}

// isoTime has an offset; seconds may be left out.
func isoTime(text string) (time.Time, error) {
	if at, err := time.Parse("2006-01-02T15:04Z07:00", text); err == nil {
		return at, nil
	}
	return time.Parse(time.RFC3339, text)
}
