// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbac "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// The program itself, with a kubeconfig, in the ways in which it ends at once.
func TestProgram(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "rollout")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../deploy/rollout").CombinedOutput()
	require.NoError(t, err, string(out))
	w := newWorld(t, 20)
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: elsewhere,
clusters: [{name: c, cluster: {server: %q}}, {name: e, cluster: {server: "http://192.0.2.1:1"}}],
contexts: [{name: here, context: {cluster: c}}, {name: elsewhere, context: {cluster: e}}]}`, w.kubernetes.server.URL), 0o600))
	run := func(args ...string) (code int, output string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return exit.ExitCode(), string(out)
		}
		require.NoError(t, err)
		return 0, string(out)
	}
	to := []string{"-part=agent", "-kubeconfig=" + kubeconfig, "-context=here", "-prometheus=" + w.prometheus.server.URL}
	ask := func(command string, more ...string) (int, string) {
		return run(slices.Concat([]string{command}, to, more)...)
	}

	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"run", "-h"}, 0, "usage: rollout run|undo"},
		{[]string{}, 1, `command "": is not known, use run or undo`},
		{[]string{"rollback"}, 1, `command "rollback": is not known`},
		{[]string{"run", "-part=agent", "image"}, 1, `argument "image": is not known`},
		{[]string{"run", "-part=agent"}, 1, "needs -image and -prometheus"},
		{[]string{"undo", "-part=agent", "-dry-run"}, 1, "undo: has no -dry-run"},
		{[]string{"run", "-image=i", "-prometheus=p", "-stages=nowhere.yaml"}, 1, "nowhere.yaml"},
		{[]string{"run", "-image=i", "-prometheus=p", "-kubeconfig=nowhere"}, 1, "kubeconfig: "},
	} {
		code, output := run(c.args...)
		assert.Equal(t, c.code, code, "%v %s", c.args, output)
		assert.Contains(t, output, c.says)
	}

	code, output := ask("run", "-image="+newImage, "-dry-run")
	assert.Zero(t, code, output)
	assertInOrder(t, output, "10 %: 2 of 20 nodes", "watched for 168h0m0s", "100 %: all", "watched for 24h0m0s")
	assert.Empty(t, w.kubernetes.writes)

	stages := filepath.Join(t.TempDir(), "stages.yaml")
	text, err := os.ReadFile("../../deploy/rollout/stages.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(stages, []byte(strings.Replace(string(text), "168h", "1h", 1)), 0o600))
	code, output = ask("run", "-image="+newImage, "-dry-run", "-stages="+stages)
	assert.Zero(t, code, output)
	assert.Contains(t, output, "watched for 1h0m0s")

	w.prometheus.setAway(true)
	code, output = ask("run", "-image="+newImage)
	assert.Equal(t, 1, code)
	assert.Contains(t, output, "rollout: nothing was changed: no rules from prometheus")
	code, output = ask("undo")
	assert.Equal(t, 1, code)
	assert.Contains(t, output, "no rollout is on")

	// A rollback that another program began, and which needs no Prometheus.
	w.kubernetes.edit(func() {
		w.kubernetes.daemonSets["carbon-agent-canary"].Annotations = map[string]string{stageKey: "back"}
		w.kubernetes.nodes["gpu-07"].Labels["carbon/track"] = "canary"
	})
	code, output = ask("run", "-image="+newImage)
	assert.Equal(t, 2, code, output)
	assert.Contains(t, output, "rollout: rolled back: an earlier rollback")
	assert.Empty(t, w.canaries())
}

// rbac.yaml allows what a rollout does, and nothing else.
func TestAccess(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/rollout/rbac.yaml")
	require.NoError(t, err)
	var allowed, asked []string
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var role rbac.ClusterRole // a Role has the same fields
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), &role))
		for _, rule := range role.Rules {
			for _, verb := range rule.Verbs {
				if len(rule.ResourceNames) == 0 {
					allowed = append(allowed, verb+" "+rule.Resources[0])
				}
				for _, name := range rule.ResourceNames {
					allowed = append(allowed, verb+" "+rule.Resources[0]+"/"+name)
				}
			}
		}
	}
	for _, part := range []string{"agent", "gateway"} {
		w := newWorld(t, 4)
		w.quick()
		require.NoError(t, w.rollout(part).Run(t.Context(), newImage))
		require.NoError(t, w.rollout(part).Undo(t.Context()))
		for request := range w.kubernetes.asked {
			asked = append(asked, request)
		}
	}
	assert.ElementsMatch(t, allowed, asked)
}
