// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/deploy/rollout/staged"
)

// rollbackCase is a trigger, in one of the stages that have it.
type rollbackCase struct {
	alert string
	part  string
	stage string
	is    behaviour // of the new image, from the stage on
	// when it goes back, after the stage has begun: not before the time that the alert waits.
	after, before time.Duration
}

var rollbacks = []rollbackCase{
	{"CarbonRolloutCanaryErrors", "agent", "10", behaviour{errors: 0.0011}, 0, 3 * time.Minute},
	{"CarbonRolloutCanaryErrors", "gateway", "10", behaviour{errors: 0.0011}, 0, 3 * time.Minute},
	{"CarbonRolloutErrors", "agent", "25", behaviour{errors: 0.011}, 5 * time.Minute, 11 * time.Minute},
	{"CarbonRolloutErrors", "gateway", "100", behaviour{errors: 0.011}, 5 * time.Minute, 11 * time.Minute},
	{"CarbonRolloutResponseSlow", "gateway", "25", behaviour{response: 12 * time.Millisecond}, 10 * time.Minute, 16 * time.Minute},
	{"CarbonRolloutMemory", "agent", "100", behaviour{memory: 0.96}, 3 * time.Minute, 5 * time.Minute},
	{"CarbonRolloutMemory", "gateway", "50", behaviour{memory: 0.96}, 3 * time.Minute, 5 * time.Minute},
	{"CarbonUnauthenticated", "gateway", "10", behaviour{unauthenticated: true}, 2 * time.Minute, 6 * time.Minute},
	{"0 of 1 pods of carbon-agent-canary are ready, for 15m0s", "agent", "10", behaviour{broken: true}, 14 * time.Minute, 17 * time.Minute},
	{"are ready, 0 are to go, for 15m0s", "gateway", "50", behaviour{broken: true, crashing: true}, 14 * time.Minute, 17 * time.Minute},
}

func TestEachTriggerRollsBack(t *testing.T) {
	t.Parallel()
	for _, c := range rollbacks {
		t.Run(c.alert+" of a "+c.part, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 8)
			w.watchLonger(c.stage, c.before)
			var began time.Time
			var went time.Duration
			w.new = func(stage string, age time.Duration) behaviour {
				if stage == c.stage && began.IsZero() {
					began = w.now
				}
				if began.IsZero() {
					return behaviour{}
				}
				return c.is
			}
			w.onTick = func() {
				if w.stage == "back" && went == 0 {
					went = w.now.Sub(began)
				}
			}
			err := w.rollout(c.part).Run(t.Context(), newImage)
			var why *staged.RolledBackError
			require.ErrorAs(t, err, &why, w.log.String())
			assert.Contains(t, why.Why, c.alert)
			assertInOrder(t, w.log.String(), " "+c.stage+" %: ", "rolls back: "+why.Why, "rolled back")
			assert.GreaterOrEqual(t, went, c.after)
			assert.LessOrEqual(t, went, c.before)
			assert.Equal(t, []string{oldImage}, w.images("agent"))
			assert.Equal(t, []string{oldImage}, w.images("gateway"))
			assertEnded(t, w, oldImage)
		})
	}
}

// A new version that fails in other ways than the old one did is no reason to touch a part that is not rolled out.
func TestOtherJobsAreNotJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.kubernetes.edit(func() { w.kubernetes.daemonSets["carbon-agent"].Spec.Template.Spec.Containers[0].Image = newImage })
	w.new = func(string, time.Duration) behaviour { return behaviour{errors: 0.02} }
	w.pass(12 * time.Minute)
	require.NotEmpty(t, w.firing("CarbonRolloutErrors", "carbon-agent"))
	w.new = func(stage string, _ time.Duration) behaviour {
		if stage == "" {
			return behaviour{errors: 0.02}
		}
		return behaviour{}
	}
	require.NoError(t, w.rollout("gateway").Run(t.Context(), newImage), w.log.String())
}

// What fires for a canary before there is one is no verdict on the new version, and a reason not to begin.
func TestItDoesNotBeginWhileGatesFire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	w.new = func(string, time.Duration) behaviour { return behaviour{errors: 0.02} }
	var why *staged.RolledBackError
	require.ErrorAs(t, w.rollout("agent").Run(t.Context(), newImage), &why)
	writes := len(w.kubernetes.writes)
	err := w.rollout("agent").Run(t.Context(), newImage)
	require.ErrorContains(t, err, "nothing was changed: ")
	require.ErrorContains(t, err, "carbon-agent-canary fires already: Carbon")
	assert.Len(t, w.kubernetes.writes, writes)
	w.new = func(string, time.Duration) behaviour { return behaviour{} }
	w.pass(10 * time.Minute)
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), "a second try")
}
