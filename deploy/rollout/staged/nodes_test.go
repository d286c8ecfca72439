// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

var gpuPod = core.PodSpec{NodeSelector: map[string]string{"gpu": "true"}}

func readyNode(name string, labels map[string]string) core.Node {
	var n core.Node
	n.Name, n.Labels = name, labels
	n.Status.Conditions = []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionTrue}}
	return n
}

// Whatever nodes there are, and whichever come and go between stages: shares are met by no more nodes than needed, canaries stay,
// and in what order the API lists the nodes changes nothing.
func TestSharesOfNodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cluster := map[string]core.Node{}
		for i := range rapid.IntRange(1, 60).Draw(t, "nodes") {
			n := readyNode(fmt.Sprintf("node-%d", i), map[string]string{"gpu": rapid.SampledFrom([]string{"true", "true", "false"}).Draw(t, "gpu")})
			cluster[n.Name] = n
		}
		var before []string
		for _, percent := range []int{10, 25, 50} {
			for name := range cluster {
				if rapid.IntRange(0, 9).Draw(t, "fate") == 0 {
					n := cluster[name]
					n.Status.Conditions = []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionUnknown}}
					cluster[name] = n
				}
			}
			all := nodesOf(&gpuPod, rapid.Permutation(slices.Collect(maps.Values(cluster))).Draw(t, "order"))
			chosen := all.next(percent)
			require.Equal(t, chosen, nodesOf(&gpuPod, slices.Collect(maps.Values(cluster))).next(percent))
			for _, name := range chosen {
				n := cluster[name]
				require.Equal(t, "true", n.Labels["gpu"])
				require.True(t, isReady(&n))
				require.Empty(t, n.Labels[Track])
				n.Labels[Track] = Canary
			}
			after := nodesOf(&gpuPod, slices.Collect(maps.Values(cluster)))
			share := 100 * float64(after.canaries())
			require.GreaterOrEqual(t, share, float64(percent*after.ready()))
			if len(chosen) > 0 { // else nodes have gone
				require.Less(t, share-100, float64(percent*after.ready()), "one too many")
			}
			require.Subset(t, after.labelled(), before)
			before = after.labelled()
		}
	})
}

// The order mixes pools whose names differ in their beginning or their end.
func TestOrderIsAMixture(t *testing.T) {
	t.Parallel()
	var all []core.Node
	for _, pool := range []string{"a100-pool", "h100-pool"} {
		for i := range 50 {
			all = append(all, readyNode(fmt.Sprintf("%s-%02d", pool, i), map[string]string{"gpu": "true"}))
		}
	}
	pools, tens := map[byte]int{}, map[byte]int{}
	for _, name := range nodesOf(&gpuPod, all).next(25) {
		pools[name[0]]++
		tens[name[len(name)-2]]++
	}
	assert.InDelta(t, 12, pools['a'], 6)
	assert.Len(t, tens, 5)
}

func TestNodesThatRunNoAgent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change      func(*core.Node)
		tolerations []core.Toleration
		ready       int
	}{
		"well":                    {func(*core.Node) {}, nil, 1},
		"not selected":            {func(n *core.Node) { delete(n.Labels, "gpu") }, nil, 0},
		"not ready":               {func(n *core.Node) { n.Status.Conditions[0].Status = core.ConditionFalse }, nil, 0},
		"silent":                  {func(n *core.Node) { n.Status.Conditions = nil }, nil, 0},
		"tainted":                 {taint("gpu", core.TaintEffectNoSchedule), nil, 0},
		"tainted, and tolerated":  {taint("gpu", core.TaintEffectNoExecute), []core.Toleration{{Operator: core.TolerationOpExists}}, 1},
		"tainted, others are":     {taint("gpu", core.TaintEffectNoSchedule), []core.Toleration{{Key: "cpu", Operator: core.TolerationOpExists}}, 0},
		"not preferred":           {taint("gpu", core.TaintEffectPreferNoSchedule), nil, 1},
		"cordoned":                {taint(core.TaintNodeUnschedulable, core.TaintEffectNoSchedule), nil, 1},
		"with a track of its own": {func(n *core.Node) { n.Labels[Track] = "stable" }, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := readyNode("n", map[string]string{"gpu": "true"})
			c.change(&n)
			pod := gpuPod
			pod.Tolerations = c.tolerations
			all := nodesOf(&pod, []core.Node{n})
			assert.Equal(t, c.ready, all.ready())
			if c.ready == 0 || n.Labels[Track] != "" {
				assert.Empty(t, all.next(100))
			}
		})
	}
}

func taint(key string, effect core.TaintEffect) func(*core.Node) {
	return func(n *core.Node) { n.Spec.Taints = []core.Taint{{Key: key, Effect: effect}} }
}
