// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/otelcol-carbon/otelcol-carbon/deploy/rollout/staged"
)

// A program that is ended goes on in the stage where it was, and what it watched counts.
func TestItGoesOnWhereItWasEnded(t *testing.T) {
	t.Parallel()
	for _, part := range staged.Parts {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 8)
			w.watchLonger("25", 5*time.Minute)
			ctx, end := context.WithCancel(t.Context())
			w.onTick = func() {
				if w.stage == "25" && w.now.Sub(w.stageAt) > 7*time.Minute {
					end()
				}
			}
			err := w.rollout(part).Run(ctx, newImage)
			require.ErrorContains(t, err, "ended at 25 %")
			require.ErrorContains(t, err, "start it again")
			w.onTick = nil
			away := 30 * time.Minute
			w.pass(away) // nobody watches: it does not count
			require.NoError(t, w.rollout(part).Run(t.Context(), newImage), w.log.String())
			assertInOrder(t, w.log.String(), "goes on at 25 %, watched for 5m0s", "25 %: quiet", "50 %: ", "100 %: ", "done")
			assert.NotContains(t, strings.SplitN(w.log.String(), "goes on", 2)[1], " 10 %")
			assert.Greater(t, w.took["25"], away+8*time.Minute, "what nobody watched does not count")
			assert.Less(t, w.took["25"], away+12*time.Minute, "what is remembered does")
			assertEnded(t, w, newImage)
		})
	}
}

// A version that turns bad while nobody watches is seen by the next who does.
func TestItGoesBackWhenItGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	ctx, end := context.WithCancel(t.Context())
	w.onTick = func() {
		if w.stage == "50" {
			end()
		}
	}
	require.Error(t, w.rollout("agent").Run(ctx, newImage))
	w.onTick = nil
	w.new = func(string, time.Duration) behaviour { return behaviour{memory: 0.97} }
	w.pass(10 * time.Minute)
	var why *staged.RolledBackError
	require.ErrorAs(t, w.rollout("agent").Run(t.Context(), newImage), &why)
	assert.Contains(t, why.Why, "CarbonRolloutMemory")
	assertEnded(t, w, oldImage)
}

// Killed after any of its writes, it ends as if it had not been. One rollout after the other, in the same cluster.
func TestKilledAfterEachWrite(t *testing.T) {
	t.Parallel()
	for _, part := range staged.Parts {
		t.Run(part+" goes on", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.killEach(func(write int) bool {
				image := fmt.Sprintf("%s-%d", newImage, write)
				killed, err := w.killedAfter(write, part, image)
				require.NoError(t, err)
				require.Equal(t, []string{image}, w.images(part))
				assertEnded(t, w, image)
				return killed
			})
		})
		t.Run(part+" goes back", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.new = func(stage string, _ time.Duration) behaviour {
				if stage == "100" {
					return behaviour{memory: 0.97}
				}
				return behaviour{}
			}
			w.killEach(func(write int) bool {
				killed, err := w.killedAfter(write, part, newImage)
				var why *staged.RolledBackError
				require.ErrorAs(t, err, &why)
				require.Equal(t, []string{oldImage}, w.images(part))
				assertEnded(t, w, oldImage)
				w.pass(lag)
				return killed
			})
		})
	}
}

// killEach tries one write after the other, until there are not as many.
func (w *world) killEach(try func(write int) (killed bool)) {
	w.quick()
	w.plan.Stages = w.plan.Stages[2:] // 50 and 100 %
	write := 1
	for try(write) {
		require.False(w.t, w.t.Failed(), "killed after write %d\n%s\n%s", write, strings.Join(w.kubernetes.writes, "\n"), w.log.String())
		write++
	}
	assert.Greater(w.t, write, 8)
}

// killedAfter rolls out, is killed, and goes on, unless there are not as many writes.
func (w *world) killedAfter(write int, part, image string) (killed bool, err error) {
	ctx, kill := context.WithCancel(w.t.Context())
	defer kill()
	w.log.Reset()
	w.kubernetes.edit(func() {
		w.kubernetes.writes = nil
		w.kubernetes.before = func(int) error { return ctx.Err() }
		w.kubernetes.after = func(n int) {
			if n == write {
				kill()
			}
		}
	})
	err = w.rollout(part).Run(ctx, image)
	killed = ctx.Err() != nil
	w.kubernetes.edit(func() { w.kubernetes.before, w.kubernetes.after = nil, nil })
	if killed {
		w.pass(time.Minute)
		err = w.rollout(part).Run(w.t.Context(), image)
	}
	return killed, err
}

// quick makes stages as short as an alert needs.
func (w *world) quick() {
	for i := range w.plan.Stages {
		w.plan.Stages[i].Watch = meta.Duration{Duration: 4 * time.Minute}
	}
}
