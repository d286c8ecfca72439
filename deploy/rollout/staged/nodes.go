// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"bytes"
	"crypto/sha256"
	"slices"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
)

// nodes are those that run an agent, in the order in which they get the new one.
type nodes []node

type node struct {
	name  string
	track string // the value of its label
	ready bool   // and has an agent, which it may not have if it is tainted
}

// nodesOf finds them as the controller of DaemonSets does, by node selector and taints. The order is that of a hash of the
// name: the same each time, and the same mixture of pools and zones as all nodes.
func nodesOf(pod *core.PodSpec, all []core.Node) (found nodes) {
	selector := labels.SelectorFromSet(pod.NodeSelector)
	for _, n := range all {
		if selector.Matches(labels.Set(n.Labels)) {
			found = append(found, node{n.Name, n.Labels[Track], isReady(&n) && tolerated(pod.Tolerations, n.Spec.Taints)})
		}
	}
	slices.SortFunc(found, func(a, b node) int {
		i, j := sha256.Sum256([]byte(a.name)), sha256.Sum256([]byte(b.name))
		return bytes.Compare(i[:], j[:])
	})
	return found
}

// next are the nodes that must get the label until the share, rounded up, has it.
func (n nodes) next(percent int) (names []string) {
	need := (n.ready()*percent+99)/100 - n.canaries()
	for _, node := range n {
		if len(names) < need && node.ready && node.track == "" {
			names = append(names, node.name)
		}
	}
	return names
}

func (n nodes) ready() int {
	return n.count(func(n node) bool { return n.ready })
}

// canaries counts those that are ready: one that is not is no evidence.
func (n nodes) canaries() int {
	return n.count(func(n node) bool { return n.ready && n.track == Canary })
}

func (n nodes) count(is func(node) bool) (count int) {
	for _, node := range n {
		if is(node) {
			count++
		}
	}
	return count
}

func (n nodes) labelled() (names []string) {
	for _, node := range n {
		if node.track == Canary {
			names = append(names, node.name)
		}
	}
	return names
}

func isReady(node *core.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c core.NodeCondition) bool {
		return c.Type == core.NodeReady && c.Status == core.ConditionTrue
	})
}

// tolerated leaves out the taint of a cordoned node, which all DaemonSets tolerate.
func tolerated(tolerations []core.Toleration, taints []core.Taint) bool {
	return !slices.ContainsFunc(taints, func(t core.Taint) bool {
		return t.Effect != core.TaintEffectPreferNoSchedule && t.Key != core.TaintNodeUnschedulable &&
			!slices.ContainsFunc(tolerations, func(to core.Toleration) bool { return to.ToleratesTaint(klog.Background(), &t, false) })
	})
}
