// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

func TestWindowsAreCutWhereOthersAreSeen(t *testing.T) {
	a, b := pod("a"), pod("b")
	l := New(Config{}, birth)
	for _, seen := range []struct {
		at float64
		w  *workload.Workload
	}{{0, a}, {20, a}, {30, b}} {
		p := known(seen.w)
		p.Unsampled = true
		l.Presence(second(seen.at), p)
	}
	l.Energy(second(60), 6_000_000, 600)
	l.Flush()
	assert.Equal(t, map[string]uint64{
		"a measured_share counter": 2_000_000, "a measured_share integrated": 200,
		"a estimated_share counter": 500_000, "a estimated_share integrated": 50,
		"b estimated_share counter": 500_000, "b estimated_share integrated": 50,
		"b measured_share counter": 3_000_000, "b measured_share integrated": 300,
	}, balance(l), "between 20 and 30 s either may have been there")
	for account := range l.Accounts() {
		assert.Equal(t, second(60), account.At)
		if account.Workload == b && account.Attribution == MeasuredShare {
			assert.Equal(t, second(30), account.Start)
		}
	}
}

func TestUnknownIsNotNobody(t *testing.T) {
	a := pod("a")
	l := New(Config{}, birth)
	p := known(a)
	p.Unsampled = true
	l.Presence(birth, p)
	l.Energy(second(10), 100, 0)
	l.Flush()
	l.Presence(second(10), Presence{}) // the GPU is lost
	l.Energy(second(3600), 10_000, 0)  // and found
	l.Presence(second(3600), p)
	l.Sample(a, second(3598), second(3600.5), 100) // says nothing of the hour
	l.Energy(second(3610), 100, 0)
	l.Flush()
	assert.Equal(t, map[string]uint64{"a measured_share counter": 200, "unattributed measured_share counter": 10_000}, balance(l))

	l.Presence(second(3610), Presence{})
	l.Energy(second(7200), 10_000, 0)
	l.Presence(second(7200), Presence{Known: true, Owner: a})
	l.Flush()
	assert.EqualValues(t, 20_000, l.kind(Unattributed), "nor does an owner of later pay")
}

// Between two sightings, either may have been there.
func TestBetweenSightings(t *testing.T) {
	a, b := pod("a"), pod("b")
	part := func(w *workload.Workload, estimated bool) Presence {
		return Presence{Known: true, Unsampled: true, Residents: []Resident{{Workload: w, Weighted: true, Weight: 5, Estimated: estimated}}}
	}
	did := func(w *workload.Workload) Presence {
		p := part(w, true)
		p.Residents[0].Activity = true
		return p
	}
	for name, tc := range map[string]struct {
		before, after Presence
		want          map[string]uint64
	}{
		"owners: the later":                  {Presence{Owner: a, Known: true}, Presence{Owner: b, Known: true}, map[string]uint64{"b exclusive counter": 1000}},
		"an owner who left":                  {Presence{Owner: a, Known: true}, known(), map[string]uint64{"a exclusive counter": 1000}},
		"activity is of the time before":     {part(a, false), part(b, false), map[string]uint64{"b measured_share counter": 1000}},
		"activity is, be it shared":          {did(a), did(b), map[string]uint64{"b measured_share counter": 1000}},
		"that of nobody as well":             {did(nil), did(b), map[string]uint64{"b measured_share counter": 1000}},
		"they did something, then none":      {did(a), known(), map[string]uint64{"unattributed measured_share counter": 1000}},
		"they did, then nobody could look":   {did(a), Presence{}, map[string]uint64{"unattributed measured_share counter": 1000}},
		"a size holds":                       {part(a, true), part(b, true), map[string]uint64{"a estimated_share counter": 500, "b estimated_share counter": 500}},
		"one that stayed counts once":        {part(a, true), Presence{Known: true, Residents: append(part(a, true).Residents, part(b, true).Residents...)}, map[string]uint64{"a estimated_share counter": 500, "b estimated_share counter": 500}},
		"then nobody could look: the former": {Presence{Owner: a, Known: true}, Presence{}, map[string]uint64{"a exclusive counter": 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(Config{}, birth)
			l.Presence(birth, tc.before)
			l.Presence(second(1), tc.after)
			l.Energy(second(1), 1000, 0)
			l.Flush()
			assert.Equal(t, tc.want, balance(l))
		})
	}
}

func TestEndedWorkloadGetsItsLastJoules(t *testing.T) {
	a := pod("a")
	var released []*workload.Workload
	l := New(Config{Release: func(w *workload.Workload) { released = append(released, w) }}, birth)
	l.Presence(birth, known(a))
	l.Energy(second(1), 1000, 0)
	l.Sample(a, birth, second(1), 50)
	l.Close(second(3))
	require.EqualValues(t, 1000, l.of(a))
	l.Reported()

	l.Energy(second(2), 1000, 0)
	l.Presence(second(2), known())
	require.EqualValues(t, 1000, l.of(a))
	l.Reported()
	require.EqualValues(t, 1000, l.of(a), "its last window is open")
	l.Sample(a, second(1), second(1.5), 50) // late
	l.Energy(second(4), 1000, 0)
	l.Close(second(4))
	l.Reported()
	require.EqualValues(t, 2000, l.of(a), "its last joules were not told")
	require.Empty(t, released)
	l.Reported()
	assert.Zero(t, l.of(a))
	assert.Equal(t, []*workload.Workload{a}, released)
	assert.Zero(t, l.Imbalance(), "what was freed counts")

	l.Presence(second(5), known(pod("a")))
	l.Sample(pod("a"), second(4), second(5), 50)
	l.Energy(second(5), 1000, 0)
	l.Flush()
	for account := range l.Accounts() {
		if account.Workload != nil {
			assert.Equal(t, second(4), account.Start, "it begins anew")
		}
	}
}

func TestDismiss(t *testing.T) {
	a, b := pod("a"), pod("b")
	slots := 0
	l := New(Config{
		Admit:   func(*workload.Workload) bool { slots++; return true },
		Release: func(*workload.Workload) { slots-- },
	}, birth)
	l.Presence(birth, known(a, b))
	l.Sample(a, birth, second(1), 50)
	l.Sample(b, birth, second(1), 50)
	l.Sample(nil, birth, second(1), 100)
	l.Energy(second(1), 1000)
	l.Flush()
	require.Equal(t, map[string]uint64{"a estimated_share counter": 250, "b estimated_share counter": 250, "unattributed measured_share counter": 500}, balance(l))
	require.Equal(t, 2, slots)
	for second := range 100 { // the device is away
		l.Presence(birth.Add(time.Duration(2+second)*time.Second), known(a))
		l.Dismiss()
		require.Zero(t, slots)
	}
	l.Presence(second(102), known(a))
	l.Energy(second(102), 1000)
	l.Sample(a, second(102), second(103), 50)
	l.Presence(second(103), known(a))
	l.Energy(second(103), 10)
	l.Flush()
	assert.Equal(t, 1, slots)
	assert.Zero(t, l.Imbalance())
	for account := range l.Accounts() {
		if account.Kind == Unattributed {
			assert.Equal(t, birth, account.Start, "what is nobody's goes on")
			assert.EqualValues(t, 1500, account.Millijoules)
			continue
		}
		assert.Equal(t, a, account.Workload)
		assert.EqualValues(t, 10, account.Millijoules)
		assert.Equal(t, second(102), account.Start, "it begins anew")
	}
}

func TestTell(t *testing.T) {
	a := pod("a")
	l := New(Config{}, birth)
	told := func() (values []string) {
		l.Tell(func(a Account) { values = append(values, fmt.Sprint(a.At.Sub(birth), " ", a.Millijoules)) })
		return values
	}
	assert.Empty(t, told(), "nothing was booked")
	l.Presence(birth, known(a))
	l.Sample(a, birth, second(1), 50)
	l.Energy(second(1), 1000)
	l.Flush()
	assert.Equal(t, []string{"0s 0", "1s 1000"}, told())
	assert.Empty(t, told(), "again")
	l.Presence(second(2), known())
	l.Sample(a, second(1), second(2), 50)
	l.Energy(second(2), 500)
	l.Flush()
	assert.Equal(t, []string{"2s 1500"}, told())
	l.Energy(second(3), 500)
	l.Flush()
	assert.Equal(t, []string{"2s 0", "3s 500"}, told(), "the other has ended, and was told in full")
	l.Energy(second(4), 500)
	l.Flush()
	assert.Equal(t, []string{"4s 1000"}, told())
}

func TestHoldingsTellNobody(t *testing.T) {
	a := pod("a")
	l := New(Config{}, birth)
	l.Presence(birth, known(a))
	l.Sample(a, birth, second(1), 50)
	l.Energy(second(1), 700, 0, 300)
	l.Flush()
	l.Presence(second(1), known())
	held := map[*workload.Workload]uint64{}
	for range 2 {
		clear(held)
		for w, millijoules := range l.Holdings {
			held[w] += millijoules
		}
		l.Reported()
	}
	assert.Equal(t, map[*workload.Workload]uint64{a: 1000}, held, "the account is not freed before Accounts has told it")
	assert.Equal(t, map[string]uint64{"a measured_share counter": 700, "a measured_share model": 300}, balance(l))
}

func TestAccountStaysIfItGrewAfterItWasTold(t *testing.T) {
	a := pod("a")
	l := New(Config{}, birth)
	l.Sample(a, birth, second(1), 50)
	l.Energy(second(1), 1000, 0)
	l.Flush()
	require.EqualValues(t, 1000, l.of(a))
	l.Sample(a, second(1), second(2), 50)
	l.Energy(second(2), 1000, 0)
	l.Flush()
	l.Reported()
	assert.EqualValues(t, 2000, l.of(a))
}

func TestWorkloadsBeyondTheLimit(t *testing.T) {
	a, b, c := pod("a"), pod("b"), pod("c")
	slots, asked := 1, 0
	l := New(Config{
		Admit:   func(*workload.Workload) bool { asked++; slots--; return slots >= 0 },
		Release: func(*workload.Workload) { slots++ },
	}, birth)
	for s := range 3 {
		for _, w := range []*workload.Workload{a, b} {
			l.Sample(w, second(float64(s)), second(float64(s+1)), 50)
		}
		l.Presence(second(float64(s)), known(a, b))
		l.Energy(second(float64(s+1)), 1000, 0)
	}
	l.Flush()
	assert.Equal(t, map[string]uint64{"a estimated_share counter": 1500, "other estimated_share counter": 1500}, balance(l))
	assert.Equal(t, 2, asked, "once each")
	slots = 0 // as if no refusal had been counted

	l.Presence(second(4), known(c))
	l.Energy(second(4), 0, 0)
	l.Flush()
	balance(l)
	l.Reported()
	l.Sample(c, second(4), second(5), 50)
	l.Energy(second(5), 1000, 0)
	l.Flush()
	assert.Equal(t, map[string]uint64{"c measured_share counter": 1000, "other estimated_share counter": 1500}, balance(l), "a slot was free again")
	assert.Zero(t, l.Imbalance())
}

func TestIdlePowerIsLearned(t *testing.T) {
	l := New(Config{}, birth)
	now := 0
	run := func(seconds int, milliwatts uint64, p Presence) uint32 {
		for range seconds {
			now++
			l.Energy(second(float64(now)), milliwatts, 0)
			l.Presence(second(float64(now)), p)
		}
		l.Flush()
		return l.IdlePower()
	}
	a := pod("a")
	assert.Zero(t, run(60, 300_000, known(a)), "not with somebody there")
	assert.Zero(t, run(60, 50_000, Presence{}), "nor if nobody knows")
	run(1, 300_000, known(a))
	assert.Zero(t, run(20, 50_000, known()), "it settles first")
	assert.EqualValues(t, 50_000, run(1, 50_000, known()))
	assert.EqualValues(t, 40_000, run(10, 40_000, known()), "lower: at once")
	assert.EqualValues(t, 41_000, run(10, 50_000, known()), "higher: a tenth")
	run(5, 40_000, known())
	assert.EqualValues(t, 41_000, run(30, 0, known()), "no energy is no reading")
	l.Sample(a, second(float64(now)), second(float64(now+1)), 0)
	assert.EqualValues(t, 41_000, run(20, 10_000, known()), "a sample says that somebody was there")
	l.SetIdlePower(70_000)
	assert.EqualValues(t, 70_000, run(60, 10_000, known()))
	l.SetIdlePower(0)
	assert.EqualValues(t, 10_000, run(60, 10_000, known()))
}

func TestStepOfTheWallClock(t *testing.T) {
	a := pod("a")
	at := time.Now()
	l := New(Config{}, at)
	l.Presence(at, known(a))
	at = at.Add(time.Second)
	l.Energy(at, 1000, 0)
	l.Flush()
	// The monotonic clock goes on for a second, the wall clock jumps: seen without the former, as a driver's
	// times are, samples are where the last reading says.
	l.clock.at = l.clock.at.Round(0).Add(time.Hour)
	wall := l.clock.at
	l.Sample(a, wall, wall.Add(time.Second), 50)
	l.Energy(wall.Add(time.Second), 1000, 0)
	l.Flush()
	assert.EqualValues(t, 1000, l.of(a))
	assert.Equal(t, Rejected{}, l.Rejected())
}

func TestEnergyOfNoTimeIsKept(t *testing.T) {
	l := New(Config{}, birth)
	l.Energy(birth, 5, 0)
	l.Energy(second(-1), 6, 0)
	l.Energy(second(1), 7, 0)
	l.Energy(second(1), 0, 8)
	l.Close(second(3))
	l.Energy(second(1), 9, 0)
	booked, until := l.Booked()
	assert.EqualValues(t, 26, booked)
	assert.Equal(t, second(1), until)
	l.Flush()
	booked, _ = l.Booked()
	assert.EqualValues(t, 35, booked)
	assert.Zero(t, l.Imbalance())
}

func TestWhatWaitsIsBounded(t *testing.T) {
	l := New(Config{}, birth)
	for i := range 3 * maxWindows {
		at := second(float64(i+1) * 2)
		l.Energy(at, 1, 0)
		l.Presence(at, known(pod(time.Duration(i).String())))
		l.Sample(pod("s"), at.Add(-time.Second), at, 1)
	}
	assert.LessOrEqual(t, len(l.windows), maxWindows)
	assert.LessOrEqual(t, len(l.sightings), maxSightings)
	assert.LessOrEqual(t, len(l.samples), maxSamples)
	assert.LessOrEqual(t, len(l.parties.byID), 2*fewParties)
	assert.LessOrEqual(t, len(l.parties.byAddress), 8*fewParties)
	assert.EqualValues(t, 2*maxWindows, l.Rejected().ExcessSamples)
	l.Flush()
	booked, _ := l.Booked()
	assert.EqualValues(t, 3*maxWindows, booked)
	assert.Zero(t, l.Imbalance())
	l.Sample(pod("s"), second(1), second(2), 1)
	l.Presence(second(1), known())
	assert.EqualValues(t, 1, l.Rejected().LateSamples)
	assert.EqualValues(t, 1, l.Rejected().LatePresences)
	assert.Empty(t, l.samples)
	assert.Len(t, l.sightings, 1)
}

func TestWindowsAreNotJoinedAcrossAChange(t *testing.T) {
	a, b := pod("a"), pod("b")
	l := New(Config{}, birth)
	for i, owner := range []*workload.Workload{a, b} {
		p := Presence{Known: true, Owner: owner}
		begin := 0.4 * float64(i)
		l.Presence(second(begin), p)
		l.Energy(second(begin+0.2), 1000*uint64(i+1), 0)
		l.Presence(second(begin+0.4), p)
		l.Energy(second(begin+0.4), 1000*uint64(i+1), 0)
	}
	l.Flush()
	assert.Equal(t, map[string]uint64{"a exclusive counter": 2000, "b exclusive counter": 4000}, balance(l))
}

func TestFastPollingCostsNoMore(t *testing.T) {
	l := New(Config{}, birth)
	for i := range 1000 {
		at := second(float64(i+1) / 100)
		l.Energy(at, 1, 0)
		l.Close(at)
		assert.LessOrEqual(t, len(l.windows), 4)
	}
}

// A wall clock that is set back moves nothing: what is booked is told, and no point is before the last one.
func TestToldAlsoWhenTheWallClockIsSetBack(t *testing.T) {
	start := time.Now()
	l := New(Config{}, start)
	var last time.Time
	for i := 1; i <= 3; i++ {
		l.Energy(start.Add(time.Duration(i)*time.Second), 1000)
		l.Flush()
		if i > 1 {
			l.closedTime = l.closedTime.Add(-time.Hour)
		}
		require.True(t, l.Due())
		sum := uint64(0)
		l.Tell(func(a Account) {
			assert.False(t, a.At.Before(last) && a.Millijoules > 0, "%v is before %v", a.At, last)
			sum += a.Millijoules
			last = a.At
		})
		assert.EqualValues(t, 1000*i, sum)
		assert.False(t, l.Due())
	}
}
