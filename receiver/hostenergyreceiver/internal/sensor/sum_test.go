// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

// part is a sensor that a test tells what to say.
type part struct {
	outcome     joule.Outcome
	err         error
	microjoules uint64
	every       time.Duration
}

func (p *part) Read(time.Time) (joule.Outcome, error) { return p.outcome, p.err }
func (p *part) Microjoules() uint64                   { return p.microjoules }
func (p *part) Interval() time.Duration               { return p.every }

func TestSum(t *testing.T) {
	a, b := &part{every: time.Minute}, &part{err: errors.New("offline")}
	s := together([]Sensor{a, b})
	assert.Equal(t, time.Minute, s.Interval())
	_, err := s.Read(time.Now())
	require.ErrorIs(t, err, b.err)

	// It begins when all have: what one counted before is not of it.
	a.outcome, a.microjoules, b.err = joule.Counted, 50, nil
	assert.Zero(t, s.Microjoules())
	outcome, err := s.Read(time.Now())
	require.NoError(t, err)
	assert.Equal(t, joule.First, outcome)
	assert.Zero(t, s.Microjoules())

	for i, tt := range []struct{ a, b, both joule.Outcome }{
		{joule.Counted, joule.Counted, joule.Counted},
		{joule.Counted, joule.Wrapped, joule.Wrapped},
		{joule.Gap, joule.Counted, joule.Gap},
		{joule.Rebased, joule.Gap, joule.Gap},
		{joule.First, joule.Counted, joule.Counted},
		{joule.Rejected, joule.Gap, joule.Rejected},
	} {
		a.outcome, b.outcome = tt.a, tt.b
		a.microjoules += 3
		b.microjoules += 4
		outcome, err := s.Read(time.Now())
		require.NoError(t, err)
		assert.Equal(t, tt.both, outcome)
		assert.EqualValues(t, 7*(i+1), s.Microjoules())
	}
	b.every = time.Second
	assert.Equal(t, time.Second, s.Interval())
	assert.Same(t, a, together([]Sensor{a}), "one is no sum")
}
