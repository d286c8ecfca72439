// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/meter"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// census finds out who is on a GPU, and how busy they keep it.
type census struct {
	*tenants
	gpu     string // UUID
	node    string // its file in /dev; empty if unknown
	diary   *diary
	present map[uint32]*tenant // by PID

	lacksSamples bool
	asked        bool
	since        nvml.Micros
	swept        time.Time
	skew         time.Duration // from the driver's clock to ours, if they are not the same
	processes    []nvml.Process
	samples      []nvml.ProcessSample
	senseless    uint64 // samples that were discarded since the ledger was told
	partition    partition
}

// tenant is a process on the GPU.
type tenant struct {
	workload *workload.Workload // nil if it could not be found out
	first    time.Time
	resolved time.Time
	seen     time.Time
	sampled  time.Time
}

// taken is what a census found.
type taken struct {
	presence ledger.Presence
	busy     []busy
}

// busy is how much of a time a workload kept the GPU's multiprocessors busy.
type busy struct {
	workload *workload.Workload
	from, to time.Time
	percent  uint32
}

// longestSample is the most that a sample is taken to cover: the driver takes one each 0.2 to 1 s.
const longestSample = 2 * time.Second

func newCensus(t *tenants, id, node string, d *diary) *census {
	return &census{tenants: t, gpu: id, node: node, diary: d, present: map[uint32]*tenant{}}
}

func (c *census) close() { c.partition.close() }

// take asks the driver. What cannot be had leaves the energy unattributed.
func (c *census) take(device nvml.Device, now time.Time) (t taken) {
	if c.partition.refresh(device, c.diary) {
		return c.takeInstances(now)
	}
	var err error
	c.processes, err = device.Processes(c.processes[:0])
	if !meter.Unsupported(err) {
		c.diary.note("processes", err)
	}
	t.presence.Known = err == nil && (c.all || len(c.processes) > 0)
	t.presence.Residents = c.residents(c.processes, now)
	t.busy = c.busy(device, now)
	t.presence.Unsampled = c.lacksSamples
	c.allocations(&t.presence)
	c.forget(now)
	return t
}

// residents are the workloads of processes.
func (c *census) residents(processes []nvml.Process, now time.Time) (residents []ledger.Resident) {
	for _, p := range processes {
		known := c.tenant(p.PID, now)
		known.seen = now
		residents = append(residents, ledger.Resident{Workload: known.workload, Memory: p.Memory})
	}
	return residents
}

// trusted is for how long a process is taken for the same by its PID, once it is that old: its identity is
// settled then, and a PID takes longer than that to come round.
const trusted = 10 * time.Second

// tenant looks a process up. One that has just ended stays what it was.
func (c *census) tenant(pid uint32, now time.Time) *tenant {
	known := c.present[pid]
	if known == nil {
		known = &tenant{first: now}
		c.present[pid] = known
	}
	if known.workload != nil && now.Sub(known.first) >= trusted && now.Sub(known.resolved) < trusted {
		return known
	}
	if w, err := c.resolver.Resolve(pid); err == nil && w != known.workload {
		if known.workload != nil {
			known = &tenant{first: now} // another process under the same PID, or it has told more of itself
			c.present[pid] = known
		}
		known.workload = w
		c.kubelet.Hint()
	}
	known.resolved = now
	return known
}

// busy are the samples since the last call. A sample is the mean since then, or since the one before: a process
// that was idle for longer has none of that time. The driver keeps samples of processes that have ended: their
// workload is remembered.
func (c *census) busy(device nvml.Device, now time.Time) (all []busy) {
	if c.lacksSamples {
		return nil
	}
	var err error
	begin, first := c.since, !c.asked
	c.samples, err = device.ProcessUtilization(c.samples[:0], c.since)
	if c.lacksSamples = meter.Unsupported(err); err != nil {
		if !c.lacksSamples {
			c.diary.note("utilization of processes", err)
		}
		return nil
	}
	c.diary.note("utilization of processes", nil)
	answered := len(c.samples)
	c.samples = slices.DeleteFunc(c.samples, func(s nvml.ProcessSample) bool { return !s.Sensible() })
	for _, s := range c.samples {
		c.since = max(c.since, s.At)
	}
	c.asked = true
	if first {
		return nil // the driver's whole past
	}
	c.senseless += uint64(answered - len(c.samples))
	if len(c.samples) == 0 {
		return nil
	}
	c.align(now)
	for _, s := range c.samples {
		at := c.time(s.At)
		known := c.present[s.PID]
		if known == nil {
			known = c.tenant(s.PID, now) // one that came and went between two lists
		}
		if s.SM > 0 {
			all = append(all, busy{known.workload, lastOf(known.sampled, c.time(begin), at.Add(-longestSample)), at, s.SM})
		}
		known.sampled = at
	}
	return all
}

func lastOf(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// align finds the skew if the two clocks have nothing to do with each other: some drivers count from boot.
// Then the newest sample is from now.
func (c *census) align(now time.Time) {
	const tolerated = time.Minute
	if off := now.Sub(c.time(c.since)); off.Abs() > tolerated {
		c.skew += off
	}
}

// time is a driver's time on our clock.
func (c *census) time(at nvml.Micros) time.Time { return time.UnixMicro(int64(at)).Add(c.skew) }

// allocations adds what the kubelet knows: to whom the GPU was given, whether they use it or not.
func (c *census) allocations(p *ledger.Presence) {
	holders := c.kubelet.Holders(workload.DeviceRef{UUID: c.gpu, Node: c.node})
	if len(holders) == 1 && !holders[0].Shared {
		p.Owner = c.owner(holders[0], p.Residents)
		return
	}
	for _, h := range holders {
		owner := c.owner(h, p.Residents)
		i := slices.IndexFunc(p.Residents, func(r ledger.Resident) bool { return r.Workload == owner })
		if i < 0 {
			i = len(p.Residents)
			p.Residents = append(p.Residents, ledger.Resident{Workload: owner})
		}
		p.Residents[i].Shares, p.Residents[i].OfShares = uint32(h.Shares), uint32(max(h.Replicas, h.Shares))
	}
}

// owner is the workload of a holder: the one of its processes if it has any.
func (c *census) owner(h workload.Holder, residents []ledger.Resident) *workload.Workload {
	for _, r := range residents {
		if r.Workload != nil && h.Owns(r.Workload) {
			return r.Workload
		}
	}
	return c.resolver.Owner(h)
}

// forget drops processes that are gone, once their samples can no longer come.
func (c *census) forget(now time.Time) {
	for pid, t := range c.present {
		if now.Sub(t.seen) > 5*lag && now.Sub(t.sampled) > 5*lag {
			delete(c.present, pid)
		}
	}
	if now.Sub(c.swept) > sweep {
		c.swept = now
		c.resolver.Sweep()
	}
}

// sweep is how often the resolver is told to forget who is gone.
const sweep = time.Minute

// tell has the ledger book by it.
func (c *census) tell(l *ledger.Ledger, at time.Time, t taken) {
	for _, b := range t.busy {
		l.Sample(b.workload, b.from, b.to, b.percent)
	}
	l.Discard(c.senseless)
	c.senseless = 0
	l.Presence(at, t.presence)
}
