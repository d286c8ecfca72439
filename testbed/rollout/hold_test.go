// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/otelcol-carbon/otelcol-carbon/deploy/rollout/staged"
)

// holdCase stops a rollout, until it is over or the limit is reached.
type holdCase struct {
	says  string
	part  string
	stage string
	is    behaviour
	then  func(w *world, on bool) // other than of pods
	limit bool                    // is tested to the limit, too
}

var holds = []holdCase{
	{says: "CarbonRolloutErrorsAboveSuccess", part: "agent", stage: "10", is: behaviour{errors: 0.0006}, limit: true},
	{says: "CarbonRolloutErrorsAboveSuccess", part: "gateway", stage: "100", is: behaviour{errors: 0.0006}},
	{says: "CarbonRolloutErrorsAboveSuccess", part: "agent", stage: "25", is: behaviour{errors: 0.0011}}, // the canary gate's
	{says: "CarbonCrashLoop", part: "gateway", stage: "25", is: behaviour{crashing: true}},
	{says: "CarbonTrackingFailure", part: "agent", stage: "100", is: behaviour{idle: true}},
	{says: "CarbonGPUsUnseen", part: "agent", stage: "10", is: behaviour{blind: true}, limit: true},
	{says: "CarbonGPUsUnseen", part: "agent", stage: "100", is: behaviour{blind: true}, then: func(w *world, _ bool) { w.noPlugin = true }},
	{says: "prometheus has no carbon_gpus:seen", part: "agent", stage: "50", then: func(w *world, on bool) { w.noPodInfo = on }},
	{says: "CarbonRolloutConversionSlow", part: "agent", stage: "50", is: behaviour{conversion: 1500 * time.Microsecond}},
	{says: "CarbonRolloutMemoryAbove2GB", part: "gateway", stage: "25", is: behaviour{rss: 2.1e9}, then: func(w *world, _ bool) { w.memoryLimit = 4 << 30 }},
	{says: "CarbonTargetDown", part: "gateway", stage: "50", is: behaviour{down: true}},
	{says: "prometheus has no up", part: "agent", stage: "25", is: behaviour{unseen: true}, limit: true},
	{says: "prometheus has no carbon_", part: "gateway", stage: "10", is: behaviour{idle: true}},
	{says: "no rules from prometheus", part: "agent", stage: "10", then: func(w *world, on bool) { w.prometheus.setAway(on) }, limit: true},
	{says: "carbon-gateway-canary: the API server is away", part: "gateway", stage: "25", then: func(w *world, on bool) { w.kubernetes.setAway(on) }, limit: true},
}

func TestWhatHolds(t *testing.T) {
	t.Parallel()
	for _, c := range holds {
		name := fmt.Sprintf("%s of a %s at %s", c.says, c.part, c.stage)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const long = 10 * time.Minute
			w := newWorld(t, 8)
			w.watchLonger(c.stage, lag)
			w.hold(c.stage, long, c.is, c.then)
			require.NoError(t, w.rollout(c.part).Run(t.Context(), newImage), w.log.String())
			assertInOrder(t, w.log.String(), " "+c.stage+" %: held: "+c.says, " "+c.stage+" %: quiet", "done")
			assertEnded(t, w, newImage)
			assert.GreaterOrEqual(t, w.took[c.stage], watch+long, "the time of a hold does not count")
		})
		if !c.limit {
			continue
		}
		t.Run(name+", until the limit", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 8)
			w.watchLonger(c.stage, lag)
			w.hold(c.stage, w.plan.HoldLimit.Duration+10*time.Minute, c.is, c.then)
			err := w.rollout(c.part).Run(t.Context(), newImage)
			var why *staged.RolledBackError
			require.ErrorAs(t, err, &why, w.log.String())
			assert.Contains(t, why.Why, "held for 20m0s: ")
			assert.Contains(t, why.Why, c.says)
			assertEnded(t, w, oldImage)
			assert.Equal(t, []string{oldImage}, w.images(c.part))
		})
	}
}

// lag is how long rates and their sums take to see that there is nothing any more.
const lag = 7 * time.Minute

func (w *world) watchLonger(stage string, by time.Duration) {
	for i := range w.plan.Stages {
		if s := &w.plan.Stages[i]; strconv.Itoa(s.Percent) == stage {
			s.Watch.Duration += by
		}
	}
}

// hold makes the new image behave so in a stage, some minutes after it has begun.
func (w *world) hold(stage string, long time.Duration, is behaviour, then func(*world, bool)) {
	const calm = 4 * time.Minute
	held := func() bool {
		age := w.now.Sub(w.stageAt)
		return w.stage == stage && age > calm && age <= calm+long
	}
	w.new = func(string, time.Duration) behaviour {
		if held() {
			return is
		}
		return behaviour{}
	}
	w.onTick = func() {
		if then != nil {
			then(w, held())
		}
	}
}

// A gate that Prometheus does not have, or cannot evaluate, is not one that is quiet.
func TestItDoesNotBeginWithoutGates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files []string
		away  bool
		says  string
	}{
		"no rules of rollouts": {[]string{rulesFolder + "recording.yaml", rulesFolder + "collector.yaml"}, false, "prometheus has no rule CarbonRollout"},
		"no prometheus":        {nil, true, "no rules from prometheus"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4, c.files...)
			w.prometheus.setAway(c.away)
			err := w.rollout("agent").Run(t.Context(), newImage)
			require.ErrorContains(t, err, "nothing was changed")
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, w.rollout("agent").Preview(t.Context(), newImage), c.says)
			assert.Empty(t, w.kubernetes.writes)
		})
	}
}

// Pods that come one by one are progress, however long it takes.
func TestSlowPodsAreWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	w.slow = 2 * time.Minute // and one of ten at once
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), w.log.String())
	assert.Greater(t, w.took["100"], w.plan.ReadyLimit.Duration+watch)
}

// Only time between two looks that were both quiet is time that was watched.
func TestFlappingIsNotWatching(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	const flaps = 10 * time.Minute
	looks := 0
	w.onTick = func() {
		looks++
		w.prometheus.setAway(w.stage == "25" && w.now.Sub(w.stageAt) <= flaps && looks%2 == 0)
	}
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), w.log.String())
	assert.GreaterOrEqual(t, w.took["25"], flaps+watch-2*interval)
}

// A machine that was asleep between two looks has not watched.
func TestSleepIsNotWatching(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	const asleep = 20 * time.Minute
	w.onTick = func() {
		if w.stage == "25" && w.now.Sub(w.stageAt) == time.Minute {
			w.pass(asleep)
		}
	}
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), w.log.String())
	assert.GreaterOrEqual(t, w.took["25"], asleep+watch-2*interval)
}

var errAway = apierrors.NewServiceUnavailable("the API server is away")

func (k *kubernetesStub) setAway(away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before = nil
	if away {
		k.before = func(int) error { return errAway }
	}
}
