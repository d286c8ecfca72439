// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"fmt"
	"sync"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload/resourceslices"
)

// tenants knows who uses the GPUs of this machine.
type tenants struct {
	resolver *workload.Resolver
	kubelet  *workload.Kubelet
	// all says that every process of the machine can be seen.
	all bool

	*common

	mu    sync.Mutex
	slots map[string]int // by the workload's ID, how many GPUs tell it apart
}

func newTenants(c *common) (*tenants, error) {
	t := &tenants{
		common: c,
		resolver: workload.NewResolver(workload.Config{
			ProcRoot: c.cfg.Host.Path("proc"), LogRoot: c.cfg.Host.Path("var/log"), Logger: c.logger,
		}),
		slots: map[string]int{},
	}
	kubelet := workload.KubeletConfig{
		Socket: c.cfg.Host.Path("var/lib/kubelet/pod-resources/kubelet.sock"), Logger: c.logger,
	}
	if c.cfg.Processes.ResourceSlices {
		index, err := resourceslices.InCluster(c.logger)
		if err != nil {
			return nil, fmt.Errorf("processes::resource_slices: %w", err)
		}
		kubelet.Claims = index.UUID
	}
	t.kubelet = workload.NewKubelet(kubelet)
	t.all = t.resolver.SeesAll()
	t.kubelet.Start()
	return t, nil
}

func (t *tenants) close() { t.kubelet.Shutdown() }

// admit gives a workload one of max_workloads slots, if one is left.
func (t *tenants) admit(w *workload.Workload) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := w.ID()
	if t.slots[id] == 0 && len(t.slots) >= t.cfg.Processes.MaxWorkloads {
		t.telemetry.NvmlenergyWorkloadsRefused.Add(context.Background(), 1)
		return false
	}
	t.slots[id]++
	return true
}

// release takes the slot back.
func (t *tenants) release(w *workload.Workload) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := w.ID()
	if t.slots[id]--; t.slots[id] <= 0 {
		delete(t.slots, id)
	}
}

func (t *tenants) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.slots)
}
