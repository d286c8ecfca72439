// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// file is the user's own time series, in CSV or JSON (fileFields). It is read again when its time of change or its
// size changes. Options: path; basis (consumption, production) and gas (co2e, co2) of what is in it.
var file = Type{
	Provenance: grid.Provenance{Boundary: grid.Lifecycle, Gas: grid.CO2e},
	Boundaries: []grid.Boundary{grid.Lifecycle, grid.Direct},
	Options:    []string{"path", "basis", "gas"},
	Step:       time.Minute,
	Zone:       func(zone string) (string, bool) { return zone, zone != "" },
	Zones:      "a zone as the file names it",
	New:        newFileProvider,
}

// maxFile is a year of 5-minute values of one zone, in CSV.
const maxFile = 10 << 20

// fileRecent is how far back from now the latest values go.
const fileRecent = 24 * time.Hour

type fileProvider struct {
	Settings
	path string

	mu       sync.Mutex
	modified time.Time
	size     int64
	series   map[string][]fileRow // by zone; "" is any
	err      error
}

func newFileProvider(s Settings) (Provider, error) {
	p := &fileProvider{Settings: s}
	for _, key := range slices.Sorted(maps.Keys(s.Options)) {
		value, accepted := s.Options[key], ""
		switch key {
		case "path":
			p.path = value
		case "basis":
			p.Provenance.Basis = grid.Basis(value)
			accepted = oneOf(p.Provenance.Basis, grid.Consumption, grid.Production)
		case "gas":
			p.Provenance.Gas = grid.Gas(value)
			accepted = oneOf(p.Provenance.Gas, grid.CO2e, grid.CO2)
		default:
			return nil, fmt.Errorf("options: %q is not known; accepted: path, basis, gas", key)
		}
		if accepted != "" {
			return nil, fmt.Errorf("options::%s: %q; accepted: %s", key, value, accepted)
		}
	}
	if p.path == "" {
		return nil, errors.New("options::path: there is none; accepted: the path of a CSV or JSON file")
	}
	return p, nil
}

// oneOf is empty, or what is accepted instead.
func oneOf[T ~string](value T, accepted ...T) string {
	if slices.Contains(accepted, value) {
		return ""
	}
	var names []string
	for _, a := range accepted {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

// Latest returns the last day, or the last value before, if there is none in it.
func (p *fileProvider) Latest(_ context.Context, zone string) ([]grid.Value, error) {
	now := time.Now()
	return p.choose(zone, func(values []grid.Value) []grid.Value {
		values = slices.DeleteFunc(values, func(v grid.Value) bool { return v.Start.After(now) })
		recent := slices.IndexFunc(values, func(v grid.Value) bool { return v.End.After(now.Add(-fileRecent)) })
		if recent < 0 {
			recent = max(0, len(values)-1)
		}
		return values[recent:]
	})
}

// History leaves out what was foretold.
func (p *fileProvider) History(_ context.Context, zone string, from, to time.Time) ([]grid.Value, error) {
	return p.choose(zone, func(values []grid.Value) []grid.Value {
		return slices.DeleteFunc(values, func(v grid.Value) bool {
			return v.Quality == grid.Forecast || !v.End.After(from) || !v.Start.Before(to)
		})
	})
}

func (p *fileProvider) Forecast(_ context.Context, zone string) ([]grid.Value, error) {
	now := time.Now()
	return p.choose(zone, func(values []grid.Value) []grid.Value {
		return slices.DeleteFunc(values, func(v grid.Value) bool { return v.Quality != grid.Forecast || !v.End.After(now) })
	})
}

func (p *fileProvider) choose(zone string, choice func([]grid.Value) []grid.Value) ([]grid.Value, error) {
	series, written, err := p.load()
	if err != nil {
		return nil, err
	}
	rows, ok := series[zone]
	if !ok {
		rows, ok = series[""]
	}
	if !ok {
		return nil, reject(NotFound, "%s has no zone %q; it has %s", p.path, zone, strings.Join(slices.Sorted(maps.Keys(series)), ", "))
	}
	var values []grid.Value
	for _, r := range rows {
		if r.gramsPerKWh == nil {
			continue
		}
		// Nobody measures what is to come: a time after the file was written is foretold in it.
		quality := cmp.Or(r.quality, grid.Measured)
		if r.quality == "" && r.start.After(written) {
			quality = grid.Forecast
		}
		values = append(values, p.value(zone, r.start, r.end.Sub(r.start), *r.gramsPerKWh, quality))
	}
	if values = choice(values); len(values) == 0 {
		return nil, reject(Missing, "%s has nothing of that time", p.path)
	}
	return values, nil
}

// load reads the file if it has changed. An error of its content stays until it changes again.
func (p *fileProvider) load() (series map[string][]fileRow, written time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := os.Stat(p.path)
	switch {
	case err != nil:
		return nil, time.Time{}, &Error{Reason: Unavailable, Err: err}
	case !info.Mode().IsRegular(): // opening a pipe would wait
		return nil, time.Time{}, reject(Unavailable, "%s is not a file", p.path)
	case info.Size() > maxFile:
		return nil, time.Time{}, reject(Malformed, "%s has %d bytes; accepted: %d MiB", p.path, info.Size(), maxFile>>20)
	case info.ModTime().Equal(p.modified) && info.Size() == p.size:
		return p.series, p.modified, p.err
	}
	content, err := p.read()
	if err != nil {
		return nil, time.Time{}, &Error{Reason: Unavailable, Err: err}
	}
	p.modified, p.size = info.ModTime(), info.Size()
	if p.series, err = fileSeries(content); err != nil {
		err = &Error{Reason: Malformed, Detail: p.path, Err: err}
	}
	p.err = err
	return p.series, p.modified, p.err
}

func (p *fileProvider) read() ([]byte, error) {
	f, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}
