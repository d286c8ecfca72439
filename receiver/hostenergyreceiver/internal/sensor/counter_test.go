// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
)

type golden struct {
	Counter []struct {
		Src                     string
		Range, Prev, Cur, Delta uint64
	}
	WrapSeconds []struct {
		ESU  int
		W, S float64
	} `json:"rapl_wrap_seconds"`
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	content, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &g))
	require.NotEmpty(t, g.Counter)
	require.NotEmpty(t, g.WrapSeconds)
	return g
}

// In suspend to RAM the counters of a client begin again at 0, which may look like a wrap.
func TestCountersBeginAgainAtResume(t *testing.T) {
	const most = 262143328850
	raw, slept := uint64(most-8e9), time.Duration(0)
	c := newCounter(most, &raw)
	c.naps.suspended = func() time.Duration { return slept }
	now := time.Now()
	_, err := c.Read(now)
	require.NoError(t, err)
	raw, slept = 30e6, 8*time.Hour
	outcome, err := c.Read(now.Add(10 * time.Second)) // of a clock that stood still
	require.NoError(t, err)
	assert.Equal(t, joule.Rebased, outcome)
	assert.Zero(t, c.Microjoules())
	raw += 50e6
	_, err = c.Read(now.Add(20 * time.Second))
	require.NoError(t, err)
	assert.Equal(t, uint64(50_000_000), c.Microjoules())
}

func awake() time.Duration { return 0 }

// newCounter is a package's, in memory.
func newCounter(rangeUJ uint64, raw *uint64) *fileCounter {
	m := Machine{Suspended: awake, ReadFile: func(path string) ([]byte, error) {
		if filepath.Base(path) == "max_energy_range_uj" {
			return strconv.AppendUint(nil, rangeUJ, 10), nil
		}
		return strconv.AppendUint(nil, *raw, 10), nil
	}}
	return newFileCounter(reader{machine: m, at: location{value: "energy_uj"}}, Package, true)
}

func TestGoldenCounter(t *testing.T) {
	for _, v := range readGolden(t).Counter {
		t.Run(v.Src, func(t *testing.T) {
			raw := v.Prev
			c := newCounter(v.Range, &raw)
			now := time.Now()
			outcome, err := c.Read(now)
			require.NoError(t, err)
			require.Equal(t, joule.First, outcome)
			raw = v.Cur
			outcome, err = c.Read(now.Add(time.Second))
			require.NoError(t, err)
			assert.Equal(t, joule.Wrapped, outcome)
			assert.Equal(t, v.Delta, c.Microjoules())
		})
	}
}

func TestGoldenWrapSeconds(t *testing.T) {
	for _, v := range readGolden(t).WrapSeconds {
		raw := uint64(1)
		c := newCounter(uint64(math.Exp2(32)/math.Exp2(float64(v.ESU))*microjoules), &raw)
		assert.Equal(t, time.Minute, c.Interval(), "before the range is known")
		_, err := c.Read(time.Now())
		require.NoError(t, err)
		assert.InEpsilon(t, v.S*v.W/c.counter.MaxRate*microjoules/4, c.Interval().Seconds(), 1e-9)
	}
}

// Whatever the load, the range and the moments of reading: as long as no two are further apart than the sensor asks for,
// the total is what the hardware counted.
func TestCounterFollowsWraps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rangeUJ := rapid.Uint64Range(1e9, 1<<42).Draw(t, "range")
		burnt := rapid.Uint64Range(0, rangeUJ-1).Draw(t, "first")
		first, now, raw := burnt, time.Unix(0, 0), burnt
		c := newCounter(rangeUJ, &raw)
		_, err := c.Read(now)
		require.NoError(t, err)
		for range rapid.IntRange(1, 50).Draw(t, "readings") {
			seconds := rapid.Float64Range(0, c.Interval().Seconds()).Draw(t, "seconds")
			watts := rapid.Float64Range(0, Package.maxPower()).Draw(t, "watts")
			now = now.Add(time.Duration(seconds * 1e9))
			burnt += uint64(watts * seconds * microjoules)
			raw = burnt % rangeUJ
			outcome, err := c.Read(now)
			require.NoError(t, err)
			require.Contains(t, []joule.Outcome{joule.Counted, joule.Wrapped}, outcome)
			require.Equal(t, burnt-first, c.Microjoules())
		}
	})
}

// After a silence in which a wrap may hide, counting goes on; what was in between is not guessed.
func TestCounterGap(t *testing.T) {
	raw := uint64(1e6)
	c := newCounter(262143328850, &raw)
	now := time.Now()
	for _, step := range []struct {
		later       time.Duration
		raw         uint64
		outcome     joule.Outcome
		microjoules uint64
	}{
		{0, 1e6, joule.First, 0},
		{time.Minute, 3e6, joule.Counted, 2e6},
		{time.Hour, 4e6, joule.Gap, 2e6},
		{time.Hour + time.Minute, 9e6, joule.Counted, 7e6},
	} {
		raw = step.raw
		outcome, err := c.Read(now.Add(step.later))
		require.NoError(t, err)
		assert.Equal(t, step.outcome, outcome)
		assert.Equal(t, step.microjoules, c.Microjoules())
	}
}

func TestCounterRefusesNoRange(t *testing.T) {
	raw := uint64(1)
	_, err := newCounter(0, &raw).Read(time.Now())
	require.ErrorContains(t, err, "max_energy_range_uj: 0 is no range")
}

func TestCounterOfNonsenseRangeIsNotReadAllTheTime(t *testing.T) {
	raw := uint64(0)
	c := newCounter(1, &raw)
	_, err := c.Read(time.Now())
	require.NoError(t, err)
	assert.Equal(t, 100*time.Millisecond, c.Interval())
}

func TestNumber(t *testing.T) {
	b := newBox(t, "vm")
	_, err := b.number(b.path("n"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, b.path("n"))
	b.write("n", "12a")
	_, err = b.number(b.path("n"))
	require.ErrorContains(t, err, b.path("n"))
	b.write("n", "18446744073709551615")
	value, err := b.number(b.path("n"))
	require.NoError(t, err)
	assert.Equal(t, uint64(math.MaxUint64), value)
}

func TestCPUs(t *testing.T) {
	b := newBox(t, "vm")
	for text, want := range map[string][]int{
		"0": {0}, "0,64": {0, 64}, "0-2,5": {0, 1, 2, 5}, "": nil, "x": nil, "3-1": nil, "1-": nil,
	} {
		b.write("list", text)
		cpus, err := b.cpus(b.path("list"))
		assert.Equal(t, want == nil, err != nil, text)
		if want != nil {
			assert.Equal(t, want, cpus)
		} else {
			assert.ErrorContains(t, err, b.path("list"))
		}
	}
}
