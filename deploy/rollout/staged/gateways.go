// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// gateways are moved by replicas: both Deployments are behind the same services, so that the share of the replicas is that of
// the traffic. Canaries are added: the stable Deployment stays its autoscaler's.
type gateways struct {
	stable, canary workload[*apps.Deployment]
}

func newGateways(client kubernetes.Interface, namespace, release string) *gateways {
	deployments := client.AppsV1().Deployments(namespace)
	parts := func(d *apps.Deployment) (*meta.ObjectMeta, *core.PodSpec) {
		return &d.ObjectMeta, &d.Spec.Template.Spec
	}
	return &gateways{
		stable: workload[*apps.Deployment]{name: release + "-gateway", api: deployments, parts: parts},
		canary: workload[*apps.Deployment]{name: release + "-gateway-canary", api: deployments, parts: parts},
	}
}

func (g *gateways) pair() (stable, canary images) { return g.stable, g.canary }

// move follows the autoscaler: the stable replicas of the moment say how many canaries a share is.
func (g *gateways) move(ctx context.Context, percent int) (did string, err error) {
	have, want, stable, err := g.count(ctx, percent)
	if err != nil || have == want {
		return "", err
	}
	if err := g.scale(ctx, want); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d canaries beside %d replicas, %d %% of all", want, stable, 100*want/(want+stable)), nil
}

// preview is what move would do.
func (g *gateways) preview(ctx context.Context, percent int) (string, error) {
	_, want, stable, err := g.count(ctx, percent)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d canaries beside %d replicas, %d %% of all", want, stable, 100*want/(want+stable)), nil
}

func (g *gateways) count(ctx context.Context, percent int) (have, want, stable int, err error) {
	c, err := g.canary.get(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	s, err := g.stable.get(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	stable = replicas(s)
	if stable == 0 {
		return 0, 0, 0, fmt.Errorf("%s: has no replicas of which to take a share", s.Name)
	}
	others := 100 - percent
	return replicas(c), (stable*percent + others - 1) / others, stable, nil
}

// missing is none: replicas have no node of their own that may be broken.
func (g *gateways) missing(context.Context) (int, error) { return 0, nil }

// settled is nil if all replicas are ready, and none is of an earlier template.
func (g *gateways) settled(ctx context.Context, stableToo bool, _ int) error {
	canary, err := g.canary.get(ctx)
	if err != nil {
		return err
	}
	stable, err := g.stable.get(ctx)
	if err != nil {
		return err
	}
	if err := scaledOut(canary); err != nil || !stableToo {
		return err
	}
	return scaledOut(stable)
}

func scaledOut(d *apps.Deployment) error {
	have, want := int(min(d.Status.UpdatedReplicas, d.Status.AvailableReplicas)), replicas(d)
	if d.Status.ObservedGeneration < d.Generation {
		have = 0
	}
	if all := int(d.Status.Replicas); have < want || all > want {
		return &notReadyError{fmt.Sprintf("%d of %d pods of %s are ready, %d are to go", have, want, d.Name, max(0, all-want))}
	}
	return nil
}

// home leaves no canary.
func (g *gateways) home(ctx context.Context) error { return g.scale(ctx, 0) }

func (g *gateways) scale(ctx context.Context, replicas int) error {
	return g.canary.patch(ctx, object{"spec": object{"replicas": replicas}})
}

// replicas is 1 where nobody has said, as in Kubernetes.
func replicas(d *apps.Deployment) int {
	if d.Spec.Replicas == nil {
		return 1
	}
	return int(*d.Spec.Replicas)
}
