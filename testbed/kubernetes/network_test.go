// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
)

func part(component string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "otelcol-carbon", "app.kubernetes.io/instance": release, "app.kubernetes.io/component": component}
}

var (
	agent     = peer{namespace: namespace, labels: part("agent")}
	gateway   = peer{namespace: namespace, labels: part("gateway")}
	training  = peer{namespace: "ml-training", labels: map[string]string{"app": "train"}}
	scraper   = peer{namespace: "monitoring", labels: map[string]string{"app.kubernetes.io/name": "prometheus"}}
	backend   = peer{namespace: "observability", labels: map[string]string{"app.kubernetes.io/name": "backend"}}
	dns       = peer{namespace: "kube-system", labels: map[string]string{"k8s-app": "kube-dns"}}
	elastic   = peer{namespace: "logging", labels: map[string]string{"app": "elasticsearch"}}
	proxy     = peer{namespace: "egress", labels: map[string]string{"app": "egress-proxy"}}
	stranger  = peer{namespace: "default", labels: map[string]string{"app": "web"}}
	impostor  = peer{namespace: "default", labels: part("agent")}
	apiserver = peer{address: "192.0.2.10"}
	provider  = peer{address: "198.51.100.7"}
	issuer    = peer{address: "198.51.100.200"}
	internet  = peer{address: "203.0.113.1"}
	metadata  = peer{address: "169.254.169.254"}
)

const (
	viaProxy = "networkPolicy: {providers: {proxyNamespace: egress, proxySelector: {app: egress-proxy}}}"
	toLogs   = `networkPolicy: {egress: {gateway: [{
		to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: logging}}, podSelector: {matchLabels: {app: elasticsearch}}}],
		ports: [{protocol: TCP, port: 9200}]}]}}`
	toItself = `networkPolicy: {egress: {gateway: [{
		to: [{podSelector: {matchLabels: {app.kubernetes.io/component: gateway}}}], ports: [{protocol: TCP, port: 4317}]}]}}`
	agentToBackend = `networkPolicy: {egress: {agent: [{
		to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: observability}}}], ports: [{protocol: TCP, port: 4318}]}]}}`
	viaBlocks = "networkPolicy: {providers: {cidrs: [198.51.100.0/24]}}"
)

func TestNetworkPolicies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values   string
		from, to peer
		protocol core.Protocol
		port     int32
		want     bool
	}{
		{"", training, agent, core.ProtocolTCP, 4317, true},
		{"", training, gateway, core.ProtocolTCP, 4317, true},
		{"", training, agent, core.ProtocolTCP, 9464, false},
		{"", training, agent, core.ProtocolTCP, 13133, false},
		{"", training, gateway, core.ProtocolTCP, 9464, false},
		{"", training, agent, core.ProtocolUDP, 4317, false},
		{"", scraper, agent, core.ProtocolTCP, 9464, true},
		{"", scraper, gateway, core.ProtocolTCP, 9464, true},
		{"", scraper, gateway, core.ProtocolTCP, 4317, false},
		{"", scraper, agent, core.ProtocolTCP, 8888, false},
		{"", stranger, agent, core.ProtocolTCP, 4317, false},
		{"", stranger, gateway, core.ProtocolTCP, 4317, false},
		{"", impostor, gateway, core.ProtocolTCP, 4317, false},
		{"", internet, gateway, core.ProtocolTCP, 4317, false},
		{"", agent, gateway, core.ProtocolTCP, 4317, true},
		{"", agent, gateway, core.ProtocolTCP, 9464, false},
		{"", gateway, agent, core.ProtocolTCP, 4317, false},
		{"", agent, dns, core.ProtocolUDP, 53, true},
		{"", agent, dns, core.ProtocolTCP, 53, true},
		{"", gateway, dns, core.ProtocolUDP, 53, true},
		{"", agent, dns, core.ProtocolTCP, 443, false},
		{"", agent, internet, core.ProtocolUDP, 53, false},
		{"", agent, apiserver, core.ProtocolTCP, 6443, true},
		{"", agent, apiserver, core.ProtocolTCP, 22, false},
		{"", gateway, apiserver, core.ProtocolTCP, 6443, false},
		{"", gateway, backend, core.ProtocolTCP, 4318, true},
		{"", gateway, backend, core.ProtocolTCP, 22, false},
		{"", agent, backend, core.ProtocolTCP, 4318, false},
		{"", gateway, stranger, core.ProtocolTCP, 4318, false},
		{"", gateway, internet, core.ProtocolTCP, 443, false},
		{"", agent, internet, core.ProtocolTCP, 443, false},
		{"", agent, provider, core.ProtocolTCP, 443, false},
		{"", agent, metadata, core.ProtocolTCP, 80, false},
		{"", gateway, metadata, core.ProtocolTCP, 80, false},
		{"", stranger, backend, core.ProtocolTCP, 4318, true}, // others' flows are not ours to end
		{tokens, gateway, issuer, core.ProtocolTCP, 443, true},
		{tokens, gateway, issuer, core.ProtocolTCP, 80, false},
		{tokens, gateway, internet, core.ProtocolTCP, 443, false},
		{tokens, agent, issuer, core.ProtocolTCP, 443, false},
		{"", gateway, issuer, core.ProtocolTCP, 443, false},
		{toItself, gateway, gateway, core.ProtocolTCP, 4317, true},
		{"", gateway, gateway, core.ProtocolTCP, 4317, false},
		{toLogs, gateway, elastic, core.ProtocolTCP, 9200, true},
		{toLogs, gateway, elastic, core.ProtocolTCP, 22, false},
		{toLogs, agent, elastic, core.ProtocolTCP, 9200, false},
		{"", gateway, elastic, core.ProtocolTCP, 9200, false},
		{agentToBackend, agent, backend, core.ProtocolTCP, 4318, true},
		{viaProxy, agent, proxy, core.ProtocolTCP, 443, true},
		{viaProxy, agent, proxy, core.ProtocolTCP, 3128, false},
		{viaProxy, agent, provider, core.ProtocolTCP, 443, false},
		{viaProxy, gateway, proxy, core.ProtocolTCP, 443, false},
		{viaBlocks, agent, provider, core.ProtocolTCP, 443, true},
		{viaBlocks, agent, provider, core.ProtocolTCP, 80, false},
		{viaBlocks, agent, internet, core.ProtocolTCP, 443, false},
		{viaBlocks, gateway, provider, core.ProtocolTCP, 443, false},
	} {
		t.Run(fmt.Sprint(test.values, test.from, test.to, test.protocol, test.port), func(t *testing.T) {
			t.Parallel()
			values := []string{required}
			if test.values != "" {
				values = append(values, test.values)
			}
			all := render(t, values...)
			var policies []*networking.NetworkPolicy
			for _, object := range all {
				if p, ok := object.(*networking.NetworkPolicy); ok {
					p.Namespace = namespace // where Helm installs it
					policies = append(policies, p)
				}
			}
			require.Len(t, policies, 2)
			assert.Equal(t, test.want, allowed(t, policies, test.from, test.to, test.protocol, test.port))
		})
	}
}

// No rule is without peers or ports: either would open all.
func TestNetworkPoliciesNameWhatTheyOpen(t *testing.T) {
	t.Parallel()
	all := render(t, required, viaProxy, viaBlocks)
	for _, name := range []string{"agent", "gateway"} {
		p := get[*networking.NetworkPolicy](t, all, "NetworkPolicy/"+release+"-"+name)
		for _, rule := range p.Spec.Ingress {
			assert.NotEmpty(t, rule.From)
			assert.NotEmpty(t, rule.Ports)
		}
		for _, rule := range p.Spec.Egress {
			assert.NotEmpty(t, rule.To)
			assert.NotEmpty(t, rule.Ports)
		}
	}
}

// What nobody can guess is asked for, where it is needed.
func TestPeersAreAskedFor(t *testing.T) {
	t.Parallel()
	_, err := renderText(t)
	require.ErrorContains(t, err, "networkPolicy.apiServer.cidrs")
	const anonymous = "agent: {kubernetesAttributes: false}"
	_, err = renderText(t, anonymous)
	require.ErrorContains(t, err, "networkPolicy.backend.podSelector")
	_, err = renderText(t, anonymous, agentOnly)
	require.NoError(t, err)
	_, err = renderText(t, "networkPolicy: {enabled: false}")
	require.NoError(t, err)
}

// A selector of no namespaces is none that Kubernetes takes.
func TestNobodyMaySend(t *testing.T) {
	t.Parallel()
	all := render(t, required, "networkPolicy: {trainingNamespaces: [], monitoringNamespaces: []}")
	assert.Empty(t, get[*networking.NetworkPolicy](t, all, "NetworkPolicy/"+release+"-agent").Spec.Ingress)
	assert.Len(t, get[*networking.NetworkPolicy](t, all, "NetworkPolicy/"+release+"-gateway").Spec.Ingress, 1, "from agents")
}

func TestHostNamesForCilium(t *testing.T) {
	t.Parallel()
	all := render(t, required, hostNames)
	egress := get[*ciliumNetworkPolicy](t, all, "CiliumNetworkPolicy/"+release+"-agent").Spec.Egress
	require.Len(t, egress, 3)
	assert.Equal(t, []string{"kube-apiserver"}, egress[0].ToEntities)
	assert.Equal(t, "*", egress[1].ToPorts[0].Rules.DNS[0].MatchPattern)
	assert.Equal(t, "api.energy-charts.info", egress[2].ToFQDNs[0].MatchName)
	assert.Equal(t, "443", egress[2].ToPorts[0].Ports[0].Port)
	plain := get[*networking.NetworkPolicy](t, all, "NetworkPolicy/"+release+"-agent")
	assert.Len(t, plain.Spec.Egress, 2, "DNS and gateways")
}
