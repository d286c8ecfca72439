// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// neso has the zones "GB" and, by the number, the regions. Regions have forecasts only: a value of a region that
// is Measured is served as one, where none is published.
var neso = service{
	others: []string{"3", "13"},
	answer: (*query).neso,
	refuse: nesoError,
}

const (
	nesoTime    = "2006-01-02T15:04Z" // no seconds
	nesoStep    = 30 * time.Minute
	nesoLongest = 14 * 24 * time.Hour
)

var nesoRegions = []string{
	1: "North Scotland", "South Scotland", "North West England", "North East England", "Yorkshire", "North Wales & Merseyside",
	"South Wales", "West Midlands", "East Midlands", "East England", "South West England", "South England", "London",
	"South East England", "England", "Scotland", "Wales",
}

func nesoError(status int, message string) reply {
	return answerWith(status, object{"error": object{"code": fmt.Sprintf("%d %s", status, http.StatusText(status)), "message": message}})
}

func (q *query) neso() reply {
	parts := strings.Split(strings.Trim(q.path, "/"), "/")
	regional := parts[0] == "regional"
	if regional {
		parts = parts[1:]
	}
	region := 0
	if n := len(parts); n >= 2 && regional && parts[n-2] == "regionid" {
		var err error
		if region, err = strconv.Atoi(parts[n-1]); err != nil || region < 1 || region >= len(nesoRegions) {
			return nesoError(http.StatusBadRequest, "Please enter a valid region ID i.e. between 1-17.")
		}
		parts = parts[:n-2]
	}
	ranged := len(parts) > 0 && parts[0] == "intensity"
	if ranged {
		parts = parts[1:]
	}
	if !regional && !ranged {
		return nesoError(http.StatusNotFound, "No such endpoint.")
	}
	from, to, ok := q.nesoRange(parts)
	if !ok {
		return nesoError(http.StatusBadRequest, "Please enter a valid date in ISO8601 format 'YYYY-MM-DDThh:mmZ', and a range of at most 14 days.")
	}
	switch {
	case !regional:
		return answer(object{"data": q.nesoNational(from, to)})
	case region == 0:
		return answer(object{"data": q.nesoAll(from, to)})
	case ranged: // an object, not a list of one
		return answer(object{"data": q.nesoRegion(region, from, to)})
	default:
		return answer(object{"data": []object{q.nesoRegion(region, from, to)}})
	}
}

// nesoRange of {from}, {from}/{to}, {from}/fw24h|fw48h|pt24h; the current half hour if there is nothing.
func (q *query) nesoRange(parts []string) (from, to time.Time, ok bool) {
	if len(parts) == 0 {
		from = q.now.Truncate(nesoStep)
		return from, from.Add(1), true
	}
	from, err := time.Parse(nesoTime, parts[0])
	if err != nil || len(parts) > 2 {
		return from, to, false
	}
	if len(parts) == 1 {
		return from, from.Add(1), true
	}
	switch parts[1] {
	case "fw24h":
		to = from.Add(24 * time.Hour)
	case "fw48h":
		to = from.Add(48 * time.Hour)
	case "pt24h":
		from, to = from.Add(-24*time.Hour), from
	default:
		to, err = time.Parse(nesoTime, parts[1])
	}
	return from, to, err == nil && from.Before(to) && to.Sub(from) <= nesoLongest
}

// nesoNational has the actual value of what is over only.
func (q *query) nesoNational(from, to time.Time) []object {
	list := []object{}
	for _, r := range q.rows("GB", from, to) {
		var forecast, actual *float64
		if r.foretold != nil {
			forecast = r.foretold.GramsPerKWh
		}
		if r.known != nil && !r.end.Add(-q.effects.skew).After(q.now) {
			actual = r.known.GramsPerKWh
		}
		list = append(list, nesoInterval(r, object{"forecast": forecast, "actual": actual, "index": nesoIndex(actual, forecast)}))
	}
	return list
}

func (q *query) nesoRegion(region int, from, to time.Time) object {
	id, _ := strconv.Atoi(q.zone(strconv.Itoa(region)))
	list := []object{}
	for _, r := range q.rows(strconv.Itoa(region), from, to) {
		list = append(list, nesoInterval(r, nesoRegional(r)))
	}
	for _, o := range list {
		o["generationmix"] = nesoMix()
	}
	return object{"regionid": id, "dnoregion": nesoRegions[id], "shortname": nesoRegions[id], "data": list}
}

// nesoAll has each interval once, with all regions in it.
func (q *query) nesoAll(from, to time.Time) []object {
	regions, byStart := []object{}, map[int64]int{}
	for id := 1; id < len(nesoRegions); id++ {
		for _, r := range q.rows(strconv.Itoa(id), from, to) {
			i, ok := byStart[r.start.Unix()]
			if !ok {
				i = len(regions)
				byStart[r.start.Unix()] = i
				regions = append(regions, object{"from": r.start.Format(nesoTime), "to": r.end.Format(nesoTime), "regions": []object{}})
			}
			regions[i]["regions"] = append(regions[i]["regions"].([]object), object{
				"regionid": id, "dnoregion": nesoRegions[id], "shortname": nesoRegions[id], "intensity": nesoRegional(r), "generationmix": nesoMix(),
			})
		}
	}
	return regions
}

func nesoInterval(r row, intensity object) object {
	return object{"from": r.start.Format(nesoTime), "to": r.end.Format(nesoTime), "intensity": intensity}
}

func nesoRegional(r row) object {
	p := r.foretold
	if p == nil {
		p = r.known
	}
	return object{"forecast": p.GramsPerKWh, "index": nesoIndex(p.GramsPerKWh)}
}

func nesoMix() []object { return []object{{"fuel": "gas", "perc": 43.6}} }

// nesoIndex is of the first value there is. The bands are of about 2024; they change each year.
func nesoIndex(values ...*float64) any {
	i := slices.IndexFunc(values, func(v *float64) bool { return v != nil })
	if i < 0 {
		return nil
	}
	for _, band := range []struct {
		below float64
		index string
	}{{35, "very low"}, {110, "low"}, {190, "moderate"}, {270, "high"}} {
		if *values[i] < band.below {
			return band.index
		}
	}
	return "very high"
}
