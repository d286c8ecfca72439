// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"maps"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// shelf holds what a provider said last of each interval, the forecast beside what was known later.
type shelf map[slot]grid.Value

type slot struct {
	start    int64 // Unix seconds
	foretold bool
}

func (s shelf) put(values []grid.Value) {
	for _, v := range values {
		maps.DeleteFunc(s, func(of slot, had grid.Value) bool { // what is said last of a time holds
			return of.foretold == (v.Quality == grid.Forecast) && had.Start.After(v.Start) && had.Start.Before(v.End)
		})
		s[slot{v.Start.Unix(), v.Quality == grid.Forecast}] = v
	}
}

// published is until when it is known what was; zero if there are forecasts only.
func (s shelf) published() (until time.Time) {
	for key, v := range s {
		if !key.foretold && v.End.After(until) {
			until = v.End
		}
	}
	return until
}

// since drops what ended before a time and returns the rest, in no order.
func (s shelf) since(oldest time.Time) []grid.Value {
	values := make([]grid.Value, 0, len(s))
	for key, v := range s {
		if v.End.Before(oldest) {
			delete(s, key)
			continue
		}
		values = append(values, v)
	}
	return values
}
