// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

func lived(tb testing.TB) State {
	tb.Helper()
	l := New(Config{}, birth)
	a, b := pod("a"), pod("b")
	l.Presence(birth, known(a, b))
	l.Sample(a, birth, second(5), 50)
	l.Sample(b, birth, second(5), 50)
	l.SetIdlePower(10_000)
	l.Energy(second(5), 1_000_000, 0)
	l.Close(second(7))
	l.Energy(second(7), 300, 7)
	s := l.State()
	require.Equal(tb, Energies{Counter: 300, Integrated: 7}, s.Pending)
	require.Len(tb, s.Accounts, 3)
	return s
}

func TestRestart(t *testing.T) {
	s := lived(t)
	var admitted []string
	l, err := Restore(Config{Admit: func(w *workload.Workload) bool { admitted = append(admitted, w.ID()); return true }}, s)
	require.NoError(t, err)
	assert.Equal(t, []string{pod("a").ID(), pod("b").ID()}, admitted)
	assert.EqualValues(t, 10_000, l.IdlePower())
	l.SetIdlePower(0)

	a := pod("a")
	balance(l)
	l.Reported()
	assert.EqualValues(t, 475_000, l.of(a), "not freed before anyone looked")
	back := second(3607)
	l.Presence(back, known(a))     // looks first,
	l.Energy(back, 50_000_000, 50) // then what was used meanwhile
	l.Sample(a, second(3606), second(3608), 100)
	l.Presence(second(3608), known(a))
	l.Energy(second(3608), 1000, 0)
	l.Flush()
	assert.Equal(t, map[string]uint64{
		"idle measured_share counter": 50_000, "a estimated_share counter": 475_000, "b estimated_share counter": 475_000,
		"unattributed measured_share counter": 50_000_300, "unattributed measured_share integrated": 57,
		"a measured_share counter": 1000,
	}, balance(l))
	l.Reported()
	assert.Zero(t, l.of(pod("b")), "it had ended")
	for account := range l.Accounts() {
		switch {
		case account.Kind == Unattributed:
			assert.Equal(t, second(5), account.Start)
		case account.Workload != nil && account.Attribution == EstimatedShare:
			assert.Equal(t, birth, account.Start)
		}
		assert.Equal(t, second(3608), account.At)
	}
	assert.Zero(t, l.Imbalance())
}

func TestWhoWasSeenBeforeTheFirstEnergyDoesNotPayForIt(t *testing.T) {
	s := lived(t)
	s.PendingTo = s.Until // so that it is energy of no time
	l, err := Restore(Config{}, s)
	require.NoError(t, err)
	l.SetIdlePower(0)
	before := l.kind(Unattributed)
	l.Presence(s.Until, Presence{Known: true, Owner: pod("a")})
	l.Presence(s.Until, Presence{Known: true, Owner: pod("b")})
	l.Presence(s.Until, Presence{Known: true, Owner: pod("c")})
	l.Flush()
	l.Energy(second(3600), 10_000, 0)
	l.Energy(second(3601), 1000, 0)
	l.Flush()
	assert.EqualValues(t, 10_307, l.kind(Unattributed)-before)
	assert.EqualValues(t, 1000, l.of(pod("c")))
	assert.Zero(t, l.Imbalance())
}

// A restart takes a few seconds. Samples after it say nothing of them, even if they reach back.
func TestSamplesAfterAQuickRestart(t *testing.T) {
	l, err := Restore(Config{}, lived(t))
	require.NoError(t, err)
	l.SetIdlePower(0)
	c := pod("c")
	l.Energy(second(9), 3000, 0)
	l.Presence(second(9), Presence{})
	l.Energy(second(10), 1000, 0)
	l.Presence(second(10), Presence{})
	l.Sample(c, second(8), second(10), 50)
	l.Flush()
	assert.EqualValues(t, 1000, l.of(c))
	assert.EqualValues(t, 3307, l.kind(Unattributed))
}

func TestStateOfAnotherCentury(t *testing.T) {
	l, err := Restore(Config{}, State{})
	require.NoError(t, err)
	for s := range 3 {
		l.Energy(second(float64(s)), 1000, 0)
	}
	l.Close(second(3))
	booked, until := l.Booked()
	assert.EqualValues(t, 2000, booked)
	assert.Equal(t, second(1), until)
}

func TestRestartWithFewerSlots(t *testing.T) {
	slots := 1
	l, err := Restore(Config{Admit: func(*workload.Workload) bool { slots--; return slots >= 0 }}, lived(t))
	require.NoError(t, err)
	assert.Equal(t, map[string]uint64{"idle measured_share counter": 50_000, "a estimated_share counter": 475_000}, balance(l))
	assert.Zero(t, l.Imbalance())
}

// The wall clock may be behind after a boot: time goes on from the last one.
func TestRestartWithAnEarlierClock(t *testing.T) {
	l, err := Restore(Config{}, lived(t))
	require.NoError(t, err)
	a := pod("a")
	p := known(a)
	p.Unsampled = true
	for s := range 10 {
		at := second(float64(s) - 3600)
		l.Energy(at, 11_000, 0)
		l.Presence(at, p)
		l.Close(at)
	}
	assert.EqualValues(t, 475_000+7000, l.of(a))
	assert.Zero(t, l.Imbalance())
}

func TestHostileState(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*State)
		want   string
	}{
		"sums":         {func(s *State) { s.Booked.Counter++ }, "mJ were booked, the accounts hold"},
		"method":       {func(s *State) { s.Booked.Integrated, s.Booked.Counter = s.Booked.Counter, 0 }, "mJ were booked"},
		"overflow":     {func(s *State) { s.Accounts[0].Millijoules, s.Freed.Counter = math.MaxUint64, math.MaxUint64 }, "more than was booked"},
		"wraps around": {func(s *State) { s.Freed.Counter -= 1 << 40; s.Accounts[0].Millijoules += 1 << 40 }, "more than was booked"},
		"huge":         {func(s *State) { s.Booked.Counter, s.Freed.Counter = 1<<63+1_000_000, 1<<63 }, "more energy than any GPU"},
		"huge pending": {func(s *State) { s.Pending.Counter = math.MaxUint64 }, "more energy than any GPU"},
		"kind":         {func(s *State) { s.Accounts[0].Kind = "cat" }, `account 0: kind "cat" is not known`},
		"idle's workload": {func(s *State) {
			for i := range s.Accounts {
				s.Accounts[i].Kind = Idle
			}
		}, "has no workload"},
		"twice":         {func(s *State) { s.Accounts = append(s.Accounts, s.Accounts[0]) }, "there twice"},
		"future":        {func(s *State) { s.Accounts[1].Start = s.Until.Add(1) }, "after all that is booked"},
		"attribution":   {func(s *State) { s.Accounts[0].Attribution = 9 }, "account 0: 9, counter"},
		"unknown order": {func(s *State) { s.PendingTo = s.Until.Add(-1) }, "which is before"},
		"far pending":   {func(s *State) { s.PendingTo = s.Until.AddDate(3, 0, 0) }, "more than a year after"},
		"many":          {func(s *State) { s.Accounts = make([]AccountState, maxAccounts+1) }, "65537 accounts are more than 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			s := lived(t)
			tc.change(&s)
			_, err := Restore(Config{}, s)
			assert.ErrorContains(t, err, tc.want)
		})
	}
	var s State
	require.ErrorContains(t, json.Unmarshal([]byte(`{"accounts":[{"method":"guess"}]}`), &s), `"guess" is none of [counter integrated model]`)
	require.ErrorContains(t, json.Unmarshal([]byte(`{"accounts":[{"attribution":"guess"}]}`), &s), `"guess" is none of [exclusive`)
}

// Whatever is in the storage: it is refused, or what it leads to conserves energy.
func FuzzState(f *testing.F) {
	seed, err := json.Marshal(lived(f))
	require.NoError(f, err)
	f.Add(seed)
	empty, err := json.Marshal(New(Config{}, birth).State())
	require.NoError(f, err)
	f.Add(empty)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"until":"9999-12-31T23:59:59Z","pending_to":"9999-12-31T23:59:59Z","pending":{"counter":9}}`))
	f.Add([]byte(`{"until":"2026-01-01T00:00:00Z","pending_to":"2026-01-01T00:00:01Z","booked":{"counter":5},"accounts":[{"kind":"job","attribution":"exclusive","method":"counter","millijoules":5,"start":"2025-01-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		var s State
		if json.Unmarshal(content, &s) != nil {
			return
		}
		l, err := Restore(Config{}, s)
		if err != nil {
			return
		}
		fed := s.Booked.total() + s.Pending.total()
		if again, err := Restore(Config{}, l.State()); err != nil || again.Imbalance() != 0 {
			t.Fatalf("its own state is refused: %v", err)
		}
		a := pod("a")
		for i := range 4 {
			at := second(float64(i))
			l.Presence(at, known(a))
			l.Sample(a, at.Add(-time.Second), at, 50)
			l.Energy(at, 1000, 10)
			l.Close(at)
			balance(l)
			l.Reported()
		}
		l.Flush()
		booked, _ := l.Booked()
		if booked != fed+4*1010 || l.Imbalance() != 0 {
			t.Fatalf("booked %d mJ of %d, imbalance %d", booked, fed+4*1010, l.Imbalance())
		}
	})
}
