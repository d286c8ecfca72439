// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"net"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/internal/stream"
)

// claim is the right of one source to convert the energy of a device. All sources of a device compete for it,
// so its energy converts once at any time.
type claim struct {
	owner    owner
	last     pcommon.Timestamp // of the owner's last reading
	since    pcommon.Timestamp // when the owner took over
	handover uint32            // how often the owner changed
	released bool              // the owner said that it is gone
	seen     int64             // when the owner was last heard, in Unix seconds
	disputed int64             // when another was last refused, in Unix seconds
}

// owner is a metric of a resource: the same exporter scraped twice is two.
type owner struct {
	rank     int
	resource stream.ID
}

// ours is the rank of what is converted without a rule. It arrives as many resources, and is one owner.
const ours = -1

// claimKey is what may not be converted twice. Sources cut CPU and memory up in different ways (sockets, or
// their sum), and workloads too (containers, or pods), so on a host these are claimed as a whole.
type claimKey struct {
	target             Target
	host, hwType, hwID string
}

func claimOn(target Target, host, hwType, hwID string) claimKey {
	switch {
	case target == Host:
		return claimKey{target: target, host: host}
	case target == Workload, hwType == "cpu", hwType == "memory":
		return claimKey{target: target, host: host, hwType: hwType}
	case strings.HasPrefix(hwID, "GPU-"): // NVIDIA's UUIDs are unique in the world, and host names are not certain
		return claimKey{target: target, hwID: hwID}
	default:
		return claimKey{target: target, host: host, hwType: hwType, hwID: hwID}
	}
}

// by reports whether the reading of a source at a time converts. The better source always does, once time
// has come to where the last owner's readings ended. Any does when the owner is gone.
func (c *claim) by(who owner, at pcommon.Timestamp, now int64, maxGap time.Duration) bool {
	if c.seen == 0 {
		c.owner = who
	}
	if c.owner != who {
		gone := c.released || c.owner.rank != ours && at.AsTime().Sub(c.last.AsTime()) > maxGap
		if at < c.last || who.rank >= c.owner.rank && !gone {
			c.disputed = now
			return false
		}
		c.owner, c.since = who, at
		c.handover++
	}
	c.last, c.seen, c.released = max(c.last, at), now, false
	return true
}

// byUs is the same for what is converted anyway. It goes on after a silence and recovers what was not reported, so
// nobody else may fill in until it is forgotten.
func (c *claim) byUs(at pcommon.Timestamp, now int64) {
	if c.owner.rank != ours && c.seen != 0 {
		c.handover++
	}
	c.owner = owner{rank: ours}
	c.last, c.seen, c.released = max(c.last, at), now, false
}

// thisHost stands for the host that a source scraped from localhost is on, if nothing names it.
const thisHost = ""

// resourceHost is the host that a resource names. Other programs name it by label at best, so that is by name. Where
// they do not, and their resource has neither host.name nor k8s.node.name, it is the address they were scraped at,
// which no other source knows.
func resourceHost(r pcommon.Resource) string {
	for _, key := range [...]string{"host.name", "k8s.node.name", "host.id", "server.address"} {
		if host := label(r.Attributes(), key); host != "" {
			return host
		}
	}
	instance := label(r.Attributes(), "service.instance.id")
	host, _, err := net.SplitHostPort(instance)
	if err != nil {
		host = instance
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return thisHost
	}
	return host
}
