// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"context"
	"fmt"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Track is the label by which the chart's DaemonSets share the nodes out: the canary has those whose value is Canary.
const (
	Track  = "carbon/track"
	Canary = "canary"
)

// agents are moved node by node: the label takes a node from one DaemonSet to the other.
type agents struct {
	client         kubernetes.Interface
	stable, canary workload[*apps.DaemonSet]
}

func newAgents(client kubernetes.Interface, namespace, release string) *agents {
	sets := client.AppsV1().DaemonSets(namespace)
	parts := func(d *apps.DaemonSet) (*meta.ObjectMeta, *core.PodSpec) { return &d.ObjectMeta, &d.Spec.Template.Spec }
	return &agents{
		client: client,
		stable: workload[*apps.DaemonSet]{name: release + "-agent", api: sets, parts: parts},
		canary: workload[*apps.DaemonSet]{name: release + "-agent-canary", api: sets, parts: parts},
	}
}

func (a *agents) pair() (stable, canary images) { return a.stable, a.canary }

// move gives the label to as many nodes as the share needs, and takes it from none.
func (a *agents) move(ctx context.Context, percent int) (did string, err error) {
	nodes, err := a.nodes(ctx)
	if err != nil {
		return "", err
	}
	chosen := nodes.next(percent)
	for _, name := range chosen {
		if err := a.label(ctx, name, Canary); err != nil {
			return "", err
		}
	}
	if len(chosen) == 0 {
		return "", nil
	}
	return fmt.Sprintf("%d of %d nodes, new are %s", nodes.canaries()+len(chosen), nodes.ready(), strings.Join(chosen, ", ")), nil
}

// preview is what move would do.
func (a *agents) preview(ctx context.Context, percent int) (string, error) {
	nodes, err := a.nodes(ctx)
	if err != nil {
		return "", err
	}
	chosen := nodes.next(percent)
	return fmt.Sprintf("%d of %d nodes: those labelled, and %s",
		nodes.canaries()+len(chosen), nodes.ready(), strings.Join(chosen, ", ")), nil
}

// missing counts the nodes that are ready, and whose agent is not.
func (a *agents) missing(ctx context.Context) (int, error) {
	nodes, err := a.nodes(ctx)
	if err != nil {
		return 0, err
	}
	stable, err := a.stable.get(ctx)
	if err != nil {
		return 0, err
	}
	return max(0, nodes.ready()-nodes.canaries()-int(stable.Status.NumberAvailable)), nil
}

// settled is nil if each node that is ready has an agent that is, too; of the stable DaemonSet, if it is asked for, all but those
// that are missing.
func (a *agents) settled(ctx context.Context, stableToo bool, missing int) error {
	nodes, err := a.nodes(ctx)
	if err != nil {
		return err
	}
	canary, err := a.canary.get(ctx)
	if err != nil {
		return err
	}
	stable, err := a.stable.get(ctx)
	if err != nil {
		return err
	}
	if err := rolledOut(canary, nodes.canaries()); err != nil || !stableToo {
		return err
	}
	return rolledOut(stable, nodes.ready()-nodes.canaries()-missing)
}

func rolledOut(d *apps.DaemonSet, want int) error {
	have := int(min(d.Status.UpdatedNumberScheduled, d.Status.NumberAvailable))
	if d.Status.ObservedGeneration < d.Generation {
		have = 0
	}
	if have < want {
		return &notReadyError{fmt.Sprintf("%d of %d pods of %s are ready", have, want, d.Name)}
	}
	return nil
}

// home takes the label from all nodes.
func (a *agents) home(ctx context.Context) error {
	nodes, err := a.nodes(ctx)
	if err != nil {
		return err
	}
	for _, name := range nodes.labelled() {
		if err := a.label(ctx, name, nil); err != nil {
			return err
		}
	}
	return nil
}

func (a *agents) label(ctx context.Context, node string, value any) error {
	w := workload[*core.Node]{name: node, api: a.client.CoreV1().Nodes()}
	return w.patch(ctx, object{"metadata": object{"labels": object{Track: value}}})
}

func (a *agents) nodes(ctx context.Context) (nodes, error) {
	set, err := a.stable.get(ctx)
	if err != nil {
		return nil, err
	}
	list, err := a.client.CoreV1().Nodes().List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("nodes: %w", err)
	}
	return nodesOf(&set.Spec.Template.Spec, list.Items), nil
}
