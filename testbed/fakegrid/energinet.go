// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// energinet has CO2Emis and, for forecasts, CO2EmisProg; and DayAheadPrices. An area that it does not know has no records. The form
// of its errors is not documented.
var energinet = service{
	others: []string{"DK2", "DK1"},
	answer: (*query).energinet,
	refuse: func(status int, message string) reply {
		return answerWith(status, object{"statusCode": status, "message": message})
	},
}

const energinetTime = "2006-01-02T15:04:05" // without a zone

var energinetDynamic = regexp.MustCompile(`^now(?:([+-])P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?)?$`)

func (q *query) energinet() reply {
	set := strings.TrimPrefix(q.path, "/dataset/")
	clock := map[string]string{"CO2Emis": "Minutes5", "CO2EmisProg": "Minutes5", "DayAheadPrices": "Time"}[set]
	if clock == "" {
		return q.service.refuse(http.StatusNotFound, "Dataset not found: "+set)
	}
	local := location("Europe/Copenhagen")
	from, ok1 := q.energinetTime("start", never, local)
	to, ok2 := q.energinetTime("end", ever, local)
	var filter struct{ PriceArea []string }
	if q.Has("filter") && json.Unmarshal([]byte(q.Get("filter")), &filter) != nil || !ok1 || !ok2 {
		return q.service.refuse(http.StatusBadRequest, "Invalid start, end or filter")
	}
	if !q.Has("filter") {
		filter.PriceArea = q.zones()
	}
	limit, err1 := strconv.Atoi(q.or("limit", "100"))
	skip, err2 := strconv.Atoi(q.or("offset", "0"))
	if err1 != nil || err2 != nil || limit < 0 || skip < 0 {
		return q.service.refuse(http.StatusBadRequest, "Invalid limit or offset")
	}
	records := []object{}
	add := func(area string, start time.Time, more object) {
		more["PriceArea"] = q.zone(area)
		more[clock+"UTC"], more[clock+"DK"] = start.Format(energinetTime), start.In(local).Format(energinetTime)
		records = append(records, more)
	}
	for _, area := range filter.PriceArea {
		if set == "DayAheadPrices" {
			for _, p := range q.prices(area, from, to) {
				add(area, p.Start, object{"DayAheadPriceEUR": p.EURPerMWh, "DayAheadPriceDKK": nil})
			}
			continue
		}
		points := q.known
		if set == "CO2EmisProg" {
			points = q.foretold
		}
		for _, p := range points(area, from, to) {
			if p.Start.Add(-q.effects.skew).Before(from) {
				continue
			}
			add(area, p.Start, object{"CO2Emission": p.GramsPerKWh})
		}
	}
	if !q.effects.unsorted { // the areas together
		slices.SortStableFunc(records, func(a, b object) int { return strings.Compare(a[clock+"UTC"].(string), b[clock+"UTC"].(string)) })
	}
	column := strings.ToLower(clock + "UTC")
	switch strings.ToLower(q.or("sort", column+" desc")) { // a page is newest first if nothing is said
	case column + " desc":
		slices.Reverse(records)
	case column, column + " asc":
	default:
		return q.service.refuse(http.StatusBadRequest, "Invalid sort")
	}
	body := object{"total": len(records), "dataset": set, "records": records}
	if limit > 0 { // 0 is all
		body["limit"], body["records"] = limit, page(records, skip, limit)
	}
	return answer(body)
}

// energinetTime is Danish unless timezone=utc, or like now-PT1H.
func (q *query) energinetTime(field string, otherwise time.Time, local *time.Location) (time.Time, bool) {
	text := q.Get(field)
	if text == "" {
		return otherwise, true
	}
	if m := energinetDynamic.FindStringSubmatch(text); m != nil {
		days, _ := strconv.Atoi(m[2])
		hours, _ := strconv.Atoi(m[3])
		minutes, _ := strconv.Atoi(m[4])
		d := time.Duration(24*days+hours)*time.Hour + time.Duration(minutes)*time.Minute
		if m[1] == "-" {
			d = -d
		}
		return q.now.Add(d), true
	}
	if strings.EqualFold(q.Get("timezone"), "utc") {
		local = time.UTC
	}
	for _, layout := range []string{"2006-01-02T15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, local); err == nil {
			return at, true
		}
	}
	return never, false
}
