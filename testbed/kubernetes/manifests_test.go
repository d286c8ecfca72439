// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what is made from the chart anew")

// manifests are rendered for those who do not use Helm.
var manifests = map[string]struct {
	release string
	only    string // the kind that is kept, or kind and name; all if empty
	values  []string
}{
	"agent.yaml":              {release: release, values: []string{required, agentOnly}},
	"agent-attribution.yaml":  {release: release, values: []string{required, agentOnly, everySwitch}},
	"agent-canary.yaml":       {release: release, only: "DaemonSet/carbon-agent-canary", values: []string{required, canary}},
	"gateway-canary.yaml":     {release: release, only: "Deployment/carbon-gateway-canary", values: []string{required, canary}},
	"gateway.yaml":            {release: release, values: []string{required, "agent: {enabled: false}"}},
	"servicemonitors.yaml":    {release: release, only: "ServiceMonitor", values: []string{required, "serviceMonitor: {enabled: true}"}},
	"networkpolicy-fqdn.yaml": {release: release, only: "CiliumNetworkPolicy", values: []string{required, hostNames}},
	"certificates.yaml":       {release: release, only: "Certificate", values: []string{required, certManager}},
}

const (
	everySwitch = "agent: {attribution: {hostPID: true, podResources: true, environment: true, powercap: true}}"
	agentOnly   = "{gateway: {enabled: false}, agent: {gateway: \"carbon-gateway-headless.otelcol-carbon.svc:4317\"}}"
	canary      = "canary: {enabled: true}"
	hostNames   = "networkPolicy: {cilium: {enabled: true, providerHosts: [api.energy-charts.info]}}"
	certManager = "tls: {certManager: {enabled: true, issuerRef: {kind: ClusterIssuer, name: internal}}}"
)

// The manifests are what the chart renders today. After a change of the chart: go generate ./testbed/kubernetes
func TestManifests(t *testing.T) {
	t.Parallel()
	for name, m := range manifests {
		text, err := renderAs(t, m.release, m.values...)
		require.NoError(t, err)
		fresh(t, filepath.Join("manifests", name), ofKind(t, text, m.only))
	}
	there, err := filepath.Glob(filepath.Join(folder, "manifests", "*"))
	require.NoError(t, err)
	assert.Len(t, there, len(manifests), "a file that nothing renders")
}

// fresh compares a file with what it should be, or writes it with -update.
func fresh(tb testing.TB, name, text string) {
	tb.Helper()
	text = "# Copyright The otelcol-carbon Authors\n# SPDX-License-Identifier: Apache-2.0\n\n" +
		"# Made from ../chart by go generate ./testbed/kubernetes. 192.0.2.10 stands for the address of your Kubernetes API.\n" + text
	file := filepath.Join(folder, name)
	if *update {
		require.NoError(tb, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(tb, os.WriteFile(file, []byte(text), 0o644))
	}
	content, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(tb, err)
	}
	assert.Equal(tb, text, string(content), "%s is stale: go generate ./testbed/kubernetes", file)
	if !strings.HasPrefix(name, "official-chart") {
		assert.NotEmpty(tb, decode(tb, string(content)), name)
	}
}
