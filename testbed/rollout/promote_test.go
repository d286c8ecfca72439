// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
)

func TestAgentsArePromotedThroughAllStages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	w.kubernetes.edit(func() { w.kubernetes.nodes["gpu-03"].Status.Conditions[0].Status = core.ConditionFalse })
	var shares [][]string
	w.onTick = func() {
		if w.stage == "50" && w.now.Sub(w.stageAt) > 2*time.Minute {
			w.kubernetes.edit(func() { w.kubernetes.addNodes(2, "new-%d", map[string]string{"nvidia.com/gpu.present": "true"}) })
		}
		if canaries := w.canaries(); len(shares) == 0 || !slices.Equal(shares[len(shares)-1], canaries) {
			shares = append(shares, canaries)
		}
	}
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), w.log.String())
	var counts []int
	for i, share := range shares {
		counts = append(counts, len(share))
		if i > 0 && len(share) > 0 {
			assert.Subset(t, share, shares[i-1], "a canary stays one")
		}
		assert.NotContains(t, share, "gpu-03", "it is not ready")
		assert.NotContains(t, strings.Join(share, " "), "cpu", "they have no agent")
	}
	assert.Equal(t, []int{2, 5, 10, 11, 0}, counts, "of 19 nodes that are ready, and two that come in the end")
	assert.Equal(t, []string{newImage}, w.images("agent"))
	assert.Equal(t, []string{oldImage}, w.images("gateway"), "another part")
	assertEnded(t, w, newImage)
	assertInOrder(t, w.log.String(), "10 %: 2 of 19 nodes", "10 %: quiet", "25 %: 5 of 19 nodes", "25 %: quiet", "50 %: 10 of 19 nodes",
		"100 %: all", "100 %: quiet", "done: carbon-agent has "+newImage)
	assert.GreaterOrEqual(t, w.now.Sub(begin), 4*watch)

	writes := len(w.kubernetes.writes)
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage))
	assert.Len(t, w.kubernetes.writes, writes, "it is there already")
}

// Agents of a second release, for nodes without GPUs, look for some as well.
func TestAgentsOfNodesWithoutGPUsArePromoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.gpus = 0
	w.kubernetes.edit(func() { // of other names, as those had some
		clear(w.kubernetes.nodes)
		w.kubernetes.addNodes(8, "cpu-%d", map[string]string{"nvidia.com/gpu.present": "true"}) // stands for the release's selector
	})
	w.pass(startup)
	require.NoError(t, w.rollout("agent").Run(t.Context(), newImage), w.log.String())
	assertEnded(t, w, newImage)
}

func TestGatewaysArePromotedThroughAllStages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	scale := func(replicas int32) {
		w.kubernetes.edit(func() { w.kubernetes.deployments["carbon-gateway"].Spec.Replicas = &replicas })
	}
	scale(4)
	var shares []string
	w.onTick = func() {
		share := fmt.Sprintf("%d+%d", len(w.of("carbon-gateway")), len(w.of("carbon-gateway-canary")))
		if w.stage != "" && w.stage != "100" && (len(shares) == 0 || shares[len(shares)-1] != share) {
			shares = append(shares, share)
		}
		// The autoscaler adds two.
		if w.stage == "50" && w.now.Sub(w.stageAt) > 2*time.Minute {
			scale(6)
		}
	}
	require.NoError(t, w.rollout("gateway").Run(t.Context(), newImage), w.log.String())
	assert.Subset(t, shares, []string{"4+1", "4+2", "4+4", "6+6"}, "10 and 25 % are rounded up to whole replicas")
	assert.Equal(t, []string{newImage}, w.images("gateway"))
	assert.Equal(t, []string{oldImage}, w.images("agent"), "another part")
	assert.Len(t, w.of("carbon-gateway"), 6)
	assert.Empty(t, w.of("carbon-gateway-canary"))
	assertEnded(t, w, newImage)
	assertInOrder(t, w.log.String(), "10 %: 1 canaries beside 4 replicas, 20 % of all", "25 %: 2 canaries beside 4 replicas, 33 % of all",
		"50 %: 4 canaries beside 4 replicas, 50 % of all", "50 %: 6 canaries beside 6", "100 %: all", "done")
}

// assertEnded says that nothing of a rollout is left, and that pods of the stable workloads are all there are.
func assertEnded(t *testing.T, w *world, image string) {
	t.Helper()
	w.pass(2 * startup)
	assert.Empty(t, w.canaries(), "labels")
	for name, d := range w.kubernetes.daemonSets {
		assert.NotContains(t, d.Annotations, stageKey, name)
		assert.NotContains(t, d.Annotations, "carbon/rollout-watched", name)
	}
	for name, d := range w.kubernetes.deployments {
		assert.NotContains(t, d.Annotations, stageKey, name)
		assert.NotContains(t, d.Annotations, "carbon/rollout-watched", name)
	}
	assert.Zero(t, *w.kubernetes.deployments["carbon-gateway-canary"].Spec.Replicas)
	var images []string
	for _, p := range w.pods {
		assert.NotContains(t, p.workload, "canary")
		images = append(images, p.image)
	}
	assert.Contains(t, images, image)
}

func assertInOrder(t *testing.T, text string, lines ...string) {
	t.Helper()
	rest := text
	for _, line := range lines {
		_, after, found := strings.Cut(rest, line)
		require.True(t, found, "%q, in order, in:\n%s", line, text)
		rest = after
	}
}
