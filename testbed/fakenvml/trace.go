// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"strconv"
	"time"
)

// Trace is a recorded waveform. Before its first point it has the value of that, after the last the value
// of the last.
type Trace struct {
	// Linear goes straight from point to point, instead of holding the value until the next.
	Linear bool

	path   string
	points []point
}

type point struct {
	at    time.Duration
	value float64
}

// LoadTrace reads lines of milliseconds and value, with a comma between them. A first line that does not
// begin with a number is a header.
func LoadTrace(path string) (Trace, error) {
	file, err := os.Open(path)
	if err != nil {
		return Trace{}, err
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = 2, '#', true
	rows, err := r.ReadAll()
	if err != nil {
		return Trace{}, err
	}
	trace := Trace{path: path}
	for i, row := range rows {
		ms, err := strconv.ParseFloat(row[0], 64)
		if err != nil && i == 0 {
			continue
		}
		value, err2 := strconv.ParseFloat(row[1], 64)
		if err = errors.Join(err, err2); err != nil {
			return Trace{}, fmt.Errorf("%s: row %d: %w", path, i+1, err)
		}
		trace.points = append(trace.points, point{time.Duration(math.Round(ms * 1e6)), value})
	}
	if len(trace.points) == 0 {
		return Trace{}, fmt.Errorf("%s: no points", path)
	}
	return trace, nil
}

// energy adds up from point to point, where the library has sums that it looks up.
func (w Trace) energy(t time.Duration) *big.Rat {
	first := w.points[0]
	sum := product(first.value, min(first.at, t))
	for i, p := range w.points {
		if p.at >= t {
			break
		}
		next := point{t, p.value}
		if i+1 < len(w.points) {
			next = w.points[i+1]
		}
		until := min(next.at, t)
		sum.Add(sum, product(p.value, until-p.at))
		if w.Linear {
			// The triangle on top of it, whose height is that part of the whole rise.
			triangle := product(1, until-p.at)
			triangle.Mul(triangle, new(big.Rat).Sub(product(next.value, 1), product(p.value, 1)))
			triangle.Mul(triangle, big.NewRat(int64(until-p.at), 2*1000*int64(next.at-p.at)))
			sum.Add(sum, triangle)
		}
	}
	return sum
}

func (w Trace) String() string {
	if w.Linear {
		return "trace " + w.path + " linear"
	}
	return "trace " + w.path
}
