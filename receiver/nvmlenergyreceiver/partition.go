// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"errors"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// partition is how a GPU is cut into MIG instances. The counter knows only the whole.
type partition struct {
	lacks     bool // the GPU cannot be partitioned
	slices    int  // of the whole GPU
	instances []instance
}

type instance struct {
	nvml.Instance

	lacksActivity bool
}

// refresh finds the instances there are, and reports whether MIG is on.
func (p *partition) refresh(device nvml.Device, d *diary) bool {
	if p.lacks {
		return false
	}
	on, _, err := device.MIG()
	p.lacks = meter.Unsupported(err)
	if err != nil || !on {
		p.close()
		return false
	}
	if p.slices == 0 {
		if p.slices, err = device.MaxInstances(); err != nil {
			p.slices = 7
		}
	}
	found, err := device.Instances()
	d.note("MIG instances", err)
	if err != nil {
		p.close()
		return true
	}
	p.adopt(found)
	return true
}

// adopt keeps what is known of instances that are still there: their handles and the last activity.
func (p *partition) adopt(found []nvml.Instance) {
	kept := make([]instance, 0, len(found))
	for _, f := range found {
		known := false
		for i, have := range p.instances {
			if have.Instance != nil && have.UUID() == f.UUID() && have.Slices() == f.Slices() && have.Multiprocessors() == f.Multiprocessors() {
				kept, known = append(kept, have), true
				p.instances[i].Instance = nil
				f.Close()
				break
			}
		}
		if !known {
			kept = append(kept, instance{Instance: f})
		}
	}
	p.close()
	p.instances = kept
}

func (p *partition) close() {
	for _, i := range p.instances {
		if i.Instance != nil {
			i.Close()
		}
	}
	p.instances = nil
}

// takeInstances is the census of a partitioned GPU. The weight of an instance is its size, times its activity
// where the hardware tells that: on Hopper and later. Before, an instance with processes counts as busy.
func (c *census) takeInstances(now time.Time) (t taken) {
	t.presence.Known = true
	for i := range c.partition.instances {
		in := &c.partition.instances[i]
		if in.Instance == nil {
			continue
		}
		var err error
		c.processes, err = in.Processes(c.processes[:0])
		c.diary.note("processes of MIG instances", err)
		if err != nil {
			t.presence.Known = false
			if isLost(err) { // the GPU was partitioned anew: a fresh handle next time
				in.Close()
				in.Instance = nil
			}
			continue
		}
		residents := c.residents(c.processes, now)
		var owner *ledger.Resident
		if holders := c.kubelet.Holders(workload.DeviceRef{MIGUUID: in.UUID(), Node: c.node, GPUInstance: in.GPUInstance()}); len(holders) == 1 && !holders[0].Shared {
			owner = &ledger.Resident{Workload: c.owner(holders[0], residents)}
		}
		weight, estimated := in.weight(len(residents) > 0)
		t.presence.Residents = append(t.presence.Residents, divide(residents, owner, weight, estimated, uint32(in.Slices()), uint32(c.partition.slices))...)
	}
	c.forget(now)
	return t
}

// weight is the busy multiprocessors, in thousandths.
func (in *instance) weight(occupied bool) (weight uint64, estimated bool) {
	size := uint64(max(in.Multiprocessors(), 1)) * 1000
	if !in.lacksActivity {
		activity, err := in.Activity()
		in.lacksActivity = meter.Unsupported(err)
		switch {
		case err == nil:
			return uint64(activity * float64(size)), false
		case errors.Is(err, nvml.NotFound):
			// There is a first time. Until then size alone counts.
		}
	}
	if !occupied {
		return 0, true
	}
	return size, true
}

// divide gives an instance to those in it: by their memory if they are several.
func divide(residents []ledger.Resident, owner *ledger.Resident, weight uint64, estimated bool, slices, of uint32) []ledger.Resident {
	if owner != nil {
		owner.Weight, owner.Weighted, owner.Estimated, owner.Owner = weight, true, estimated, true
		owner.Shares, owner.OfShares = slices, of
		return []ledger.Resident{*owner}
	}
	if len(residents) == 0 {
		return []ledger.Resident{{Weight: weight, Weighted: true, Estimated: estimated, OfShares: of}}
	}
	var memory uint64
	for _, r := range residents {
		memory += r.Memory
	}
	for i := range residents {
		r := &residents[i]
		part := 1 / float64(len(residents))
		if memory > 0 {
			part = float64(r.Memory) / float64(memory)
		}
		r.Weight, r.Weighted = uint64(float64(weight)*part), true
		r.Estimated = estimated || len(residents) > 1
		if len(residents) == 1 {
			r.Shares, r.OfShares = slices, of
		}
	}
	return residents
}
