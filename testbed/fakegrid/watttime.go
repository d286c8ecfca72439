// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wattTime has the marginal signal co2_moer only. Points are converted to its unit.
var wattTime = service{
	others: []string{"CAISO_NORTH", "ISONE_WCMA"},
	answer: (*query).wattTime,
	refuse: func(status int, message string) reply {
		return answerWith(status, object{
			"error": strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")), "message": message, "docs": "https://docs.watttime.org/",
		})
	},
	credential: (*query).wattTimeCredential,
	denied: func(string) reply {
		return answerWith(http.StatusUnauthorized, object{"error": "UNAUTHORIZED", "message": "Invalid authorization credentials", "docs": "https://docs.watttime.org/"})
	},
}

const (
	// poundsPerMWh of one g/kWh, by the international pound.
	poundsPerMWh    = 1 / 0.45359237
	wattTimeLife    = 30 * time.Minute // of a token
	wattTimeLongest = 32 * 24 * time.Hour
	offset          = "2006-01-02T15:04:05-07:00"
)

// wattTimeCredential of a token is the one that it was given out for.
func (q *query) wattTimeCredential() string {
	if q.path == "/login" {
		return q.basic
	}
	if issued, ok := q.state.tokens[q.bearer()]; ok && q.now.Before(issued.Add(wattTimeLife)) {
		return q.state.credential
	}
	return ""
}

func (q *query) wattTime() reply {
	if q.path == "/login" {
		return answer(object{"token": q.issue()})
	}
	if signal := q.Get("signal_type"); signal == "" {
		return missingField("signal_type")
	} else if signal != "co2_moer" {
		return q.service.refuse(http.StatusForbidden, "No access to the signal "+signal)
	}
	if q.path == "/v3/region-from-loc" {
		return q.wattTimeRegion()
	}
	region := q.Get("region")
	if region == "" {
		return missingField("region")
	}
	if !q.published(region) {
		return q.service.refuse(http.StatusForbidden, "Your account does not have access to the region "+region)
	}
	switch q.path {
	case "/v3/historical":
		return q.wattTimeHistorical(region)
	case "/v3/forecast":
		return q.wattTimeForecast(region)
	case "/v3/signal-index":
		return q.wattTimeIndex(region)
	default:
		return answerWith(http.StatusNotFound, object{"detail": "Not Found"})
	}
}

// missingField is how FastAPI refuses.
func missingField(name string) reply {
	return answerWith(http.StatusUnprocessableEntity, object{
		"detail": []object{{"loc": []string{"query", name}, "msg": "field required", "type": "value_error.missing"}},
	})
}

// wattTimeRegion knows one region, at any place.
func (q *query) wattTimeRegion() reply {
	for _, field := range []string{"latitude", "longitude"} {
		if _, err := strconv.ParseFloat(q.Get(field), 64); err != nil {
			return missingField(field)
		}
	}
	zones := q.zones()
	if len(zones) == 0 {
		return q.service.refuse(http.StatusNotFound, "The provided coordinates are not in a region")
	}
	return answer(object{"region": q.zone(zones[0]), "region_full_name": zones[0], "signal_type": "co2_moer"})
}

func (q *query) wattTimeHistorical(region string) reply {
	from, err1 := isoTime(q.Get("start"))
	to, err2 := isoTime(q.Get("end"))
	if err1 != nil || err2 != nil || to.Sub(from) > wattTimeLongest {
		return answerWith(http.StatusBadRequest, object{"error": "INVALID_QUERY_PARAMS", "message": "You've provided invalid parameters in your query", "docs": "https://docs.watttime.org/"})
	}
	points := q.known(region, from, to.Add(1)) // the end is included
	list := []object{}
	for _, p := range points {
		o := wattTimePoint(p)
		o["last_updated"] = p.Updated.Format(offset)
		if q.Get("include_imputed_marker") == "true" {
			o["imputed_data_used"] = p.Kind == Estimated
		}
		list = append(list, o)
	}
	meta := q.wattTimeMeta(region, "lbs_co2_per_mwh", points)
	meta["model"] = object{"date": "2023-03-01", "type": "binned_regression"}
	return answer(object{"data": list, "meta": meta})
}

func (q *query) wattTimeForecast(region string) reply {
	hours, err := strconv.Atoi(q.or("horizon_hours", "24"))
	if err != nil || hours < 0 || hours > 72 {
		return missingField("horizon_hours")
	}
	points := q.foretold(region, q.now, q.now.Add(time.Duration(hours)*time.Hour))
	list, generated := []object{}, never
	for _, p := range points {
		list = append(list, wattTimePoint(p))
		generated = maxTime(generated, p.Updated)
	}
	meta := q.wattTimeMeta(region, "lbs_co2_per_mwh", points)
	meta["generated_at"], meta["generated_at_period_seconds"] = generated.Format(offset), meta["data_point_period_seconds"]
	return answer(object{"data": list, "meta": meta})
}

// wattTimeIndex is where the newest value ranks among all, in percent.
func (q *query) wattTimeIndex(region string) reply {
	points := slices.DeleteFunc(q.known(region, never, ever), func(p Point) bool { return p.GramsPerKWh == nil })
	if len(points) == 0 {
		return q.service.refuse(http.StatusNotFound, "No data")
	}
	newest := slices.MaxFunc(points, func(a, b Point) int { return a.Start.Compare(b.Start) })
	below := 0
	for _, p := range points {
		if *p.GramsPerKWh < *newest.GramsPerKWh {
			below++
		}
	}
	return answer(object{
		"data": []object{{"point_time": newest.Start.Format(offset), "value": 100 * below / len(points)}},
		"meta": q.wattTimeMeta(region, "percentile", points),
	})
}

func wattTimePoint(p Point) object {
	o := object{"point_time": p.Start.Format(offset), "value": nil}
	if p.GramsPerKWh != nil {
		o["value"] = *p.GramsPerKWh * poundsPerMWh
	}
	return o
}

func (q *query) wattTimeMeta(region, units string, points []Point) object {
	period := 5 * time.Minute
	if len(points) > 0 {
		period = points[0].End.Sub(points[0].Start)
	}
	return object{
		"data_point_period_seconds": int(period.Seconds()), "region": q.zone(region), "signal_type": "co2_moer", "units": units,
		"warnings": []object{}, "model": object{"date": "2023-03-01"},
	}
}
