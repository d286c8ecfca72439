// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

var birth = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func second(s float64) time.Time { return birth.Add(time.Duration(s * float64(time.Second))) }

func pod(name string) *workload.Workload {
	return &workload.Workload{Kind: workload.Container, Attributes: map[string]string{"k8s.pod.uid": name}}
}

func known(residents ...*workload.Workload) Presence {
	p := Presence{Known: true}
	for _, w := range residents {
		p.Residents = append(p.Residents, Resident{Workload: w})
	}
	return p
}

// balance is what each has, by "name attribution method".
func balance(l *Ledger) map[string]uint64 {
	all := map[string]uint64{}
	for a := range l.Accounts() {
		who := a.Kind
		if a.Workload != nil {
			who = a.Workload.Attributes["k8s.pod.uid"]
		}
		all[who+" "+a.Attribution.String()+" "+a.Method.String()] += a.Millijoules
	}
	return all
}

func (l *Ledger) kind(kind string) (sum uint64) {
	for a := range l.Accounts() {
		if a.Kind == kind {
			sum += a.Millijoules
		}
	}
	return sum
}

func (l *Ledger) of(w *workload.Workload) (sum uint64) {
	for a := range l.Accounts() {
		if a.Workload != nil && a.Workload.ID() == w.ID() {
			sum += a.Millijoules
		}
	}
	return sum
}

func TestGolden(t *testing.T) {
	var cases []struct {
		Device        uint64 `json:"device_mJ"`
		IdlePower     uint32 `json:"idle_mW"`
		Milliseconds  int64  `json:"dt_ms"`
		Weights       []uint32
		Idle          uint64   `json:"idle_mJ"`
		DynamicShares []uint64 `json:"dyn_shares"`
		Equal         []uint64 `json:"idle_equal"`
		Proportional  []uint64 `json:"idle_proportional"`
		Left          uint64   `json:"unattributed_policy_unattributed"`
		LeftEqual     uint64   `json:"unattributed_policy_equal"`
		LeftProp      uint64   `json:"unattributed_policy_proportional"`
	}
	file, err := os.ReadFile("testdata/attribution.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(file, &cases))
	require.Len(t, cases, 5)
	for i, tc := range cases {
		none := make([]uint64, len(tc.Weights))
		for policy, want := range map[IdlePolicy]struct {
			idle []uint64
			left uint64
		}{
			"":               {none, tc.Left},
			IdleUnattributed: {none, tc.Left},
			IdleEqual:        {tc.Equal, tc.LeftEqual},
			IdleProportional: {tc.Proportional, tc.LeftProp},
			IdleReserved:     {none, tc.Left}, // nobody has reserved anything
		} {
			for _, method := range []Method{Counter, Integrated} {
				l := New(Config{Idle: policy}, birth)
				l.SetIdlePower(tc.IdlePower)
				end := birth.Add(time.Duration(tc.Milliseconds) * time.Millisecond)
				var pods []*workload.Workload
				for j, w := range tc.Weights {
					pods = append(pods, pod(string(rune('a'+j))))
					l.Sample(pods[j], birth, end, w)
				}
				l.Presence(birth, known(pods...))
				var energy amount
				energy[method] = tc.Device
				l.Energy(end, energy[Counter], energy[Integrated])
				l.Close(end.Add(DefaultLag - 1))
				booked, _ := l.Booked()
				require.Zero(t, booked, "it waits for samples")
				l.Close(end.Add(DefaultLag))
				for j := range pods {
					assert.Equal(t, tc.DynamicShares[j]+want.idle[j], l.of(pods[j]), "case %d, %q, %d", i, policy, j)
				}
				assert.Equal(t, want.left, l.kind(Idle)+l.kind(Unattributed), "case %d, %q", i, policy)
				assert.Zero(t, l.Imbalance())
			}
		}
	}
}
