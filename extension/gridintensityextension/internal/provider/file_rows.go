// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// fileFields are the columns of a CSV file, which starts with their names, or the names in each object of a JSON
// array. Start and g_per_kwh are needed. Without an end, an interval lasts until the next row of its zone; the
// last one lasts as long as the one before it. A row whose g_per_kwh is empty or null has no value.
type fileFields struct {
	Start   string       `json:"start"`
	End     string       `json:"end"`
	GPerKWh *json.Number `json:"g_per_kwh"`
	Zone    string       `json:"zone"`
	Quality string       `json:"quality"`
}

// fileRow is what a file says of an interval.
type fileRow struct {
	line        int
	zone        string // empty: of any
	start, end  time.Time
	gramsPerKWh *float64     // nil: there is no value
	quality     grid.Quality // empty if the file does not say
}

// fileSeries are the rows of each zone, in order of time. An error names the line and what is accepted.
func fileSeries(content []byte) (map[string][]fileRow, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // spreadsheets write it
	read := readCSV
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("[")) {
		read = readJSON
	}
	series := map[string][]fileRow{}
	if err := read(content, func(line int, f fileFields) error {
		row, err := f.row(line)
		series[row.zone] = append(series[row.zone], row)
		return err
	}); err != nil {
		return nil, err
	}
	if len(series) == 0 {
		return nil, errors.New("no rows; accepted: CSV with the columns start, end, g_per_kwh, zone, quality, or a JSON array of objects with these names")
	}
	for _, rows := range series {
		if err := setEnds(rows); err != nil {
			return nil, err
		}
	}
	return series, nil
}

func readCSV(content []byte, yield func(int, fileFields) error) error {
	r := csv.NewReader(bytes.NewReader(content))
	r.Comment, r.TrimLeadingSpace = '#', true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	var f fileFields
	var number string
	columns := map[string]*string{"start": &f.Start, "end": &f.End, "g_per_kwh": &number, "zone": &f.Zone, "quality": &f.Quality}
	targets := make([]*string, len(header))
	for i, name := range header {
		target, ok := columns[name]
		if !ok || slices.Contains(targets, target) {
			return fmt.Errorf("line 1: column %q is not known or twice there; accepted: start, end, g_per_kwh, zone, quality", name)
		}
		targets[i] = target
	}
	for _, name := range []string{"start", "g_per_kwh"} {
		if !slices.Contains(header, name) {
			return fmt.Errorf("line 1: there is no column %q", name)
		}
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // which names the line
		}
		for i, field := range record {
			*targets[i] = strings.TrimSpace(field)
		}
		f.GPerKWh = (*json.Number)(&number)
		if number == "" {
			f.GPerKWh = nil
		}
		line, _ := r.FieldPos(0)
		if err := yield(line, f); err != nil {
			return err
		}
	}
}

func readJSON(content []byte, yield func(int, fileFields) error) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	line := func() int { return 1 + bytes.Count(content[:d.InputOffset()], []byte("\n")) }
	failed := func(err error) error {
		return fmt.Errorf("line %d: %w; accepted: objects with start, end, g_per_kwh, zone, quality", line(), err)
	}
	if _, err := d.Token(); err != nil {
		return failed(err)
	}
	for d.More() {
		var f fileFields
		if err := d.Decode(&f); err != nil {
			return failed(err)
		}
		if err := yield(line(), f); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return failed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return failed(errors.New("something follows the array"))
	}
	return nil
}

func (f fileFields) row(line int) (fileRow, error) {
	r := fileRow{line: line, zone: f.Zone, quality: grid.Quality(f.Quality)}
	var err error
	if r.start, err = fileTime(f.Start); err != nil {
		return r, fmt.Errorf("line %d: start: %w", line, err)
	}
	if f.End != "" {
		if r.end, err = fileTime(f.End); err != nil {
			return r, fmt.Errorf("line %d: end: %w", line, err)
		}
		if !r.end.After(r.start) {
			return r, fmt.Errorf("line %d: end: %q is not after the start", line, f.End)
		}
	}
	if f.GPerKWh != nil {
		grams, err := strconv.ParseFloat(f.GPerKWh.String(), 64)
		if err != nil || !(grams >= 0 && grams <= grid.MaxGramsPerKWh) {
			return r, fmt.Errorf("line %d: g_per_kwh: %q; accepted: a number from 0 to %d, or nothing", line, *f.GPerKWh, grid.MaxGramsPerKWh)
		}
		r.gramsPerKWh = &grams
	}
	if accepted := oneOf(r.quality, "", grid.Measured, grid.Estimated, grid.Forecast); accepted != "" {
		return r, fmt.Errorf("line %d: quality: %q; accepted: nothing%s", line, f.Quality, accepted) // it begins with a comma
	}
	return r, nil
}

func fileTime(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 1970 || at.Year() > 2200 {
		return at, fmt.Errorf("%q; accepted: RFC 3339, such as 2026-11-23T12:00:00Z", text)
	}
	return at, nil
}

// setEnds sorts the rows of a zone and completes their intervals.
func setEnds(rows []fileRow) error {
	slices.SortStableFunc(rows, func(a, b fileRow) int { return a.start.Compare(b.start) })
	for i := range rows {
		r := &rows[i]
		last := i == len(rows)-1
		switch {
		case !last && !rows[i+1].start.After(r.start):
			return fmt.Errorf("line %d: start: line %d has the same, and the same zone", rows[i+1].line, r.line)
		case !last && r.end.IsZero():
			r.end = rows[i+1].start
		case !last && r.end.After(rows[i+1].start):
			return fmt.Errorf("line %d: end: it is after the start of line %d", r.line, rows[i+1].line)
		case last && r.end.IsZero() && i == 0:
			return fmt.Errorf("line %d: end: nothing says how long the only row of its zone lasts; accepted: an end, or a further row", r.line)
		case last && r.end.IsZero():
			r.end = r.start.Add(rows[i-1].end.Sub(rows[i-1].start))
		}
	}
	return nil
}
