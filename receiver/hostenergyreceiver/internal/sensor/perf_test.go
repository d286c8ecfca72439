// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"errors"
	"io"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

const joulesInCounts = 1 << 32

// openEvents counts those that nobody closed.
func (b *box) openEvents() (open int) {
	for _, e := range b.events {
		open += e.open
	}
	return open
}

func TestPerfCountsEachPackage(t *testing.T) {
	b := newBox(t, "masked")
	sources, _ := Detect(b.Machine)
	require.Len(t, sources, 4)
	require.Zero(t, b.openEvents(), "to look is not to listen")
	now := time.Now()
	for _, s := range sources {
		outcome, err := s.Sensor.Read(now)
		require.NoError(t, err)
		require.Equal(t, joule.First, outcome)
	}
	require.Equal(t, 4, b.openEvents())
	const pkg, ram = 2, 3
	for at, joules := range map[opened]uint64{{32, pkg, 0}: 10, {32, pkg, 1}: 20, {32, ram, 0}: 3, {32, ram, 1}: 4} {
		require.Contains(t, b.events, at)
		b.events[at].count += joules * joulesInCounts
	}
	want := map[string]uint64{"package-0": 10e6, "package-1": 20e6, "package-0/dram": 3e6, "package-1/dram": 4e6}
	for _, s := range sources {
		outcome, err := s.Sensor.Read(now.Add(time.Second))
		require.NoError(t, err)
		assert.Equal(t, joule.Counted, outcome)
		assert.Equal(t, want[s.ID], s.Sensor.Microjoules(), s.ID)
		assert.Zero(t, s.Sensor.Interval())
		require.NoError(t, s.Sensor.(io.Closer).Close())
		require.NoError(t, s.Sensor.(io.Closer).Close(), "closed already")
	}
	assert.Zero(t, b.openEvents())
}

// One package alone counts psys, and AMD counts each core: what perf counts on several CPUs is added.
func TestPerfAddsUp(t *testing.T) {
	for _, tt := range []struct {
		machine, id string
		pmu         uint32
		config      uint64
	}{{"intel-server", "psys", 32, 5}, {"amd-epyc", "package-0/core", 33, 1}} {
		b := newBox(t, tt.machine)
		sensor := source(t, b.Machine, tt.id, Perf).Sensor
		now := time.Now()
		_, err := sensor.Read(now)
		require.NoError(t, err)
		b.event(tt.pmu, tt.config, 0).count += 2 * joulesInCounts
		b.event(tt.pmu, tt.config, 1).count += 5 * joulesInCounts
		_, err = sensor.Read(now.Add(time.Second))
		require.NoError(t, err)
		assert.EqualValues(t, 7_000_000, sensor.Microjoules(), tt.id)
		require.NoError(t, sensor.(io.Closer).Close())
		assert.Zero(t, b.openEvents())
	}
}

// A count goes on past its end, and what is less than a microjoule is not lost.
func TestPerfIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		event := &fakeEvent{count: rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(math.MaxUint64-1e12, math.MaxUint64)).Draw(t, "count")}
		c := &eventCounter{
			open:        func() (Event, error) { return &listener{event, 0}, nil },
			microjoules: microjoules / joulesInCounts, last: event.count,
			counter: joule.Counter{MaxRate: Package.maxPower() * microjoules},
			naps:    Machine{Suspended: awake}.naps(),
		}
		var err error
		c.event, err = c.open()
		require.NoError(t, err)
		now := time.Now()
		_, err = c.Read(now)
		require.NoError(t, err)
		counts := new(big.Int)
		for range rapid.IntRange(1, 30).Draw(t, "readings") {
			seconds := rapid.IntRange(1, 100).Draw(t, "seconds")
			delta := rapid.Uint64Range(0, uint64(seconds)*1000*joulesInCounts).Draw(t, "delta")
			event.count += delta
			counts.Add(counts, new(big.Int).SetUint64(delta))
			now = now.Add(time.Duration(seconds) * time.Second)
			outcome, err := c.Read(now)
			require.NoError(t, err)
			require.Equal(t, joule.Counted, outcome)
		}
		want := new(big.Int).Div(counts.Mul(counts, big.NewInt(1e6)), big.NewInt(joulesInCounts))
		require.InDelta(t, float64(want.Uint64()), float64(c.Microjoules()), 1)
	})
}

// When a CPU goes offline its events are in error. They are opened anew; what was used until then is not known.
func TestPerfOpensAgain(t *testing.T) {
	b := newBox(t, "masked")
	sensor := source(t, b.Machine, "package-0", Perf).Sensor
	now := time.Now()
	read := func() (joule.Outcome, error) {
		now = now.Add(time.Second)
		return sensor.Read(now)
	}
	_, err := read()
	require.NoError(t, err)
	event := b.event(32, 2, 0)
	event.count += 5 * joulesInCounts
	event.failing = errors.New("offline")
	_, err = read()
	require.ErrorContains(t, err, "offline")
	assert.Zero(t, event.open)
	event.failing, b.refused = nil, errors.New("no such CPU")
	_, err = read()
	require.ErrorContains(t, err, "perf_event_open: no such CPU")
	b.refused = nil
	outcome, err := read()
	require.NoError(t, err)
	assert.Equal(t, joule.Gap, outcome)
	event.count += 7 * joulesInCounts
	outcome, err = read()
	require.NoError(t, err)
	assert.Equal(t, joule.Counted, outcome)
	assert.EqualValues(t, 7_000_000, sensor.Microjoules())
}
