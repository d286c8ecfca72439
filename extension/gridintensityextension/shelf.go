// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"cmp"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// shelf holds what a provider said last of each interval, the forecast beside what was known later. Its zero value is empty.
type shelf struct {
	said map[slot]saying
	puts int
}

type slot struct {
	start    int64 // Unix seconds
	foretold bool
}

// saying is a value, and in which put it came.
type saying struct {
	grid.Value

	put int
}

func (s *shelf) put(values []grid.Value) {
	if s.said == nil {
		s.said = map[slot]saying{}
	}
	s.puts++
	for _, v := range values {
		s.said[slot{v.Start.Unix(), v.Quality == grid.Forecast}] = saying{v, s.puts}
	}
}

// published is until when it is known what was; zero if there are forecasts only.
func (s *shelf) published() (until time.Time) {
	for key, v := range s.said {
		if !key.foretold && v.End.After(until) {
			until = v.End
		}
	}
	return until
}

// since drops what ended before a time and returns the rest, what was said last first: it holds where intervals overlap.
func (s *shelf) since(oldest time.Time) []grid.Value {
	rest := make([]saying, 0, len(s.said))
	for key, v := range s.said {
		if v.End.Before(oldest) {
			delete(s.said, key)
			continue
		}
		rest = append(rest, v)
	}
	slices.SortFunc(rest, func(a, b saying) int { return cmp.Or(cmp.Compare(b.put, a.put), a.Start.Compare(b.Start)) })
	values := make([]grid.Value, len(rest))
	for i, v := range rest {
		values[i] = v.Value
	}
	return values
}
