// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const (
	folder    = "../../deploy/kubernetes"
	release   = "carbon"
	namespace = "otelcol-carbon"
	// required is what the chart has no default for. The address is one of RFC 5737, for documentation.
	required = "networkPolicy: {apiServer: {cidrs: [192.0.2.10/32]}, backend: {podSelector: {app.kubernetes.io/name: backend}}}"
)

// render renders the chart with values, later ones over earlier ones, each a YAML text or the name of a file of the chart.
func render(tb testing.TB, values ...string) objects {
	tb.Helper()
	text, err := renderText(tb, values...)
	require.NoError(tb, err)
	return decode(tb, text)
}

func renderText(tb testing.TB, values ...string) (string, error) {
	tb.Helper()
	return renderAs(tb, release, values...)
}

// renderAs is one YAML stream, in the order of the templates' names.
func renderAs(tb testing.TB, release string, values ...string) (string, error) {
	tb.Helper()
	c, err := loader.LoadDir(path.Join(folder, "chart"))
	require.NoError(tb, err)
	merged := map[string]any{}
	for _, v := range values {
		if strings.HasSuffix(v, ".yaml") {
			content, err := os.ReadFile(path.Join(folder, "chart", v))
			require.NoError(tb, err)
			v = string(content)
		}
		var parsed map[string]any
		require.NoError(tb, yaml.UnmarshalStrict([]byte(v), &parsed), v)
		known(tb, c, parsed)
		merged = util.MergeTables(parsed, merged)
	}
	all, err := util.ToRenderValues(c, merged, common.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}, common.DefaultCapabilities)
	require.NoError(tb, err)
	e := engine.Engine{Strict: true} // a value that values.yaml lacks fails
	files, err := e.Render(c, all)
	if err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) == ".yaml" && strings.TrimSpace(files[name]) != "" {
			fmt.Fprintf(&b, "---\n%s\n", strings.Trim(files[name], "\n"))
		}
	}
	return b.String(), nil
}

// known fails for a value that the chart does not have: Helm would ignore it.
func known(tb testing.TB, c *chart.Chart, values map[string]any) {
	tb.Helper()
	var walk func(defaults, given map[string]any, at string)
	walk = func(defaults, given map[string]any, at string) {
		for key, value := range given {
			def, ok := defaults[key]
			require.True(tb, ok, "values.yaml has no %s%s", at, key)
			inner, isMap := value.(map[string]any)
			if defMap, ok := def.(map[string]any); ok && isMap && len(defMap) > 0 && !slices.Contains(free, at+key) {
				walk(defMap, inner, at+key+".")
			}
		}
	}
	walk(c.Values, values, "")
}

// free are values whose keys are their user's.
var free = []string{
	"agent.config", "gateway.config", "agent.nodeSelector", "agent.resources", "gateway.resources", "gateway.backend", "networkPolicy.dns.podSelector",
	"networkPolicy.backend.podSelector",
}
