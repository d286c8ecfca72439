// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package staged

import (
	"context"
	"encoding/json"
	"fmt"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// container is the collector's in the pods of the chart.
const container = "otelcol-carbon"

// manager is who owns what is changed, in the managed fields of objects.
const manager = "carbon-rollout"

type object = map[string]any

// workload is an object that is read and patched: a DaemonSet, a Deployment.
type workload[T any] struct {
	name string
	api  interface {
		Get(ctx context.Context, name string, opts meta.GetOptions) (T, error)
		Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts meta.PatchOptions, subresources ...string) (T, error)
	}
	parts func(T) (*meta.ObjectMeta, *core.PodSpec)
}

// images is a workload by what a rollout needs to know of it.
type images interface {
	job() string
	read(ctx context.Context) (image string, annotations map[string]string, err error)
	set(ctx context.Context, image string, annotations object) error
}

// job is the name of the workload's job in Prometheus, too.
func (w workload[T]) job() string { return w.name }

func (w workload[T]) get(ctx context.Context) (object T, err error) {
	object, err = w.api.Get(ctx, w.name, meta.GetOptions{})
	if err != nil {
		return object, fmt.Errorf("%s: %w", w.name, err)
	}
	return object, nil
}

func (w workload[T]) read(ctx context.Context) (image string, annotations map[string]string, err error) {
	object, err := w.get(ctx)
	if err != nil {
		return "", nil, err
	}
	m, pod := w.parts(object)
	for _, c := range pod.Containers {
		if c.Name == container {
			return c.Image, m.Annotations, nil
		}
	}
	return "", nil, fmt.Errorf("%s: has no container %q", w.name, container)
}

// set changes the image, unless it is empty, and annotations at once. An annotation of nil is removed.
func (w workload[T]) set(ctx context.Context, image string, annotations object) error {
	change := object{"metadata": object{"annotations": annotations}}
	if image != "" {
		change["spec"] = object{"template": object{"spec": object{"containers": []object{{"name": container, "image": image}}}}}
	}
	return w.patch(ctx, change)
}

func (w workload[T]) patch(ctx context.Context, change object) error {
	data, err := json.Marshal(change)
	if err != nil {
		return err
	}
	if _, err := w.api.Patch(ctx, w.name, types.StrategicMergePatchType, data, meta.PatchOptions{FieldManager: manager}); err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	return nil
}
