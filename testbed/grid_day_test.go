// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakegrid"
)

// dayProviders publish half hours. The first is asked for the present again after a minute, and so found to be down.
const dayProviders = `yaml:extensions::gridintensity:
  refresh_interval: 1m
  allow_mixing: [boundary, gas]
  providers:
    - {type: neso, endpoint: "${env:FIRST}"}
    - {type: energycharts, endpoint: "${env:SECOND}", requests_per_minute: 0}
    - type: static
`

const (
	halfHours = 48 // of the day
	halfHour  = 30 * time.Minute
	dayWatts  = 300
	// patienceForOutage is more than refresh_interval, and than the first retries after that.
	patienceForOutage = 2 * time.Minute
)

// gramsPer is the intensity of a half hour of the day.
type gramsPer func(halfHour int) float64

// emitted by the energy of some half hours.
func emitted(from, until int, intensity gramsPer) (grams float64) {
	for i := from; i < until; i++ {
		grams += dayWatts * halfHour.Seconds() / 3.6e6 * intensity(i)
	}
	return grams
}

func less(a, b gramsPer) gramsPer { return func(i int) float64 { return a(i) - b(i) } }

// A day of which three hosts tell a third each, the last one first, as after an outage of their network. It is told in
// an instant, with the intensities as they were: the time is compressed, the providers' faults come and go between.
//
//	half hours   0       4     6      10        16              32              48
//	GB         |--neso--|-stale-|-static-|--neso--|-energycharts-|-----neso-----|   as told
//	             all of it by neso, restated, with what was not known at first      revised
func TestADayOfTheGrid(t *testing.T) {
	t.Parallel()
	end := time.Now().Truncate(time.Hour)
	begin := end.Add(-halfHours * halfHour)
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * halfHour) }
	average, err := grid.Static("GB", grid.Lifecycle)
	require.NoError(t, err)
	year := func(int) float64 { return average.GramsPerKWh }
	first := func(i int) float64 { return 100 + float64(i) }
	second := func(i int) float64 { return 300 - float64(i) }
	restated := func(i int) float64 { return first(i) + 20*math.Sin(float64(i)) }
	carried := func(int) float64 { return first(3) }

	service := fakegrid.Start(t)
	publish := func(api fakegrid.API, from, until int, intensity gramsPer) {
		for i := from; i < until; i++ {
			service.Publish(api, "GB", fakegrid.Point{Start: at(i), End: at(i + 1), GramsPerKWh: new(intensity(i))})
		}
	}
	const before, after = -8, halfHours + 8 // what is asked for around the day
	publish(fakegrid.NESO, before, 4, first)
	publish(fakegrid.NESO, 10, after, first)
	// It is asked for whole days of its own time zone: of those before noon it must know nothing, whatever the time is now.
	publish(fakegrid.EnergyCharts, 16, after, second)

	backend, otlp := newSink(t), freeAddress(t)
	c := start(t, []string{
		writeFile(t, "config.yaml", gridConfig), dayProviders,
		"yaml:processors::carbonintensity: {zone: GB, revisions: {}}",
	}, "OTLP="+otlp, "SINK="+backend.address, "FIRST="+service.Endpoint(fakegrid.NESO), "SECOND="+service.Endpoint(fakegrid.EnergyCharts))

	told := map[string]float64{}
	var again []func()
	tell := func(host string, from, until int, more map[string]float64) {
		t.Helper()
		used := sendUse(t, otlp, host, at(from), at(until), dayWatts)
		want := 0.0
		for of, grams := range more {
			told[of] += grams
		}
		for _, grams := range told {
			want += grams
		}
		again = append(again, func() {
			send(t, otlp, counterOf(host, at(from).Add(-time.Hour), time.Now(), used))
		})
		c.eventually(func() bool {
			for _, f := range again {
				f()
			}
			_, total := backend.grams()
			return total > want*(1-1e-6)
		}, "the emissions of "+host)
		requireGrams(t, told, backend.grams)
	}

	tell("evening", 32, 48, map[string]float64{"neso measured": emitted(32, 48, first)})
	require.Empty(t, service.Requests(fakegrid.EnergyCharts), "while the first provider answers")

	service.Fail(fakegrid.NESO, fakegrid.Status(http.StatusServiceUnavailable, ""))
	c.within(patienceForOutage, func() bool { return len(service.Requests(fakegrid.EnergyCharts)) > 0 }, "the fallback")
	tell("noon", 16, 32, map[string]float64{"energycharts measured": emitted(16, 32, second)})

	service.Fail(fakegrid.NESO)
	c.within(patienceForOutage, func() bool { return strings.Contains(c.output.String(), "answers again") }, "the first provider")
	tell("morning", 0, 16, map[string]float64{
		"neso measured": emitted(0, 4, first) + emitted(10, 16, first),
		"neso stale":    emitted(4, 6, carried),
		"static static": emitted(6, 10, year),
	})

	publish(fakegrid.NESO, before, after, restated)
	// Energy of the day before has the past asked for again, at once and not within the hour.
	sendUse(t, otlp, "yesterday", at(-4), at(-2), 1e-9)
	revised := map[string]float64{
		"neso measured":         emitted(0, 4, less(restated, first)) + emitted(10, 16, less(restated, first)) + emitted(32, 48, less(restated, first)),
		"energycharts measured": emitted(16, 32, less(restated, second)),
		"neso stale":            emitted(4, 6, less(restated, carried)),
		"static static":         emitted(6, 10, less(restated, year)),
	}
	settled := emitted(0, halfHours, restated)
	c.eventually(func() bool {
		for _, f := range again {
			f()
		}
		_, total := backend.grams()
		_, revision := backend.gramsOf("hw.emissions.revision")
		return math.Abs(total+revision-settled) < 1e-6
	}, "what is settled")
	requireGrams(t, told, backend.grams)
	requireGrams(t, revised, func() (map[string]float64, float64) { return backend.gramsOf("hw.emissions.revision") })
	assert.Less(t, len(service.Requests(fakegrid.NESO)), 30)
	assert.Less(t, len(service.Requests(fakegrid.EnergyCharts)), 10)
	require.Zero(t, c.stop())
}

// requireGrams compares grams by source and quality, and that there are no others.
func requireGrams(t *testing.T, want map[string]float64, got func() (by map[string]float64, total float64)) {
	t.Helper()
	by, total := got()
	sum := 0.0
	for of, grams := range want {
		require.InEpsilon(t, grams, by[of], 1e-9, "%s of %v", of, by)
		sum += grams
	}
	require.InEpsilon(t, sum, total, 1e-9, "%v", by)
}

// sendUse tells of the same watts all the time, to the very end: what comes later has used nothing. It returns the joules.
func sendUse(t *testing.T, otlp, device string, begin, end time.Time, watts float64) float64 {
	t.Helper()
	tell := func(at time.Time) float64 {
		joules := watts * at.Sub(begin).Seconds()
		send(t, otlp, counterOf(device, begin.Add(-time.Hour), at, joules))
		return joules
	}
	for at := begin; at.Before(end); at = at.Add(7 * time.Minute) {
		tell(at)
	}
	return tell(end)
}
