// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package uncertainty

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

var midnight = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func at(hours float64) time.Time {
	return midnight.Add(time.Duration(hours * float64(time.Hour)))
}

// relative is the uncertainty at an hour of the day, and fails if there is none.
func relative(tb require.TestingT, w *Window, hours float64) Relative {
	u, ok := w.At(at(hours))
	require.True(tb, ok)
	return u
}

// golden.json: uncertainty
func TestGolden(t *testing.T) {
	type setup struct {
		inputs   func(*Inputs)
		pue      func(*Inputs) float64
		method   string
		measured int // hours; then estimated, then static ones
		estim    int
		static   int
	}
	asIs := func(*Inputs) {}
	// The interannual error of a yearly factor takes the place of what it says of an hour.
	year := func(in *Inputs) { in.Intensity.Static.Random = 0.11 }
	reported := func(in *Inputs) float64 { return in.PUE.Reported }
	generic := func(in *Inputs) float64 { return in.PUE.Generic }
	setups := map[string]setup{
		"24 equal hourly measured buckets, NVML counter, reported PUE":                             {asIs, reported, "counter", 24, 0, 0},
		"1 hourly measured bucket":                                                                 {asIs, reported, "counter", 1, 0, 0},
		"24 hourly estimated buckets, correlated":                                                  {asIs, reported, "counter", 0, 24, 0},
		"12 measured + 12 estimated (each group own rho: 0 and 1) -> compose groups in quadrature": {asIs, reported, "counter", 12, 12, 0},
		"yearly static factor (11 % + 15 %), generic PUE 1.56":                                     {year, generic, "counter", 0, 0, 24},
		"1 hour, yearly static factor":                                                             {asIs, generic, "counter", 0, 0, 1},
		"TDP-based energy, yearly factor":                                                          {year, generic, "model", 0, 0, 24},
		"calibrated energy 1 %, no PUE, declared factor taken as exact": {
			func(in *Inputs) { in.Method.Counter, in.Intensity.Static = 0.01, Intensity{} },
			func(*Inputs) float64 { return 0 }, "counter", 0, 0, 24,
		},
	}
	content, err := os.ReadFile("../../testdata/golden.json")
	require.NoError(t, err)
	var golden struct {
		Uncertainty []struct {
			Case string
			U    float64  `json:"u"`
			U95  *float64 `json:"U95"`
			Low  float64  `json:"lo_factor"`
			High float64  `json:"hi_factor"`
		}
	}
	require.NoError(t, json.Unmarshal(content, &golden))
	require.Len(t, golden.Uncertainty, len(setups))

	for _, want := range golden.Uncertainty {
		t.Run(want.Case, func(t *testing.T) {
			s, ok := setups[want.Case]
			require.True(t, ok)
			in := Default()
			s.inputs(&in)
			w := NewWindow(&in, s.pue(&in), 24*time.Hour)
			for hour := range s.measured + s.estim + s.static {
				quality := grid.QualityStatic
				switch {
				case hour < s.measured:
					quality = grid.Measured
				case hour < s.measured+s.estim:
					quality = grid.Estimated
				}
				require.True(t, w.Add(at(float64(hour)), 100, quality, s.method, "GPU-1"))
			}
			const digits = 0.5000001e-6 // as given
			u := relative(t, w, 23.5)
			assert.InDelta(t, want.U, float64(u), digits)
			if want.U95 == nil {
				return
			}
			assert.InDelta(t, *want.U95, u.U95(), digits)
			low, high := u.Interval()
			assert.InDelta(t, want.Low, low, digits)
			assert.InDelta(t, want.High, high, digits)
		})
	}
}

// Gains of boards are independent, those of models are not: 2.9 % of one is 1.0 % of eight.
func TestBoards(t *testing.T) {
	only := Inputs{Method: Default().Method}
	for _, tc := range []struct {
		method string
		want   float64
	}{
		{"counter", 0.029 / math.Sqrt(8)},
		{"integrated", 0.035 / math.Sqrt(8)},
		{"model", 0.30},
		{"", 0.30},
	} {
		w := NewWindow(&only, 0, time.Hour)
		for board := range 8 {
			w.Add(midnight, 5, grid.Measured, tc.method, strconv.Itoa(board))
		}
		assert.InEpsilon(t, tc.want, float64(relative(t, w, 0)), 1e-12, tc.method)
	}

	w := NewWindow(&only, 0, time.Hour)
	w.Add(midnight, 5, grid.Measured, "counter", "a")
	w.Add(midnight, 5, grid.Measured, "integrated", "a")
	assert.InEpsilon(t, 0.032, float64(relative(t, w, 0)), 1e-12, "a board has one sensor")
}

func TestTooManyBoardsAreOne(t *testing.T) {
	only := Inputs{Method: Methods{Counter: 1}}
	w := NewWindow(&only, 0, time.Hour)
	for board := range 2 * maxBoards {
		w.Add(midnight, 1, grid.Measured, "counter", strconv.Itoa(board))
	}
	all, rest := 2.0*maxBoards, maxBoards+1.0
	assert.InEpsilon(t, math.Sqrt(maxBoards-1+rest*rest)/all, float64(relative(t, w, 0)), 1e-12)
	assert.Len(t, w.slots[midnight.Unix()/w.step%int64(len(w.slots))].boards, maxBoards)
}

// Whoever says an intensity every five minutes says one value an hour.
func TestAnHourIsOneBucket(t *testing.T) {
	in := Default()
	one, many := NewWindow(&in, 0, time.Hour), NewWindow(&in, 0, time.Hour)
	one.Add(midnight, 12, grid.Measured, "counter", "a")
	for i := range 12 {
		many.Add(at(float64(i)/12), 1, grid.Measured, "counter", "a")
	}
	assert.InEpsilon(t, float64(relative(t, one, 0.95)), float64(relative(t, many, 0.95)), 1e-12)
}

func TestUnknownQualityIsTheWorst(t *testing.T) {
	in := Default()
	unknown, static := NewWindow(&in, 0, time.Hour), NewWindow(&in, 0, time.Hour)
	unknown.Add(midnight, 1, "guessed", "counter", "a")
	static.Add(midnight, 1, grid.QualityStatic, "counter", "a")
	assert.InDelta(t, float64(relative(t, static, 0)), float64(relative(t, unknown, 0)), 0)
}

// When history replaces an estimate, its uncertainty goes with it.
func TestTakingBack(t *testing.T) {
	in := Default()
	w, want := NewWindow(&in, 0.03, 24*time.Hour), NewWindow(&in, 0.03, 24*time.Hour)
	for hour := range 24 {
		for range 10 {
			w.Add(at(float64(hour)), 0.1, grid.Estimated, "counter", "a")
		}
		w.Add(at(float64(hour)), 0.7, grid.Measured, "counter", "a")
		w.Add(at(float64(hour)), -1, grid.Estimated, "counter", "a")
		want.Add(at(float64(hour)), 0.7, grid.Measured, "counter", "a")
	}
	assert.InEpsilon(t, float64(relative(t, want, 23)), float64(relative(t, w, 23)), 1e-9)

	w.Add(at(23), -15, grid.Forecast, "integrated", "b")
	assert.InEpsilon(t, float64(relative(t, want, 23)), float64(relative(t, w, 23)), 1e-9, "what was never added")
}

func TestWindowForgets(t *testing.T) {
	in := Default()
	for _, length := range []time.Duration{time.Hour, 5 * time.Hour, 24 * time.Hour} {
		w := NewWindow(&in, 0, length)
		w.Add(midnight, 1e6, grid.QualityStatic, "model", "a")
		end := length.Hours()
		for _, still := range []float64{0, 0.5 * end, 0.9 * end} {
			_, ok := w.At(at(still))
			assert.True(t, ok, "%v at %v", length, still)
		}
		_, ok := w.At(at(end))
		assert.False(t, ok, length)
		_, ok = w.At(at(-end))
		assert.False(t, ok, "it was not yet")

		require.True(t, w.Add(at(end), 1, grid.Measured, "counter", "a"))
		assert.False(t, w.Add(midnight, 1, grid.Measured, "counter", "a"), "left behind")
		fresh := NewWindow(&in, 0, length)
		fresh.Add(at(end), 1, grid.Measured, "counter", "a")
		assert.InDelta(t, float64(relative(t, fresh, end)), float64(relative(t, w, end)), 0)
	}
}

func TestWhatIsNotTaken(t *testing.T) {
	in := Default()
	w := NewWindow(&in, 0, 0)
	for _, grams := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		assert.False(t, w.Add(midnight, grams, grid.Measured, "counter", "a"))
	}
	assert.False(t, w.Add(time.Time{}, 1, grid.Measured, "counter", "a"))
	assert.True(t, w.Add(midnight, 0, grid.Measured, "counter", "a"))
	_, ok := w.At(midnight)
	assert.False(t, ok, "of nothing, nothing is uncertain")
	for range 2 {
		w.Add(midnight, math.MaxFloat64, grid.Measured, "counter", "a")
	}
	_, ok = w.At(midnight)
	assert.False(t, ok, "more than a number can hold")
}

type added struct {
	hours   float64
	grams   float64
	quality grid.Quality
	method  string
	board   string
}

func drawAdded(rt *rapid.T, least float64) []added {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) added {
		return added{
			rapid.Float64Range(0, 24).Draw(rt, "hours"), rapid.Float64Range(least, 1e300).Draw(rt, "grams"),
			rapid.SampledFrom(append(qualities[:], "")).Draw(rt, "quality"),
			rapid.SampledFrom([]string{"counter", "integrated", "model", ""}).Draw(rt, "method"),
			rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "board"),
		}
	}), 1, 50).Draw(rt, "added")
}

func drawInputs(rt *rapid.T) *Inputs {
	one := func(name string) float64 { return rapid.Float64Range(0, 1).Draw(rt, name) }
	intensity := func() Intensity { return Intensity{one("random"), one("correlation"), one("systematic")} }
	return &Inputs{
		Methods{one("counter"), one("integrated"), one("model")},
		one("timing"),
		PUEs{one("reported"), one("generic")},
		Intensities{intensity(), intensity(), intensity(), intensity(), intensity()},
	}
}

// Whatever comes, the result is a number, and no larger than all inputs at their worst.
func TestBounded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := drawInputs(rt)
		require.NoError(rt, in.Validate())
		w := NewWindow(in, in.PUE.Generic, time.Duration(rapid.Int64Range(-1, int64(100*time.Hour)).Draw(rt, "length")))
		for _, a := range drawAdded(rt, -1e300) {
			w.Add(at(a.hours), a.grams, a.quality, a.method, a.board)
		}
		u, ok := w.At(at(24))
		if !ok {
			require.Zero(rt, u)
			return
		}
		require.GreaterOrEqual(rt, float64(u)+1e-9, in.PUE.Generic)
		require.LessOrEqual(rt, float64(u), math.Sqrt(5)+1e-9) // PUE, energy, timing, random and systematic
		low, high := u.Interval()
		require.True(rt, low > 0 && low <= 1 && high >= 1 && !math.IsInf(high, 0), "%v %v", low, high)
	})
}

// The same emissions from more boards are never less certain.
func TestMoreBoardsNeverRaiseIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := drawInputs(rt)
		few, more := NewWindow(in, 0, 24*time.Hour), NewWindow(in, 0, 24*time.Hour)
		boards := rapid.IntRange(2, maxBoards/3).Draw(rt, "boards")
		share := rapid.Float64Range(0, 1).Draw(rt, "share")
		for _, a := range drawAdded(rt, 0) {
			a.grams /= 1e10
			few.Add(at(a.hours), a.grams, a.quality, a.method, a.board)
			more.Add(at(a.hours), a.grams*share, a.quality, a.method, a.board+"0")
			for b := 1; b < boards; b++ {
				more.Add(at(a.hours), a.grams*(1-share)/float64(boards-1), a.quality, a.method, fmt.Sprint(a.board, b))
			}
		}
		u, ok := few.At(at(23.9))
		if !ok {
			return
		}
		require.LessOrEqual(rt, float64(relative(rt, more, 23.9)), float64(u)+1e-9)
	})
}

func BenchmarkAdd(b *testing.B) {
	in := Default()
	w := NewWindow(&in, 0, 24*time.Hour)
	b.ReportAllocs()
	for i := range b.N {
		w.Add(midnight.Add(time.Duration(i)*time.Second), 1, grid.Estimated, "counter", "GPU-1")
	}
}
