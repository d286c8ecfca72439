// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// sum is one sensor of several parts.
type sum struct {
	parts []Sensor
	begun bool
	// before is what parts counted while others had no first reading.
	before uint64
}

// together is the only sensor, or the sum of several.
func together(parts []Sensor) Sensor {
	if len(parts) == 1 {
		return parts[0]
	}
	return &sum{parts: parts}
}

// Read reads all parts. If one fails so does the whole, and what the others counted is in the next one that does not.
func (s *sum) Read(now time.Time) (joule.Outcome, error) {
	worst, failed := len(outcomes)-1, error(nil)
	for _, part := range s.parts {
		outcome, err := part.Read(now)
		if err != nil && failed == nil {
			failed = err
		}
		worst = min(worst, slices.Index(outcomes, outcome))
	}
	if failed != nil {
		return joule.Rejected, failed
	}
	if outcomes[worst].Accepted() && !s.begun {
		s.begun, s.before = true, s.total()
		return joule.First, nil
	}
	return outcomes[worst], nil
}

// outcomes are those of a part, from the one that says most about the sum.
var outcomes = []joule.Outcome{
	joule.Rejected, joule.Gap, joule.Rebased, joule.Reset, joule.Wrapped, joule.Counted, joule.First,
}

func (s *sum) Microjoules() uint64 {
	if !s.begun {
		return 0
	}
	return s.total() - s.before
}

func (s *sum) total() (sum uint64) {
	for _, part := range s.parts {
		sum += part.Microjoules()
	}
	return sum
}

// Interval is the shortest of the parts.
func (s *sum) Interval() (shortest time.Duration) {
	for _, part := range s.parts {
		if every := part.Interval(); every > 0 && (shortest == 0 || every < shortest) {
			shortest = every
		}
	}
	return shortest
}

func (s *sum) Close() error {
	var errs []error
	for _, part := range s.parts {
		if closer, ok := part.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(errs...)
}
