// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peer is one end of a flow: a pod, or an address outside of the cluster.
type peer struct {
	namespace string
	labels    map[string]string
	address   string
}

// allowed says whether NetworkPolicies let a flow pass: the egress of its source and the ingress of its target, where a policy
// selects them. Rules are those of the API's documentation: https://kubernetes.io/docs/concepts/services-networking/network-policies/
func allowed(tb testing.TB, policies []*networking.NetworkPolicy, from, to peer, protocol core.Protocol, port int32) bool {
	tb.Helper()
	egress, ingress := true, true
	for _, p := range policies {
		if isolates(tb, p, from, networking.PolicyTypeEgress) {
			egress = false
		}
		if isolates(tb, p, to, networking.PolicyTypeIngress) {
			ingress = false
		}
	}
	for _, p := range policies {
		if isolates(tb, p, from, networking.PolicyTypeEgress) {
			for _, rule := range p.Spec.Egress {
				egress = egress || matches(tb, p.Namespace, rule.To, rule.Ports, to, protocol, port)
			}
		}
		if isolates(tb, p, to, networking.PolicyTypeIngress) {
			for _, rule := range p.Spec.Ingress {
				ingress = ingress || matches(tb, p.Namespace, rule.From, rule.Ports, from, protocol, port)
			}
		}
	}
	return egress && ingress
}

func isolates(tb testing.TB, p *networking.NetworkPolicy, pod peer, direction networking.PolicyType) bool {
	tb.Helper()
	return slices.Contains(p.Spec.PolicyTypes, direction) &&
		pod.address == "" && pod.namespace == p.Namespace && selects(tb, &p.Spec.PodSelector, pod.labels)
}

// matches says whether a rule lets the other end pass. A rule without peers, or without ports, lets all pass.
func matches(tb testing.TB, own string, peers []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort, other peer, protocol core.Protocol, port int32) bool {
	tb.Helper()
	right := len(ports) == 0
	for _, p := range ports {
		require.Nil(tb, p.EndPort)
		right = right || *p.Protocol == protocol && (p.Port == nil || p.Port.IntVal == port)
	}
	reached := len(peers) == 0
	for _, p := range peers {
		reached = reached || isPeer(tb, own, p, other)
	}
	return right && reached
}

func isPeer(tb testing.TB, own string, p networking.NetworkPolicyPeer, other peer) bool {
	tb.Helper()
	if p.IPBlock != nil {
		require.Empty(tb, p.IPBlock.Except)
		return other.address != "" && netip.MustParsePrefix(p.IPBlock.CIDR).Contains(netip.MustParseAddr(other.address))
	}
	if other.address != "" {
		return false
	}
	inNamespace := other.namespace == own
	if p.NamespaceSelector != nil {
		inNamespace = selects(tb, p.NamespaceSelector, map[string]string{core.LabelMetadataName: other.namespace})
	}
	return inNamespace && (p.PodSelector == nil || selects(tb, p.PodSelector, other.labels))
}

func selects(tb testing.TB, s *meta.LabelSelector, set map[string]string) bool {
	tb.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	require.NoError(tb, err)
	return selector.Matches(labels.Set(set))
}

func (p peer) String() string {
	return fmt.Sprintf("%s%s%v", p.address, p.namespace, p.labels)
}
