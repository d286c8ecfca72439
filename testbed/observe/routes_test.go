// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// amtool is Alertmanager's own. It is not in go.mod, where it would bring a dozen modules.
	amtool = "github.com/prometheus/alertmanager/cmd/amtool@v0.33.1"
	routes = "../../deploy/alertmanager/alertmanager.yaml"
)

// Alertmanager itself says who hears of what.
func TestEachAlertFindsItsReceiver(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "amtool")
	install := exec.CommandContext(t.Context(), "go", "install", amtool)
	install.Env = append(install.Environ(), "GOBIN="+filepath.Dir(program))
	output, err := install.CombinedOutput()
	require.NoError(t, err, "%s", output)
	output, err = exec.CommandContext(t.Context(), program, "check-config", routes).CombinedOutput()
	require.NoError(t, err, "%s", output)

	receivers := map[string]string{"critical": "pager", "warning": "chat", "none": "nobody"}
	seen := map[string]bool{}
	for _, rule := range allRules(t) {
		if rule.Alert == "" {
			continue
		}
		want := receivers[rule.Labels["severity"]]
		if rule.Labels["category"] == "security" {
			want = "security,pager"
		}
		seen[want] = true
		arguments := []string{"config", "routes", "test", "--config.file=" + routes, "--verify.receivers=" + want, "alertname=" + rule.Alert, "job=carbon-agent"}
		for name, value := range rule.Labels {
			arguments = append(arguments, name+"="+value)
		}
		output, err := exec.CommandContext(t.Context(), program, arguments...).CombinedOutput()
		assert.NoError(t, err, "%s: %s", rule.Alert, output) //nolint:testifylint // all of them
	}
	assert.Equal(t, map[string]bool{"pager": true, "chat": true, "nobody": true, "security,pager": true}, seen)
}
