// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

// pod is one of a workload.
type pod struct {
	name, workload, node, image string
	born                        time.Time
	ready                       bool
}

// startup is what a pod takes to be ready.
const startup = 30 * time.Second

// addNodes gives the cluster nodes that are ready, named by the format, unless it has them.
func (k *kubernetesStub) addNodes(count int, format string, labels map[string]string) {
	for i := range count {
		n := &core.Node{}
		n.Kind, n.APIVersion = "Node", "v1"
		n.Name = fmt.Sprintf(format, i)
		if k.nodes[n.Name] != nil {
			continue
		}
		n.Labels = maps.Clone(labels)
		n.Status.Conditions = []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionTrue}}
		k.nodes[n.Name] = n
	}
}

// control does what controllers and kubelets do in the time between two looks.
func (w *world) control() {
	k := w.kubernetes
	k.mu.Lock()
	defer k.mu.Unlock()
	before := slices.Clone(w.pods)
	for _, name := range slices.Sorted(maps.Keys(k.daemonSets)) {
		w.controlDaemonSet(k.daemonSets[name], before)
	}
	for _, name := range slices.Sorted(maps.Keys(k.deployments)) {
		w.controlDeployment(k.deployments[name])
	}
	for _, p := range w.pods {
		p.ready = w.now.Sub(p.born) >= w.slow && !w.behaviour(p).broken && (w.stuck == "" || p.node != w.stuck)
	}
	onNode := map[string]int{}
	for _, p := range w.pods {
		if p.node != "" {
			onNode[p.node]++
			assert.LessOrEqual(w.t, onNode[p.node], 1, "agents of node %s", p.node)
		}
	}
	for _, d := range k.daemonSets {
		d.Status = apps.DaemonSetStatus{ObservedGeneration: d.Generation, DesiredNumberScheduled: int32(len(w.of(d.Name)))}
		d.Status.UpdatedNumberScheduled, d.Status.NumberAvailable = w.count(d.Name, image(&d.Spec.Template))
	}
	for _, d := range k.deployments {
		d.Status = apps.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: int32(len(w.of(d.Name)))}
		d.Status.UpdatedReplicas, d.Status.AvailableReplicas = w.count(d.Name, image(&d.Spec.Template))
	}
}

// controlDaemonSet takes pods from nodes that are no longer the set's, renews a tenth of the others, and makes new ones where
// no agent was.
func (w *world) controlDaemonSet(d *apps.DaemonSet, before []*pod) {
	nodes := map[string]bool{}
	for name, n := range w.kubernetes.nodes {
		nodes[name] = runsOn(&d.Spec.Template.Spec, n)
	}
	var old []*pod
	w.pods = slices.DeleteFunc(w.pods, func(p *pod) bool { return p.workload == d.Name && !nodes[p.node] })
	for _, p := range w.of(d.Name) {
		if p.image != image(&d.Spec.Template) {
			old = append(old, p)
		}
	}
	unready := len(slices.DeleteFunc(w.of(d.Name), func(p *pod) bool { return p.ready }))
	atOnce := max(1, len(w.of(d.Name))/10) - unready
	for _, p := range old {
		if atOnce > 0 || !p.ready {
			atOnce--
			w.pods = slices.DeleteFunc(w.pods, func(other *pod) bool { return p == other })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		taken := func(p *pod) bool { return p.node == name }
		if nodes[name] && !slices.ContainsFunc(before, taken) && !slices.ContainsFunc(w.pods, taken) {
			w.create(d.Name, name, &d.Spec.Template)
		}
	}
}

// runsOn is the scheduler, for what the chart asks of it.
func runsOn(pod *core.PodSpec, n *core.Node) bool {
	for key, value := range pod.NodeSelector {
		if n.Labels[key] != value {
			return false
		}
	}
	for _, term := range pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if slices.Contains(e.Values, n.Labels[e.Key]) != (e.Operator == core.NodeSelectorOpIn) {
				return false
			}
		}
	}
	return n.Status.Conditions[0].Status == core.ConditionTrue
}

// controlDeployment adds one of the new template at a time, and takes an old one when it is ready.
func (w *world) controlDeployment(d *apps.Deployment) {
	want := 2 // an autoscaler's
	if d.Spec.Replicas != nil {
		want = int(*d.Spec.Replicas)
	} else {
		d.Spec.Replicas = new(int32(want))
	}
	all := w.of(d.Name)
	current := slices.DeleteFunc(slices.Clone(all), func(p *pod) bool { return p.image != image(&d.Spec.Template) })
	for i := len(current); i < want && len(all) <= want; i++ {
		w.create(d.Name, "", &d.Spec.Template)
		all = w.of(d.Name)
	}
	// Those that go first are old, and not ready.
	slices.SortStableFunc(all, func(a, b *pod) int {
		rank := func(p *pod) int {
			switch {
			case p.image == image(&d.Spec.Template):
				return 2
			case p.ready:
				return 1
			}
			return 0
		}
		return cmp.Compare(rank(a), rank(b))
	})
	ready := len(slices.DeleteFunc(slices.Clone(all), func(p *pod) bool { return !p.ready }))
	for len(all) > want && (ready > want || all[0].image == image(&d.Spec.Template) || want == 0) {
		ready--
		w.pods = slices.DeleteFunc(w.pods, func(p *pod) bool { return p == all[0] })
		all = all[1:]
	}
}

func (w *world) create(workload, node string, template *core.PodTemplateSpec) {
	w.created++
	w.pods = append(w.pods, &pod{
		name: fmt.Sprintf("%s-%d", workload, w.created), workload: workload, node: node, image: image(template), born: w.now,
	})
}

func (w *world) of(workload string) []*pod {
	return slices.DeleteFunc(slices.Clone(w.pods), func(p *pod) bool { return p.workload != workload })
}

func (w *world) count(workload, image string) (updated, available int32) {
	for _, p := range w.of(workload) {
		if p.image == image {
			updated++
		}
		if p.ready {
			available++
		}
	}
	return updated, available
}

func image(template *core.PodTemplateSpec) string {
	for _, c := range template.Spec.Containers {
		if c.Name == "otelcol-carbon" {
			return c.Image
		}
	}
	return "none"
}

// canaries are the names of the nodes with the label.
func (w *world) canaries() (names []string) {
	w.kubernetes.mu.Lock()
	defer w.kubernetes.mu.Unlock()
	for name, n := range w.kubernetes.nodes {
		if n.Labels["carbon/track"] == "canary" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// part is agent or gateway, of a workload's name.
func part(workload string) string {
	return strings.Split(workload, "-")[1]
}
