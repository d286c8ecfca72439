// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package embodied

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	h100 = "NVIDIA H100 80GB HBM3"
	p5   = "p5.48xlarge"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return epoch.Add(time.Duration(hours * float64(time.Hour))) }

// skips remembers what was not counted.
type skips []string

func (s *skips) add(id, name string, why Reason) {
	*s = append(*s, fmt.Sprintf("%s %s %s", id, name, why))
}

func newLedger(devices ...Device) (*Ledger, *skips) {
	c := Default()
	c.Devices = devices
	s := &skips{}
	return NewLedger(c, 100, s.add), s
}

func grams(tb require.TestingT, l *Ledger, id, name string, at time.Time) float64 {
	total, ok := l.Observe(id, name, at)
	require.True(tb, ok)
	return total.Grams
}

// golden.json: sci
func TestSCI(t *testing.T) {
	content, err := os.ReadFile("../../testdata/golden.json")
	require.NoError(t, err)
	var golden struct {
		SCI struct {
			EnergyKWh    float64 `json:"E_it_kwh"`
			PUE          float64 `json:"pue"`
			Intensity    float64 `json:"I"`
			TotalKG      float64 `json:"TE_kg"`
			Lifetime     float64 `json:"lifetime_h"`
			Reserved     float64 `json:"reserved_h"`
			Share        float64 `json:"share"`
			Operational  float64 `json:"operational_g"`
			Embodied     float64 `json:"embodied_g"`
			Requests     float64 `json:"R_requests"`
			PerRequestSC float64 `json:"sci_g_per_request"`
		} `json:"sci"`
	}
	require.NoError(t, json.Unmarshal(content, &golden))
	v := golden.SCI

	l, _ := newLedger(Device{Match: "share of a server", KG: v.TotalKG * v.Share, Lifetime: time.Duration(v.Lifetime) * time.Hour})
	l.Observe("a", "share of a server", epoch)
	var embodied float64
	for hour := 6.0; hour <= v.Reserved; hour += 6 {
		embodied = grams(t, l, "a", "share of a server", at(hour))
	}
	operational := v.EnergyKWh * v.PUE * v.Intensity
	assert.InEpsilon(t, v.Embodied, embodied, 1e-12)
	assert.InEpsilon(t, v.Operational, operational, 1e-12)
	assert.InEpsilon(t, v.PerRequestSC, (operational+embodied)/v.Requests, 1e-12)
}

// A server of 8 H100 is 7012 kg: 160 g/h over five years, 20 g/h for each GPU with its part of the server.
func TestServerOfTheTable(t *testing.T) {
	l, skipped := newLedger()
	ids := map[string]string{"server": p5}
	for gpu := range 8 {
		ids[fmt.Sprint("GPU-", gpu)] = h100
	}
	total := 0.0
	for id, name := range ids {
		l.Observe(id, name, epoch)
		total += grams(t, l, id, name, at(24))
	}
	assert.InEpsilon(t, 7012e3*24/43800, total, 1e-12)
	assert.InDelta(t, 160, total/24, 0.5)
	assert.InDelta(t, 20, total/24/8, 0.05)
	assert.Empty(t, *skipped)
}

func TestMatch(t *testing.T) {
	const hours = 43.8 // a thousandth of the lifetime: 1 kg counts 1 g
	own := []Device{{Match: "nvidia l4", KG: 1}, {Match: "*A100-SXM4*", KG: 2}, {Match: "AMD *(R) MI250X/MI250", KG: 3, Lifetime: 2 * DefaultLifetime}}
	for _, tc := range []struct {
		name string
		own  []Device
		want float64 // g; 0 is unknown
	}{
		{name: h100, want: 164},
		{name: "NVIDIA A100-PCIE-40GB", want: 181},
		{name: "A100-PCIE-40GB", want: 181},
		{name: p5, want: 5700},
		{name: "NVIDIA H100 PCIe"},
		{name: "NVIDIA L4"},
		{name: ""},
		{name: "NVIDIA L4", own: own, want: 1},
		{name: "NVIDIA L40S", own: own},
		{name: "NVIDIA A100-SXM4-80GB", own: own, want: 2},
		{name: "AMD Instinct(R) MI250X/MI250", own: own, want: 1.5},
		{name: h100, own: []Device{{Match: "*", KG: 7}, {Match: h100, KG: 8}}, want: 7},
	} {
		l, skipped := newLedger(tc.own...)
		l.Observe("a", tc.name, at(0))
		total, ok := l.Observe("a", tc.name, at(hours))
		assert.Equal(t, tc.want > 0, ok, tc.name)
		assert.Equal(t, tc.want == 0, len(*skipped) == 1, tc.name)
		assert.InDelta(t, tc.want, total.Grams, 1e-9, tc.name)
	}
}

func TestReservedTime(t *testing.T) {
	days := func(days ...float64) (times []time.Time) {
		for _, d := range days {
			times = append(times, at(24*d))
		}
		return times
	}
	alone := []float64{0, 1}
	for i := range 50 {
		alone = append(alone, 1000+float64(10*i))
	}
	var apart []float64
	for i := range 20 {
		apart = append(apart, float64(10*i), float64(10*i+1))
	}
	replayed := append(days(apart...), append(days(185.5), days(0, 0.5, 1)...)...)
	for name, tc := range map[string]struct {
		times []time.Time
		want  float64 // days
	}{
		"seen once":                       {days(0), 0},
		"a weekend":                       {days(0, 3), 3},
		"the longest outage":              {days(0, 7), 7},
		"away for longer":                 {days(0, 7.001), 0},
		"away, and back":                  {days(0, 1, 11, 12), 2},
		"what was between comes late":     {days(0, 1, 11, 12, 5), 12},
		"late":                            {days(0, 2, 1), 2},
		"before the first":                {days(1, 2, 0), 2},
		"a clock that starts in 1970":     {append([]time.Time{time.Unix(5, 0)}, days(0, 1)...), 1},
		"a clock that started before":     {append([]time.Time{time.Unix(-5, 0), {}}, days(0, 1)...), 1},
		"a clock that is fast for a time": {days(0, 0.5, 1.5, 0.6, 1), 1.5},
		"a clock in 2100 for a time":      {days(0, 0.5, 30000, 0.6, 1), 1},
		"a clock gone wild":               {append(days(alone...), days(2, 3)...), 3},
		"in use now and then":             {days(apart...), 20},
		"dropped times are not counted":   {replayed, 29},
		"in use for longer than expected": {slices.Collect(func(yield func(time.Time) bool) {
			for d := 0.0; d < 3000 && yield(at(24*d)); d += 5 {
				continue
			}
		}), 43800. / 24},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLedger(Device{Match: "x", KG: 1825}) // 1 kg a day
			var total Total
			for _, at := range tc.times {
				next, _ := l.Observe("a", "x", at)
				require.GreaterOrEqual(t, next.Grams, total.Grams, "it never falls")
				total = next
			}
			assert.LessOrEqual(t, len(l.accounts["a"].spans), maxSpans)
			assert.InDelta(t, tc.want*1000, total.Grams, 1e-6)
		})
	}
}

func TestNoTime(t *testing.T) {
	l, skipped := newLedger()
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(-1, 0)} {
		_, ok := l.Observe("a", h100, at)
		assert.False(t, ok)
	}
	l.Forget(epoch)
	assert.Empty(t, l.States())
	assert.Empty(t, *skipped)
}

func TestEachDeviceHasItsOwn(t *testing.T) {
	l, _ := newLedger(Device{Match: "x", KG: 43.8})
	l.Observe("a", "x", at(0))
	l.Observe("b", "x", at(3))
	assert.InDelta(t, 5, grams(t, l, "a", "x", at(5)), 1e-9)
	total, ok := l.Observe("b", "x", at(5))
	assert.True(t, ok)
	assert.InDelta(t, 2, total.Grams, 1e-9)
	assert.True(t, total.Since.Equal(at(3)))
}

func TestUnknownDeviceIsSaidOnce(t *testing.T) {
	l, skipped := newLedger(Device{Match: "x", KG: 43.8})
	for hour := range 3 {
		_, ok := l.Observe("a", "", at(float64(hour)))
		assert.False(t, ok)
		l.Observe("b", "y", at(float64(hour)))
	}
	assert.Equal(t, skips{"a  unknown_device", "b y unknown_device"}, *skipped)

	assert.InDelta(t, 3, grams(t, l, "a", "x", at(3)), 1e-9, "another source knows its name")
	assert.InDelta(t, 4, grams(t, l, "a", "", at(4)), 1e-9)
}

func TestLimit(t *testing.T) {
	var skipped skips
	l := NewLedger(Default(), 2, skipped.add)
	for hour := range 3 {
		for _, id := range []string{"a", "b", "c", "d"} {
			_, ok := l.Observe(id, h100, at(float64(hour)))
			assert.Equal(t, id < "c", ok)
		}
	}
	assert.Equal(t, skips{"c " + h100 + " device_limit"}, skipped)

	l.Observe("b", h100, at(10))
	l.Forget(at(10))
	_, ok := l.Observe("c", h100, at(11))
	assert.True(t, ok, "a was forgotten")
	_, ok = l.Observe("d", h100, at(11))
	assert.False(t, ok)
	assert.Len(t, skipped, 2, "said when it is full again")
}

// observations of two devices, in hours.
func observations(rt *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(0, 1000), 1, 40).Draw(rt, "hours")
}

// However a time is split, in whatever order and how often its parts come: the same is counted, and it never falls.
func TestAdditive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hours := observations(rt)
		l, _ := newLedger(Device{Match: "x", KG: 43.8})
		last := 0.0
		for _, h := range hours {
			now := grams(rt, l, "a", "x", at(h))
			require.GreaterOrEqual(rt, now, last)
			last = now
			require.InDelta(rt, now, grams(rt, l, "a", "x", at(h)), 0, "a duplicate counts nothing")
		}

		sorted := slices.Sorted(slices.Values(hours))
		want := 0.0
		for i := range sorted[1:] {
			if gap := at(sorted[i+1]).Sub(at(sorted[i])); gap <= MaxGap {
				want += gap.Hours()
			}
		}
		require.InDelta(rt, want, last, 1e-9)
	})
}

// A restart loses nothing that a gap does not.
func TestRestart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hours := slices.Sorted(slices.Values(observations(rt)))
		cut := rapid.IntRange(0, len(hours)-1).Draw(rt, "cut")
		whole, _ := newLedger(Device{Match: "x", KG: 43.8})
		parts, _ := newLedger(Device{Match: "x", KG: 43.8})
		last := 0.0
		for i, h := range hours {
			if i == cut {
				states := parts.States()
				parts, _ = newLedger(Device{Match: "x", KG: 43.8})
				parts.Restore(states)
			}
			want, _ := whole.Observe("a", "x", at(h))
			got, ok := parts.Observe("a", "x", at(h))
			require.True(rt, ok)
			require.True(rt, want.Since.Equal(got.Since))
			last = want.Grams
			require.LessOrEqual(rt, got.Grams, want.Grams+1e-9)
			if cut > 0 && hours[cut]-hours[0] < MaxGap.Hours() {
				require.InDelta(rt, want.Grams, got.Grams, 1e-9)
			}
		}
		for _, h := range hours {
			require.LessOrEqual(rt, grams(rt, parts, "a", "x", at(h)), last+1e-9, "the past is not counted again")
		}
	})
}

func TestRestoreDropsAClockThatWasWrong(t *testing.T) {
	l, _ := newLedger(Device{Match: "x", KG: 43.8})
	for _, h := range []float64{0, 2, 1e6} {
		l.Observe("a", "x", at(h))
	}
	next, _ := newLedger(Device{Match: "x", KG: 43.8})
	next.Restore(l.States())
	assert.InDelta(t, 3, grams(t, next, "a", "x", at(3)), 1e-9)
}

func BenchmarkObserve(b *testing.B) {
	l, _ := newLedger()
	b.ReportAllocs()
	for i := range b.N {
		l.Observe("GPU-1", h100, epoch.Add(time.Duration(i)*time.Second))
	}
}
