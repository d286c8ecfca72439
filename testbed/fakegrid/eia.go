// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// eia has the hourly generation by fuel. An hour is named after its end; values are strings; a respondent that it
// does not know has no rows.
var eia = service{
	mixed:  true,
	others: []string{"MISO", "CISO"},
	answer: (*query).eia,
	refuse: func(status int, message string) reply {
		if status == http.StatusBadRequest || status == http.StatusNotFound {
			return answerWith(status, object{"error": message, "code": status})
		}
		return eiaError(status, strings.ToUpper(strings.ReplaceAll(message, " ", "_")), message)
	},
	credential: func(q *query) string { return q.Get("api_key") },
	denied: func(credential string) reply {
		if credential == "" {
			return eiaError(http.StatusForbidden, "API_KEY_MISSING", "No api_key was supplied.  Please register for one at https://www.eia.gov/opendata/register.php")
		}
		return eiaError(http.StatusForbidden, "API_KEY_INVALID", "An invalid api_key was supplied.  Please register for one at https://www.eia.gov/opendata/register.php")
	},
}

const (
	eiaPath = "/v2/electricity/rto/fuel-type-data/data/"
	eiaHour = "2006-01-02T15"
	eiaMost = 5000 // rows in an answer
)

var eiaFuels = map[string]string{
	"BAT": "Battery storage", "BM": "Biomass", "COL": "Coal", "GEO": "Geothermal", "NG": "Natural Gas", "NUC": "Nuclear", "OIL": "Petroleum",
	"OTH": "Other", "PS": "Pumped storage", "SUN": "Solar", "WAT": "Hydro", "WND": "Wind",
}

func eiaError(status int, code, message string) reply {
	return answerWith(status, object{"error": object{"code": code, "message": message}})
}

func (q *query) eia() reply {
	if q.path != eiaPath && q.path+"/" != eiaPath {
		return q.service.refuse(http.StatusNotFound, "Not found.")
	}
	if frequency := q.or("frequency", "hourly"); frequency != "hourly" {
		return q.service.refuse(http.StatusBadRequest, "Invalid frequency '"+frequency+"' provided. The only valid frequencies are 'hourly' and 'local-hourly'.")
	}
	from, err1 := time.Parse(eiaHour, q.or("start", "0001-01-01T00"))
	to, err2 := time.Parse(eiaHour, q.or("end", "9999-01-01T00"))
	length, err3 := strconv.Atoi(q.or("length", strconv.Itoa(eiaMost)))
	skip, err4 := strconv.Atoi(q.or("offset", "0"))
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || length < 0 || skip < 0 {
		return q.service.refuse(http.StatusBadRequest, "Invalid start, end, length or offset provided.")
	}
	rows := []object{}
	for _, respondent := range q.Values["facets[respondent][]"] {
		rows = append(rows, q.eiaRows(respondent, from, to)...)
	}
	response := object{"total": len(rows), "dateFormat": `YYYY-MM-DD"T"HH24`, "frequency": "hourly", "data": page(rows, skip, min(length, eiaMost))}
	if len(rows) > eiaMost {
		response["warnings"] = []object{{
			"warning":     "incomplete return",
			"description": "The API can only return 5000 rows in JSON format.  Please consider constraining your request with facet, start, or end, or using offset to paginate results.",
		}}
	}
	return answer(object{"response": response, "request": object{"command": eiaPath}, "apiVersion": "2.1.12"})
}

// eiaRows have a period from first to last, which are ends.
func (q *query) eiaRows(respondent string, first, last time.Time) []object {
	mixes := q.mixes(respondent, time.Hour, first.Add(-time.Hour), last)
	if q.Get("sort[0][direction]") == "desc" {
		slices.Reverse(mixes)
	}
	var rows []object
	for _, m := range mixes {
		for _, fuel := range slices.Sorted(maps.Keys(m.MWh)) {
			if wanted := q.Values["facets[fueltype][]"]; len(wanted) > 0 && !slices.Contains(wanted, fuel) {
				continue
			}
			var value any
			if !q.effects.nulls {
				value = strconv.FormatFloat(m.MWh[fuel], 'f', -1, 64)
			}
			rows = append(rows, object{
				"period": m.End.Format(eiaHour), "respondent": q.zone(respondent), "respondent-name": "Authority " + respondent,
				"fueltype": fuel, "type-name": eiaFuels[fuel], "value": value, "value-units": "megawatthours",
			})
		}
	}
	return distort(q.effects, rows)
}
