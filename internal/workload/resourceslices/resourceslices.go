// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package resourceslices asks the Kubernetes API which GPU a device of dynamic resource allocation is. The
// kubelet's PodResources names such a device gpu-0; its UUID is an attribute in a ResourceSlice.
package resourceslices

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"
	resource "k8s.io/api/resource/v1"
	"k8s.io/client-go/rest"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// Index is a cache of the UUIDs of a node's devices. It reads resource.k8s.io/v1, of Kubernetes 1.34 and
// later, and asks only when it is asked for a device that it does not know. Safe for concurrent use.
type Index struct {
	client *http.Client
	host   string
	logger *zap.Logger
	now    func() time.Time

	mu      sync.Mutex
	uuids   map[workload.ClaimedDevice]string
	asked   map[pool]time.Time
	failing bool
}

type pool struct{ driver, name string }

const (
	// again is how long an answer without the device stands.
	again = time.Minute
	// maxAnswer is above 64 slices with 128 devices each, what a node with MIG may have.
	maxAnswer = 32 << 20
	// maxDevices bounds the cache, should devices be renamed often.
	maxDevices = 8192
)

// InCluster uses the service account of the collector's pod. It needs list of
// resourceslices.resource.k8s.io.
func InCluster(logger *zap.Logger) (*Index, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("resource_slices: the collector does not run in Kubernetes: %w", err)
	}
	return New(config, logger)
}

// New uses any configuration of a Kubernetes client.
func New(config *rest.Config, logger *zap.Logger) (*Index, error) {
	config = rest.CopyConfig(config)
	config.Timeout = 4 * time.Second // within the 5 s that the caller has for the kubelet and this
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("resource_slices: %w", err)
	}
	host, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("resource_slices: %w", err)
	}
	return &Index{
		client: client, host: host.String(), logger: logger, now: time.Now,
		uuids: map[workload.ClaimedDevice]string{}, asked: map[pool]time.Time{},
	}, nil
}

// UUID is GPU-<uuid> or MIG-<uuid> of a claimed device, for workload.KubeletConfig.Claims.
func (x *Index) UUID(ctx context.Context, d workload.ClaimedDevice) (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := pool{d.Driver, d.Pool}
	// A MIG device that is made anew keeps its name and has another UUID: nothing is known for ever.
	if asked, ok := x.asked[p]; !ok || x.now().Sub(asked) >= again {
		x.asked[p] = x.now()
		x.report(x.refresh(ctx, p))
	}
	uuid, ok := x.uuids[d]
	return uuid, ok
}

// report logs a change once.
func (x *Index) report(err error) {
	switch {
	case err != nil && !x.failing:
		x.logger.Warn("claimed GPUs cannot be told apart: ResourceSlices cannot be listed; allow list of resourceslices.resource.k8s.io", zap.Error(err))
	case err == nil && x.failing:
		x.logger.Info("ResourceSlices can be listed again")
	}
	x.failing = err != nil
}

// refresh lists the slices of one node: drivers name the pool of a node's own devices after the node, and a
// list of all would be the cluster's.
func (x *Index) refresh(ctx context.Context, p pool) error {
	query := url.Values{"fieldSelector": {"spec.driver=" + p.driver + ",spec.nodeName=" + p.name}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, x.host+"/apis/resource.k8s.io/v1/resourceslices?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := x.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the Kubernetes API answers %s", response.Status)
	}
	var list resource.ResourceSliceList
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&list); err != nil {
		return fmt.Errorf("the Kubernetes API's answer: %w", err)
	}
	x.replace(p, list.Items)
	return nil
}

// replace takes the newest generation of the pool; slices of older ones are about to go.
func (x *Index) replace(p pool, slices []resource.ResourceSlice) {
	for d := range x.uuids {
		if d.Driver == p.driver && d.Pool == p.name {
			delete(x.uuids, d)
		}
	}
	var newest int64
	for _, s := range slices {
		newest = max(newest, s.Spec.Pool.Generation)
	}
	for _, s := range slices {
		if s.Spec.Driver != p.driver || s.Spec.Pool.Name != p.name || s.Spec.Pool.Generation != newest {
			continue
		}
		for _, d := range s.Spec.Devices {
			uuid := d.Attributes["uuid"]
			if uuid.StringValue == nil {
				uuid = d.Attributes[resource.QualifiedName(p.driver+"/uuid")]
			}
			if uuid.StringValue != nil && len(x.uuids) < maxDevices {
				x.uuids[workload.ClaimedDevice{Driver: p.driver, Pool: p.name, Device: d.Name}] = *uuid.StringValue
			}
		}
	}
}
