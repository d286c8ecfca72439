// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/strvals"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// What README.md tells to install delivers: the gateway may reach the backend that it is told of, and each release has
// certificates of its own.
func TestWhatTheReadmeInstalls(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(folder + "/README.md")
	require.NoError(t, err)
	commands := regexp.MustCompile(`(?m)^ *helm install (\S+) (.*\\\n)*.*$`).FindAllStringSubmatch(string(readme), -1)
	require.Len(t, commands, 2)
	secrets := map[string]string{}
	for _, command := range commands {
		values := []string{required}
		if strings.Contains(command[0], "values-minimum.yaml") {
			values = []string{"values-minimum.yaml"}
		}
		values = append(values, certManager)
		for _, set := range regexp.MustCompile(`--set(-json)? ('[^']*'|\S+)`).FindAllStringSubmatch(command[0], -1) {
			into := map[string]any{}
			parse := strvals.ParseInto
			if set[1] != "" {
				parse = strvals.ParseJSON
			}
			require.NoError(t, parse(strings.Trim(set[2], "'"), into), set[2])
			text, err := yaml.Marshal(into)
			require.NoError(t, err)
			values = append(values, string(text))
		}
		text, err := renderAs(t, command[1], values...)
		require.NoError(t, err)
		all := decode(t, text)
		var policies []*networking.NetworkPolicy
		for key, object := range all {
			switch o := object.(type) {
			case *networking.NetworkPolicy:
				o.Namespace = namespace
				policies = append(policies, o)
			case *certificate:
				assert.NotContains(t, secrets, o.Spec.SecretName, "of %s and %s", key, secrets[o.Spec.SecretName])
				secrets[o.Spec.SecretName] = key
			}
		}
		config, ok := all["ConfigMap/"+command[1]+"-gateway"].(*core.ConfigMap)
		if !ok {
			continue
		}
		endpoint, err := url.Parse(regexp.MustCompile(`endpoint: (https?://\S+)`).FindStringSubmatch(config.Data["config.yaml"])[1])
		require.NoError(t, err)
		service := strings.Split(endpoint.Hostname(), ".")
		port, err := strconv.ParseInt(endpoint.Port(), 10, 32)
		require.NoError(t, err)
		to := peer{namespace: service[1], labels: map[string]string{"app.kubernetes.io/name": service[0]}}
		assert.True(t, allowed(t, policies, gateway, to, core.ProtocolTCP, int32(port)), "from the gateway to %s", endpoint)
	}
	assert.Len(t, secrets, 3)
}
