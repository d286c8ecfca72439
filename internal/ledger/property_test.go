// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// machine drives a ledger with whatever can happen, and asserts what always holds.
type machine struct {
	*Ledger
	now    time.Time
	fed    amount // what was given to Energy
	before map[*Account]uint64
	slots  int
}

const maxSlots = 3

func newMachine(t *rapid.T) *machine {
	m := &machine{now: birth, before: map[*Account]uint64{}}
	m.Ledger = New(m.config(rapid.SampledFrom(IdlePolicies()).Draw(t, "policy")), birth)
	m.SetIdlePower(rapid.SampledFrom([]uint32{0, 1, 40_000, 1 << 31}).Draw(t, "idle"))
	return m
}

func (m *machine) config(policy IdlePolicy) Config {
	return Config{
		Idle: policy,
		Admit: func(*workload.Workload) bool {
			if m.slots < maxSlots {
				m.slots++
				return true
			}
			return false
		},
		Release: func(*workload.Workload) { m.slots-- },
	}
}

var durations = rapid.OneOf(
	rapid.Int64Range(0, int64(10*time.Millisecond)),
	rapid.Int64Range(0, int64(3*time.Second)),
	rapid.Int64Range(0, int64(2*time.Minute)),
)

func drawTime(t *rapid.T, near time.Time) time.Time {
	d := time.Duration(durations.Draw(t, "away"))
	if rapid.Bool().Draw(t, "past") {
		d = -d
	}
	return near.Add(d)
}

func drawWorkload(t *rapid.T) *workload.Workload {
	n := rapid.IntRange(0, 5).Draw(t, "workload")
	if n == 0 {
		return nil
	}
	if rapid.Bool().Draw(t, "the same") {
		return pods[n-1]
	}
	return pod(strconv.Itoa(n))
}

var pods = [...]*workload.Workload{pod("1"), pod("2"), pod("3"), pod("4"), pod("5")}

func drawPresence(t *rapid.T) Presence {
	p := Presence{Known: rapid.IntRange(0, 4).Draw(t, "known") > 0, Unsampled: rapid.Bool().Draw(t, "unsampled")}
	if rapid.IntRange(0, 5).Draw(t, "owned") == 0 {
		p.Owner = drawWorkload(t)
	}
	number := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64())
	small := rapid.OneOf(rapid.Uint32Range(0, 8), rapid.Uint32())
	for range rapid.IntRange(0, 4).Draw(t, "residents") {
		p.Residents = append(p.Residents, Resident{
			Workload: drawWorkload(t), Memory: number.Draw(t, "memory"), Weight: number.Draw(t, "weight"),
			Weighted: rapid.Bool().Draw(t, "weighted"), Estimated: rapid.Bool().Draw(t, "estimated"), Activity: rapid.Bool().Draw(t, "activity"), Owner: rapid.Bool().Draw(t, "owner"),
			Shares: small.Draw(t, "shares"), OfShares: small.Draw(t, "of"),
		})
	}
	return p
}

func (m *machine) energy(t *rapid.T) {
	m.now = m.now.Add(time.Duration(durations.Draw(t, "dt")))
	amounts := rapid.OneOf(rapid.Uint64Range(0, 10), rapid.Uint64Range(0, 1_000_000), rapid.Uint64Range(0, 1<<48))
	e := amount{amounts.Draw(t, "counter"), 0}
	if rapid.Bool().Draw(t, "both") {
		e[Integrated] = amounts.Draw(t, "integrated")
	}
	m.fed.add(e)
	m.Energy(m.now, e[Counter], e[Integrated])
}

func (m *machine) sample(t *rapid.T) {
	from := drawTime(t, m.now)
	w, to, percent := drawWorkload(t), drawTime(t, from), rapid.OneOf(rapid.Uint32Range(0, 100), rapid.Uint32()).Draw(t, "percent")
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		m.Sample(w, from, to, percent)
	}
}

func (m *machine) check(t *rapid.T) {
	require.Zero(t, m.Imbalance())
	booked, until := m.Booked()
	sum := m.freed
	for a := range m.Accounts() {
		sum[a.Method] += a.Millijoules
		require.GreaterOrEqual(t, a.Millijoules, m.before[a], "never falls")
		require.Positive(t, a.Millijoules)
		m.before[a] = a.Millijoules
		require.Equal(t, until, a.At)
		require.False(t, a.Start.After(a.At), "%v > %v", a.Start, a.At)
		require.False(t, a.Start.Before(birth))
	}
	require.Equal(t, m.booked, sum)
	require.Equal(t, booked, sum.total())
	waiting := m.carry
	for _, w := range m.windows {
		waiting.add(w.energy)
	}
	waiting.add(sum)
	require.Equal(t, m.fed, waiting, "what was measured is booked or waits, by method")
	require.False(t, until.After(m.now))
	require.LessOrEqual(t, m.slots, maxSlots)
	admitted := 0
	for _, p := range m.parties.byID {
		if p.workload != nil && p.accounts != [attributions][methods]*entry{} {
			admitted++
		}
	}
	require.Equal(t, m.slots, admitted, "each slot is somebody's")
}

// Whatever happens in whatever order: every millijoule is in exactly one account.
func TestConservation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"energy":   m.energy,
			"sample":   m.sample,
			"presence": func(t *rapid.T) { m.Presence(drawTime(t, m.now), drawPresence(t)) },
			"now":      func(t *rapid.T) { m.Presence(m.now, drawPresence(t)) },
			"close":    func(t *rapid.T) { m.Close(drawTime(t, m.now)) },
			"flush":    func(*rapid.T) { m.Flush() },
			"reported": func(*rapid.T) { m.Reported() },
			"dismiss":  func(*rapid.T) { m.Dismiss(); require.Zero(t, m.slots) },
			"restart": func(t *rapid.T) {
				content, err := json.Marshal(m.State())
				require.NoError(t, err)
				var s State
				require.NoError(t, json.Unmarshal(content, &s))
				m.slots = 0
				config, fixed, idle := m.Ledger.config, m.idle.fixed, m.idle.milliwatts
				before := balance(m.Ledger)
				m.Ledger, err = Restore(config, s)
				require.NoError(t, err)
				require.Equal(t, before, balance(m.Ledger))
				if fixed {
					m.SetIdlePower(idle)
				}
				clear(m.before)
			},
		})
		m.Flush()
		m.check(t)
		require.Equal(t, m.fed, m.booked)
	})
}

// A restored ledger books the same as one that went on without looking meanwhile.
func TestRestoreContinues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		m.Ledger.config.Admit = nil
		step := func(l ...*Ledger) {
			m.now = m.now.Add(time.Duration(durations.Draw(t, "dt")) + 1)
			counter, integrated := rapid.Uint64Range(0, 1<<40).Draw(t, "counter"), rapid.Uint64Range(0, 1<<40).Draw(t, "integrated")
			w, from, percent := drawWorkload(t), drawTime(t, m.now), rapid.Uint32Range(0, 110).Draw(t, "percent")
			to, p, at := drawTime(t, from), drawPresence(t), rapid.IntRange(0, 3).Draw(t, "looked")
			for _, l := range l {
				l.Sample(w, from, to, percent)
				l.Energy(m.now, counter, integrated)
				if at > 0 {
					l.Presence(m.now, p)
				}
				l.Close(m.now)
			}
		}
		for range rapid.IntRange(0, 20).Draw(t, "before") {
			step(m.Ledger)
		}
		m.Flush()
		m.Presence(m.now, Presence{})
		m.samples = nil // those of a time that is not booked do not survive
		restored, err := Restore(m.Ledger.config, m.State())
		require.NoError(t, err)
		if m.idle.fixed {
			restored.SetIdlePower(m.IdlePower())
		}

		m.now = m.now.Add(10 * time.Second)
		for _, l := range []*Ledger{m.Ledger, restored} {
			l.Energy(m.now, 1_000_000, 1000)
			l.Presence(m.now, known())
			l.Flush()
		}
		for range rapid.IntRange(0, 20).Draw(t, "after") {
			step(m.Ledger, restored)
		}
		m.Flush()
		restored.Flush()
		require.Equal(t, starts(m.Ledger), starts(restored))
		require.Equal(t, m.IdlePower(), restored.IdlePower())
		require.Zero(t, restored.Imbalance())
	})
}

func starts(l *Ledger) (all []string) {
	for a := range l.Accounts() {
		id := a.Kind
		if a.Workload != nil {
			id = a.Workload.ID()
		}
		all = append(all, fmt.Sprint(id, a.Attribution, a.Method, a.Millijoules, a.Start.UnixNano(), a.At.UnixNano()))
	}
	slices.Sort(all)
	return all
}

// Polling at any rate books the same energy to the same workloads as one long window does, but for
// a millijoule of rounding per window.
func TestPollRateChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		coarse, fine := New(Config{}, birth), New(Config{}, birth)
		ledgers := []*Ledger{coarse, fine}
		a, b := pod("a"), pod("b")
		seconds := rapid.IntRange(1, 20).Draw(t, "seconds")
		percentA, percentB := rapid.Uint32Range(1, 100).Draw(t, "a"), rapid.Uint32Range(1, 100).Draw(t, "b")
		end := second(float64(seconds))
		for _, l := range ledgers {
			l.SetIdlePower(40_000)
			l.Presence(birth, known(a, b))
			for s := range seconds {
				l.Sample(a, second(float64(s)), second(float64(s+1)), percentA)
				l.Sample(b, second(float64(s)), second(float64(s+1)), percentB)
			}
		}
		coarse.Energy(end, uint64(seconds)*100_000, 0)
		for at := birth; at.Before(end); {
			step := min(time.Duration(rapid.IntRange(1, 2000).Draw(t, "ms"))*time.Millisecond, end.Sub(at))
			at = at.Add(step)
			fine.Energy(at, uint64(step.Milliseconds())*100, 0)
		}
		coarse.Flush()
		fine.Flush()
		for _, w := range []*workload.Workload{a, b} {
			require.InDelta(t, coarse.of(w), fine.of(w), float64(2*seconds+2))
		}
	})
}
