// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/go-logfmt/logfmt"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

// mostPlain is how many rows one update prints.
const mostPlain = 20

// Plain writes a logfmt line for each row that had news after the given batch, largest first, and one
// for the total. Without news it writes nothing.
func Plain(s tally.Snapshot, after int) string {
	var news []tally.Row
	for _, r := range allRows(s) {
		if r.Batch > after {
			news = append(news, r)
		}
	}
	if len(news) == 0 {
		return ""
	}
	var b bytes.Buffer
	for _, r := range news[:min(len(news), mostPlain)] {
		id := r.ID
		if id == r.Name {
			id = ""
		}
		record(&b, append([]any{"time", stamp(s.At), "host", r.HostName, "kind", r.Kind, "device", r.Name, "id", id},
			numbers(r.Amount, methodName(r.Method))...))
	}
	fields := append([]any{"time", stamp(s.At), "kind", "total"}, numbers(s.Total, methodOf(s.Total))...)
	if len(s.Hosts) > 0 {
		if more := len(news) - mostPlain; more > 0 {
			fields = append(fields, "more_rows", strconv.Itoa(more))
		}
		if n := s.Skipped[tally.Limit]; n > 0 {
			fields = append(fields, "points_beyond_max_streams", strconv.FormatInt(n, 10))
		}
		record(&b, fields)
	}
	return b.String()
}

// allRows lists the rows that totals are made of first.
func allRows(s tally.Snapshot) []tally.Row {
	var rows []tally.Row
	for _, h := range s.Hosts {
		rows = append(rows, h.Readings...)
		rows = append(rows, h.Devices...)
		rows = append(rows, h.Inner...)
	}
	return append(append(rows, s.Workloads...), s.Others...)
}

func numbers(a tally.Amount, method string) []any {
	var out []any
	if !math.IsNaN(a.Watts) {
		out = append(out, "power_W", plainNumber(a.Watts))
	}
	if a.Metered {
		out = append(out, "energy_J", plainNumber(a.Joules))
	}
	if grams, reported := a.Grams(); reported {
		out = append(out, "emissions_g", plainNumber(grams))
		if perKWh, ok := a.Intensity(); ok {
			out = append(out, "g_per_kWh", plainNumber(perKWh))
		}
		out = append(out, "zone", shares(a.Shares(zoneOf)), "quality", shares(a.Shares(qualityOf)))
	}
	return append(out, "method", method)
}

// record leaves out what is not known.
func record(b *bytes.Buffer, fields []any) {
	e := logfmt.NewEncoder(b)
	for i := 0; i < len(fields); i += 2 {
		if value := fields[i+1].(string); value != "" && value != dash {
			// Neither key nor value can be invalid: the keys are ours, the values are strings.
			_ = e.EncodeKeyval(fields[i], value)
		}
	}
	_ = e.EndRecord()
}

// plainNumber keeps at least four significant digits, and never cuts whole units.
func plainNumber(v float64) string {
	const significant = 4
	places := significant - 1
	if v != 0 {
		places = max(0, significant-1-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	return strconv.FormatFloat(v, 'f', places, 64)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
