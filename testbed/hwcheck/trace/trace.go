// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package trace is a recording of a GPU's energy counter and power sensors, for tests to replay.
package trace

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Row is what the sensors showed from its time on, until the next row.
type Row struct {
	// At is since the beginning of the trace.
	At time.Duration
	// Counter is the energy counter, in mJ since any time.
	Counter uint64
	// Instant and Average are power, in mW. 0 is unknown.
	Instant, Average uint64
	// Phase says what the GPU was doing.
	Phase string
}

// Trace is a recording: rows by rising time.
type Trace struct {
	// About says where it comes from: gpu, driver, poll_hz.
	About map[string]string
	Rows  []Row
}

// Add appends a row, unless it shows nothing new.
func (t *Trace) Add(r Row) {
	if n := len(t.Rows); n > 0 {
		last := t.Rows[n-1]
		last.At = r.At
		if last == r {
			return
		}
	}
	t.Rows = append(t.Rows, r)
}

// Last is the time of the last row.
func (t *Trace) Last() time.Duration {
	if len(t.Rows) == 0 {
		return 0
	}
	return t.Rows[len(t.Rows)-1].At
}

// At is what the sensors showed at a time: the row that was last then. Before the first row it is that one.
func (t *Trace) At(at time.Duration) Row {
	next := sort.Search(len(t.Rows), func(i int) bool { return t.Rows[i].At > at })
	return t.Rows[max(next, 1)-1]
}

var columns = []string{"t_us", "counter_mj", "instant_mw", "average_mw", "phase"}

// Write writes the trace as gzipped CSV. Lines "# key: value" come first, then the names of the columns. To
// keep it small, a number is the difference to the one above.
func (t *Trace) Write(w io.Writer) error {
	zip, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(t.About)) {
		if _, err := fmt.Fprintf(zip, "# %s: %s\n", key, strings.ReplaceAll(t.About[key], "\n", " ")); err != nil {
			return err
		}
	}
	out := csv.NewWriter(zip)
	_ = out.Write(columns) // the error stays, and Error has it
	var last Row
	for _, r := range t.Rows {
		_ = out.Write([]string{
			strconv.FormatInt(r.At.Microseconds()-last.At.Microseconds(), 10), difference(r.Counter, last.Counter),
			difference(r.Instant, last.Instant), difference(r.Average, last.Average), r.Phase,
		})
		last = r
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return zip.Close()
}

// Read reads what Write wrote.
func Read(r io.Reader) (*Trace, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, err
	}
	t := &Trace{About: map[string]string{}}
	for line := range strings.Lines(string(content)) {
		comment, ok := strings.CutPrefix(line, "# ")
		if !ok {
			break
		}
		key, value, _ := strings.Cut(strings.TrimSpace(comment), ": ")
		t.About[key] = value
	}
	in := csv.NewReader(strings.NewReader(string(content)))
	in.Comment, in.FieldsPerRecord = '#', len(columns)
	records, err := in.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || !slices.Equal(records[0], columns) {
		return nil, fmt.Errorf("the first line is not %s", strings.Join(columns, ","))
	}
	var last Row
	for i, record := range records[1:] {
		var numbers [4]int64
		for j := range numbers {
			if numbers[j], err = strconv.ParseInt(record[j], 10, 64); err != nil {
				return nil, fmt.Errorf("row %d, %s: %w", i+1, columns[j], err)
			}
		}
		last = Row{
			At: last.At + time.Duration(numbers[0])*time.Microsecond, Counter: last.Counter + uint64(numbers[1]),
			Instant: last.Instant + uint64(numbers[2]), Average: last.Average + uint64(numbers[3]), Phase: record[4],
		}
		if i > 0 && numbers[0] < 0 {
			return nil, fmt.Errorf("row %d is before the one above", i+1)
		}
		t.Rows = append(t.Rows, last)
	}
	return t, nil
}

func difference(a, b uint64) string { return strconv.FormatInt(int64(a-b), 10) }
