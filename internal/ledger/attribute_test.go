// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// Ten seconds of 100 W on a GPU that draws 40 W idle, unless a case says otherwise.
func TestWhoPays(t *testing.T) {
	a, b, c := pod("a"), pod("b"), pod("c")
	mig := func(w *workload.Workload, weight uint64, slices uint32) Resident {
		return Resident{Workload: w, Weight: weight, Weighted: true, Shares: slices, OfShares: 7}
	}
	for name, tc := range map[string]struct {
		idle   IdlePolicy
		power  uint32 // idle; 0 is not known
		before func(*Ledger)
		want   map[string]uint64
	}{
		"nobody looked": {power: 40_000, want: map[string]uint64{
			"idle measured_share counter": 400_000, "unattributed measured_share counter": 600_000,
		}},
		"nobody looked, idle is not known": {want: map[string]uint64{"unattributed measured_share counter": 1_000_000}},
		"nobody there":                     {power: 40_000, before: func(l *Ledger) { l.Presence(birth, known()) }, want: map[string]uint64{"idle measured_share counter": 400_000, "unattributed measured_share counter": 600_000}},
		"nobody there, idle is not known":  {before: func(l *Ledger) { l.Presence(birth, known()) }, want: map[string]uint64{"idle measured_share counter": 1_000_000}},
		"seen at the end of the window only": {power: 40_000, before: func(l *Ledger) {
			p := known(a)
			p.Unsampled = true
			l.Presence(second(10), p)
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a measured_share counter": 600_000}},
		"the owner pays all": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Owner: a, Residents: []Resident{{Workload: b}}})
			l.Sample(b, birth, second(10), 90)
		}, want: map[string]uint64{"a exclusive counter": 1_000_000}},
		"an owner is known even if processes are not": {power: 40_000, before: func(l *Ledger) { l.Presence(birth, Presence{Owner: a}) }, want: map[string]uint64{"a exclusive counter": 1_000_000}},
		"only one was active": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, known(a, b))
			l.Sample(a, second(1), second(2), 7)
			l.Sample(b, second(1), second(2), 0)
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a measured_share counter": 600_000}},
		"by SM time": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, known(a, b))
			l.Sample(b, second(5), second(10), 40)
			l.Sample(a, second(0), second(10), 10)
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a estimated_share counter": 200_000, "b estimated_share counter": 400_000}},
		"processes of a workload add up": {before: func(l *Ledger) {
			l.Presence(birth, known(a, a, b))
			l.Sample(a, birth, second(10), 10)
			l.Sample(pod("a"), birth, second(10), 10)
			l.Sample(b, birth, second(10), 20)
		}, want: map[string]uint64{"a estimated_share counter": 500_000, "b estimated_share counter": 500_000}},
		"a process that nobody could identify": {before: func(l *Ledger) {
			l.Presence(birth, known(a))
			l.Sample(a, birth, second(10), 30)
			l.Sample(nil, birth, second(10), 10)
		}, want: map[string]uint64{"a estimated_share counter": 750_000, "unattributed measured_share counter": 250_000}},
		"one that came and went between two looks": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, known())
			l.Presence(second(10), known())
			l.Sample(c, second(4), second(5), 30)
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "c measured_share counter": 600_000}},
		"garbage": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, known(a, b))
			l.Sample(a, birth, second(10), 10)
			l.Sample(b, birth, second(10), 101)
			l.Sample(b, birth, second(10), math.MaxUint32)
			l.Sample(b, second(10), birth, 50)
			l.Sample(b, birth, birth, 50)
			l.Sample(b, birth, second(1e6), 50)
			assert.EqualValues(t, 5, l.Rejected().InvalidSamples)
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a measured_share counter": 600_000}},
		"samples exist, and it is idle": {power: 40_000, before: func(l *Ledger) { l.Presence(birth, known(a)) }, want: map[string]uint64{
			"idle measured_share counter": 400_000, "unattributed measured_share counter": 600_000,
		}},
		"no samples to be had: the only one": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{{Workload: a}, {Workload: a}}})
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a measured_share counter": 600_000}},
		"no samples to be had: by memory": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{{Workload: a, Memory: 2}, {Workload: b, Memory: 3}, {Workload: a, Memory: 1}}})
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a estimated_share counter": 300_000, "b estimated_share counter": 300_000}},
		"no samples to be had: equally if memory is not known of all": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{{Workload: a, Memory: 2}, {Workload: b}}})
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a estimated_share counter": 300_000, "b estimated_share counter": 300_000}},
		"no samples to be had: there may be others": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Unsampled: true, Residents: []Resident{{Workload: a}}})
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "unattributed measured_share counter": 600_000}},
		"MIG by activity": {power: 40_000, before: func(l *Ledger) {
			owner := mig(c, 3, 3)
			owner.Owner = true
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{mig(a, 1, 1), mig(b, 2, 2), owner}})
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a measured_share counter": 100_000, "b measured_share counter": 200_000, "c exclusive counter": 300_000}},
		"MIG by size": {power: 40_000, before: func(l *Ledger) {
			small, large := mig(a, 1, 1), mig(b, 2, 2)
			small.Estimated, large.Estimated = true, true
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{small, large}})
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "a estimated_share counter": 200_000, "b estimated_share counter": 400_000}},
		"MIG at rest": {power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{mig(a, 0, 1)}})
		}, want: map[string]uint64{"idle measured_share counter": 400_000, "unattributed measured_share counter": 600_000}},
		"MIG: an instance that is empty and at rest is nobody": {before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{mig(nil, 0, 0)}})
		}, want: map[string]uint64{"idle measured_share counter": 1_000_000}},
		"reserved: slices, whether used or not": {idle: IdleReserved, power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Unsampled: true, Residents: []Resident{mig(a, 5, 1), mig(b, 0, 2)}})
		}, want: map[string]uint64{"idle measured_share counter": 228_571, "a measured_share counter": 657_143, "b estimated_share counter": 114_286}},
		"reserved: more than there is": {idle: IdleReserved, power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Residents: []Resident{{Workload: a, Shares: 3, OfShares: 4}, {Workload: b, Shares: 3, OfShares: 4}}})
		}, want: map[string]uint64{"unattributed measured_share counter": 600_000, "a estimated_share counter": 200_000, "b estimated_share counter": 200_000}},
		"reserved: of different wholes": {idle: IdleReserved, power: 40_000, before: func(l *Ledger) {
			l.Presence(birth, Presence{Known: true, Residents: []Resident{{Workload: a, Shares: 1, OfShares: 4}, {Workload: b, Shares: 1, OfShares: 2}}})
		}, want: map[string]uint64{"idle measured_share counter": 100_000, "unattributed measured_share counter": 600_000, "a estimated_share counter": 100_000, "b estimated_share counter": 200_000}},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(Config{Idle: tc.idle}, birth)
			l.SetIdlePower(tc.power)
			l.Energy(birth, 0, 0)
			if tc.before != nil {
				tc.before(l)
			}
			l.Energy(second(10), 1_000_000, 0)
			l.Close(second(12))
			assert.Equal(t, tc.want, balance(l))
			assert.Zero(t, l.Imbalance())
		})
	}
}
