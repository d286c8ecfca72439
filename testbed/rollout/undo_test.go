// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/deploy/rollout/staged"
)

const thirdImage = "ghcr.io/otelcol-carbon/otelcol-carbon:0.3.0"

func TestUndo(t *testing.T) {
	t.Parallel()
	for _, part := range staged.Parts {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 8)
			w.quick()
			require.ErrorContains(t, w.rollout(part).Undo(t.Context()), "no rollout is on")
			require.NoError(t, w.rollout(part).Run(t.Context(), newImage))

			// One that has begun: to the image of the last one.
			ctx, end := context.WithCancel(t.Context())
			w.onTick = func() {
				if w.stage == "50" {
					end()
				}
			}
			require.Error(t, w.rollout(part).Run(ctx, thirdImage))
			w.onTick = nil
			err := w.rollout(part).Run(t.Context(), newImage)
			require.ErrorContains(t, err, "a rollout of "+thirdImage+" is at 50 %")
			require.NoError(t, w.rollout(part).Undo(t.Context()), w.log.String())
			assert.Equal(t, []string{newImage}, w.images(part))
			assertEnded(t, w, newImage)

			// The last one, which had ended.
			require.NoError(t, w.rollout(part).Undo(t.Context()), w.log.String())
			assert.Equal(t, []string{oldImage}, w.images(part))
			assertEnded(t, w, oldImage)
			require.ErrorContains(t, w.rollout(part).Undo(t.Context()), "no rollout is on", "once is enough")
		})
	}
}

// Who has changed the image since by other means is not brought back to the one before the last rollout.
func TestUndoOfWhatAnotherHasChanged(t *testing.T) {
	t.Parallel()
	for _, part := range staged.Parts {
		w := newWorld(t, 8)
		w.quick()
		require.NoError(t, w.rollout(part).Run(t.Context(), newImage))
		w.upgrade(thirdImage)
		require.ErrorContains(t, w.rollout(part).Undo(t.Context()), "no rollout is on")
		assert.Equal(t, []string{thirdImage}, w.images(part))
	}
}

// With the stage gone from the plan nobody knows what to watch.
func TestAnotherPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	ctx, end := context.WithCancel(t.Context())
	w.onTick = func() {
		if w.stage == "10" {
			end()
		}
	}
	require.Error(t, w.rollout("agent").Run(ctx, newImage))
	w.plan.Stages = w.plan.Stages[1:]
	require.ErrorContains(t, w.rollout("agent").Run(t.Context(), newImage), "is at 10 %, which is no stage of the plan")
}

// Nodes whose agent was not ready before are not the new version's fault.
func TestAgentsThatWereMissingBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 40) // with fewer, the DaemonSet itself waits for the one
	w.quick()
	first := w.firstHalf()
	for name := range w.kubernetes.nodes {
		if strings.HasPrefix(name, "gpu") && !slices.Contains(first, name) {
			w.stuck = name
		}
	}
	w.pass(time.Minute)
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), w.log.String())
}

// A node that is labelled otherwise is left alone.
func TestNodesWithALabelOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	w.quick()
	pinned := w.firstHalf()[0]
	w.kubernetes.edit(func() { w.kubernetes.nodes[pinned].Labels["carbon/track"] = "stable" })
	w.onTick = func() { assert.NotContains(t, w.canaries(), pinned) }
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), w.log.String())
	assert.Equal(t, "stable", w.kubernetes.nodes[pinned].Labels["carbon/track"])
	assert.Equal(t, []string{newImage}, w.images("agent"))
}

// firstHalf are the nodes that become canaries.
func (w *world) firstHalf() []string {
	all := w.plan.Stages
	w.plan.Stages = all[2:]
	require.NoError(w.t, w.rollout("agent").Preview(w.t.Context(), newImage))
	w.plan.Stages = all
	names := regexp.MustCompile(`gpu-\d+`).FindAllString(w.log.String(), -1)
	require.Len(w.t, names, (len(w.kubernetes.nodes)-3)/2)
	return names
}

func TestPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	for part, want := range map[string][]string{
		"agent": {"10 %: 2 of 20 nodes", "25 %: 5 of 20 nodes", "50 %: 10 of 20 nodes", "100 %: all"},
		"gateway": {
			"10 %: 1 canaries beside 2 replicas, 33 % of all", "25 %: 1 canaries beside 2", "50 %: 2 canaries beside 2 replicas, 50 %", "100 %: all",
		},
	} {
		w := newWorld(t, 20)
		require.NoError(t, w.rollout(part).Preview(t.Context(), newImage))
		assertInOrder(t, w.log.String(), want...)
		assert.Contains(t, w.log.String(), "10 %: rolled back by CarbonRolloutCanaryErrors, ")
		assert.Empty(t, w.kubernetes.writes)
	}
}

func TestWithoutCanaries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.kubernetes.edit(func() { delete(w.kubernetes.daemonSets, "carbon-agent-canary") })
	err := w.rollout("agent").Run(t.Context(), newImage)
	require.ErrorContains(t, err, "carbon-agent-canary: ")
	require.ErrorContains(t, err, "not found")
	require.ErrorContains(t, err, "canary.enabled")
	_, err = staged.New(staged.Options{Plan: w.plan, Part: "sidecar", Client: w.kubernetes.client()})
	require.ErrorContains(t, err, `part: "sidecar" is not known, use agent or gateway`)
}
