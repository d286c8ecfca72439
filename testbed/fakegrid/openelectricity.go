// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// openElectricity has the networks NEM, WEM and AU, which is both. Times that come in are local to the network and
// have no offset; those of the results have one.
var openElectricity = service{
	mixed:  true,
	others: []string{"VIC1", "NSW1"},
	answer: (*query).openElectricity,
	refuse: func(status int, message string) reply {
		if status == http.StatusUnprocessableEntity {
			return missingField("metrics")
		}
		return answerWith(status, object{"version": openElectricityVersion, "success": false, "error": message})
	},
	credential: (*query).bearer,
	denied: func(string) reply {
		return answerWith(http.StatusUnauthorized, object{"version": openElectricityVersion, "success": false, "error": "Invalid API key"})
	},
}

const (
	openElectricityVersion = "4.0.3"
	naive                  = "2006-01-02T15:04:05"
	openElectricityLongest = 8 * 24 * time.Hour // with intervals of 5 minutes
)

var (
	openElectricitySteps = map[string]time.Duration{"5m": 5 * time.Minute, "1h": time.Hour}
	openElectricityUnits = map[string]string{"emissions": "t", "energy": "MWh"}
)

func (q *query) openElectricity() reply {
	network := strings.TrimPrefix(q.path, "/v4/data/network/")
	if !slices.Contains([]string{"NEM", "WEM", "AU"}, network) {
		return q.service.refuse(http.StatusNotFound, "Network not found")
	}
	local := time.FixedZone("", 10*60*60)
	if network == "WEM" {
		local = time.FixedZone("", 8*60*60)
	}
	interval := q.or("interval", "5m")
	step, ok := openElectricitySteps[interval]
	if !ok {
		return missingField("interval")
	}
	from, err1 := time.ParseInLocation(naive, q.Get("date_start"), local)
	to, err2 := time.ParseInLocation(naive, q.or("date_end", q.now.In(local).Format(naive)), local)
	switch {
	case err1 != nil:
		return q.service.refuse(http.StatusBadRequest, "Date start must be timezone naive and in network time")
	case err2 != nil:
		return q.service.refuse(http.StatusBadRequest, "Date end must be timezone naive and in network time")
	case interval == "5m" && to.Sub(from) > openElectricityLongest:
		return q.service.refuse(http.StatusBadRequest, "Date range too large for interval 5m. Maximum range is 8 days.")
	case len(q.Values["metrics"]) == 0:
		return missingField("metrics")
	}
	var data []object
	for _, metric := range q.Values["metrics"] {
		unit, ok := openElectricityUnits[metric]
		if !ok {
			return missingField("metrics")
		}
		results := q.openElectricityResults(network, metric, step, from, to, local)
		if len(results) == 0 {
			return q.service.refuse(http.StatusNotFound, "No data available for network "+network+" in the specified time range")
		}
		data = append(data, object{
			"network_code": network, "metric": metric, "unit": unit, "interval": interval, "start": from.Format(naive), "end": to.Format(naive),
			"groupings": q.openElectricityGroupings(), "results": results, "network_timezone_offset": from.Format("-07:00"),
		})
	}
	return answer(object{"version": openElectricityVersion, "created_at": q.now.In(local).Format(offset), "success": true, "data": data})
}

func (q *query) openElectricityGroupings() []string {
	return append([]string{"network_region"}, q.Values["secondary_grouping"]...)
}

func (q *query) openElectricityResults(network, metric string, step time.Duration, from, to time.Time, local *time.Location) []object {
	var results []object
	for _, region := range slices.Sorted(maps.Keys(q.state.mixes)) {
		if wanted := q.Values["network_region"]; len(wanted) > 0 && !slices.Contains(wanted, region) || network != "AU" && (network == "WEM") != (region == "WEM") {
			continue
		}
		byFuel := map[string][][2]any{}
		for _, m := range q.mixes(region, step, from, to) {
			for fuel, amount := range m.byFuel(metric, q.Get("secondary_grouping") == "fueltech_group") {
				var value any
				if !q.effects.nulls {
					value = amount
				}
				byFuel[fuel] = append(byFuel[fuel], [2]any{m.Start.In(local).Format(offset), value})
			}
		}
		for _, fuel := range slices.Sorted(maps.Keys(byFuel)) {
			columns, name := object{"region": q.zone(region)}, metric+"_"+q.zone(region)
			if fuel != "" {
				columns["fueltech_group"] = fuel
				name += "|" + fuel
			}
			results = append(results, object{
				"name": name, "date_start": from.Format(naive), "date_end": to.Format(naive), "columns": columns, "data": distort(q.effects, byFuel[fuel]),
			})
		}
	}
	return results
}

// byFuel is what there is of a metric: the sum under "", or by fuel, where what has none is coal.
func (m Mix) byFuel(metric string, grouped bool) map[string]float64 {
	amounts := map[string]float64{}
	for _, key := range slices.Sorted(maps.Keys(m.MWh)) { // a sum of floats depends on its order
		name, fuel, ok := strings.Cut(key, "/")
		switch {
		case name != metric:
			continue
		case !grouped:
			fuel = ""
		case !ok:
			fuel = "coal"
		}
		amounts[fuel] += m.MWh[key]
	}
	return amounts
}
