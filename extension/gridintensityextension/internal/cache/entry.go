// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Entry is an answer of a provider.
type Entry struct {
	// Fetched is when the provider was asked.
	Fetched time.Time
	Values  []grid.Value
}

// version of the format of entries is part of their names: collectors that write another one share
// nothing with this one. It changes with the JSON of grid.Value.
const version = "v1"

// maxSize in bytes is more than any answer has: three days of 5-minute values are below 0.5 MB.
const maxSize = 4 << 20

// moment has one length, so that Redis can find it in an entry, and compare two as texts.
const moment = "2006-01-02T15:04:05.000000000Z"

// tolerance is by how much the clocks of two collectors may differ.
const tolerance = time.Minute

// record is how an entry is written. Fetched stands first, where Redis looks for it.
type record struct {
	Fetched string       `json:"fetched"`
	Values  []grid.Value `json:"values"`
}

var (
	errTooLarge = errors.New("it has more than 4 MiB")
	errFuture   = errors.New("it is from the future: compare the clocks of the collectors")
)

func (e Entry) encode() ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(record{e.Fetched.UTC().Format(moment), e.Values})
	if err == nil && len(text) > maxSize {
		err = errTooLarge
	}
	return text, err
}

// decode trusts nobody who can write to the layer.
func decode(text []byte) (Entry, error) {
	var r record
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Entry{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("there is something after the entry")
	}
	at, err := time.Parse(moment, r.Fetched)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Fetched: at, Values: r.Values}
	return e, e.validate()
}

// expired entries are of no use, also those from the future.
func expired(fetched, now time.Time, ttl time.Duration) bool {
	age := now.Sub(fetched)
	return age >= ttl || age < -tolerance
}

// The times that an entry may have: no grid was asked before, and later ones are beyond Unix nanoseconds.
var (
	earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (e *Entry) validate() error {
	if e.Fetched.Before(earliest) || e.Fetched.After(latest) {
		return fmt.Errorf("fetched at %v", e.Fetched)
	}
	for i := range e.Values {
		if v := &e.Values[i]; !possible(v) {
			return fmt.Errorf("value %d cannot be: %+v", i, *v)
		}
	}
	return nil
}

func possible(v *grid.Value) bool {
	return !v.Start.Before(earliest) && v.Start.Before(v.End) && !v.End.After(latest) &&
		v.GramsPerKWh >= 0 && v.GramsPerKWh <= grid.MaxGramsPerKWh &&
		slices.Contains([]grid.Quality{grid.Measured, grid.Estimated, grid.Forecast, grid.Stale, grid.QualityStatic}, v.Quality) &&
		slices.Contains([]grid.Signal{grid.Average, grid.Marginal}, v.Signal) &&
		slices.Contains([]grid.Boundary{grid.Lifecycle, grid.Direct}, v.Boundary) &&
		slices.Contains([]grid.Basis{"", grid.Production, grid.Consumption}, v.Basis) &&
		slices.Contains([]grid.Gas{grid.CO2e, grid.CO2}, v.Gas)
}
