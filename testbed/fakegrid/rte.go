// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rte is the data set eco2mix-national of ODRÉ (Opendatasoft's Explore API 2.1), with the zone "FR". Real time
// (-tr) has a row for each quarter of an hour until the end of the day, without a value yet; consolidated data
// (-cons-def) are what is Measured.
var rte = service{
	answer: (*query).rte,
	refuse: func(status int, message string) reply {
		if status == http.StatusTooManyRequests {
			return answerWith(status, object{"errorcode": 10002, "error": message, "call_limit": 50000, "limit_time_unit": "day"})
		}
		return odsError(status, "ODSQLError", message)
	},
}

const (
	rteStep = 15 * time.Minute
	rteMost = 100 // rows in an answer
)

var (
	rtePath      = regexp.MustCompile(`^/api/explore/v2\.1/catalog/datasets/eco2mix-national-(tr|cons-def)/records$`)
	rteCondition = regexp.MustCompile(`^date_heure\s*(>=|<=|>|<)\s*(?:date)?\s*["']([^"']+)["']$`)
	rteAnd       = regexp.MustCompile(`(?i)\s+and\s+`)
)

func odsError(status int, code, message string) reply {
	return answerWith(status, object{"error_code": code, "message": message})
}

type rteRow struct {
	start time.Time
	value *float64
}

func (q *query) rte() reply {
	set := rtePath.FindStringSubmatch(q.path)
	if set == nil {
		return odsError(http.StatusNotFound, "UnknownDatasetError", "The requested dataset does not exist.")
	}
	rows := q.rteRows(set[1] == "cons-def")
	for _, condition := range rteAnd.Split(q.Get("where"), -1) {
		keep, ok := rteFilter(strings.TrimSpace(condition))
		if !ok {
			return odsError(http.StatusBadRequest, "ODSQLError", "ODSQL query is malformed: "+condition)
		}
		rows = slices.DeleteFunc(rows, func(r rteRow) bool { return !keep(r) })
	}
	if order := strings.ToLower(q.Get("order_by")); order == "date_heure desc" {
		slices.Reverse(rows)
	}
	selected, ok := fields(q.Get("select"), "date_heure", "taux_co2")
	if !ok {
		return odsError(http.StatusBadRequest, "ODSQLError", "ODSQL query is malformed: unknown field in "+q.Get("select"))
	}
	limit, err1 := strconv.Atoi(q.or("limit", "10"))
	from, err2 := strconv.Atoi(q.or("offset", "0"))
	if err1 != nil || err2 != nil || limit > rteMost || limit < -1 || from < 0 {
		return odsError(http.StatusBadRequest, "InvalidRESTParameterError", "Invalid value for limit API parameter: "+q.Get("limit")+" was found but -1 <= limit <= 100 is expected.")
	}
	if limit < 0 {
		limit = rteMost
	}
	results := []object{}
	for _, r := range page(rows, from, limit) {
		row := object{"date_heure": r.start.Format(offset), "taux_co2": r.value}
		result := object{}
		for _, field := range selected {
			result[field] = row[field]
		}
		results = append(results, result)
	}
	return answer(object{"total_count": len(rows), "results": results})
}

func (q *query) rteRows(consolidated bool) []rteRow {
	var rows []rteRow
	paris := location("Europe/Paris")
	next := startOfDay(q.now, paris).UTC()
	for _, p := range q.known("FR", never, ever) {
		if consolidated && p.Kind != Measured {
			continue
		}
		rows = append(rows, rteRow{p.Start, p.GramsPerKWh})
		next = maxTime(next, p.End)
	}
	for end := startOfDay(q.now, paris).AddDate(0, 0, 1); !consolidated && next.Before(end); next = next.Add(rteStep) {
		rows = append(rows, rteRow{next, nil})
	}
	return rows
}

// rteFilter is the part of the query language that is about time and value.
func rteFilter(condition string) (keep func(rteRow) bool, ok bool) {
	switch condition {
	case "":
		return func(rteRow) bool { return true }, true
	case "taux_co2 is not null":
		return func(r rteRow) bool { return r.value != nil }, true
	}
	match := rteCondition.FindStringSubmatch(condition)
	if match == nil {
		return nil, false
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		at, err := time.Parse(layout, match[2])
		if err != nil {
			continue
		}
		return func(r rteRow) bool {
			before, after := r.start.Before(at), r.start.After(at)
			return map[string]bool{"<": before, "<=": !after, ">": after, ">=": !before}[match[1]]
		}, true
	}
	return nil, false
}

func page[T any](rows []T, from, limit int) []T {
	from = min(from, len(rows))
	return rows[from:min(len(rows), from+limit)]
}
