// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const binary = "../../bin/otelcol-carbon"

// profiles are what the chart can be set to, as far as it changes a collector config.
var profiles = map[string][]string{
	"defaults":     {required},
	"minimum":      {required, "values-minimum.yaml"},
	"recommended":  {required, "values-recommended.yaml"},
	"every switch": {required, everySwitch},
	"hostPID only": {required, "agent: {attribution: {hostPID: true}}"},
	"no state":     {required, "agent: {state: {hostPath: ''}, kubernetesAttributes: false}"},
	"live grid":    {required, "carbon: {zone: DE, providers: [{type: energycharts}, {type: static}]}"},
	"tokens":       {required, tokens},
	"another wait": {required, "gateway: {backend: {timeout: 10s, retry_on_failure: {max_elapsed_time: 40s}, sending_queue: {num_consumers: 4}}}"},
	"remote write": {required, "gateway: {exporter: prometheus_remote_write, backend: {endpoint: 'https://mimir.observability.svc:8080/api/v1/push'}}"},
}

func TestTheBinaryAcceptsEachConfig(t *testing.T) {
	t.Parallel()
	for name, values := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, values...)
			for _, part := range []string{"agent", "gateway"} {
				validate(t, get[*core.ConfigMap](t, all, "ConfigMap/"+release+"-"+part).Data["config.yaml"])
			}
		})
	}
}

// validate has the binary check a config, with folders of the test for those of the container.
func validate(tb testing.TB, configs ...string) {
	tb.Helper()
	output, err := validation(tb, configs...)
	require.NoError(tb, err, "%s\n%s", output, configs)
}

func validation(tb testing.TB, configs ...string) (string, error) {
	tb.Helper()
	arguments := []string{"validate"}
	for _, config := range configs {
		arguments = append(arguments, "--config=yaml:"+strings.NewReplacer("/state", tb.TempDir(), "/hostfs", "/").Replace(config))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, binary, arguments...)
	c.Dir = filepath.Dir(".")
	c.Env = []string{"NODE_NAME=node-1", "POD_IP=10.0.0.1"}
	output, err := c.CombinedOutput()
	return string(output), err
}

func TestTheBinaryRefusesAnotherConfig(t *testing.T) {
	t.Parallel()
	config := get[*core.ConfigMap](t, render(t, required), "ConfigMap/"+release+"-agent").Data["config.yaml"]
	output, err := validation(t, config+"\nunknown: {}\n")
	require.Error(t, err)
	assert.Contains(t, output, "unknown")
}

// Every listener is on loopback, or speaks TLS 1.3 only; OTLP and metrics ask for a certificate, health does not.
func TestListenersAndClientsUseTLS(t *testing.T) {
	t.Parallel()
	for name, values := range profiles {
		all := render(t, values...)
		for _, part := range []string{"agent", "gateway"} {
			config := parse(t, all, part)
			otlp := at(t, config, "receivers", "otlp", "protocols", "grpc")
			metrics := at(t, config, "exporters", "prometheus")
			health := at(t, config, "extensions", "health_check")
			for _, listener := range []map[string]any{otlp, metrics, health} {
				assert.Contains(t, listener["endpoint"], "${env:POD_IP}:", name)
				assert.Equal(t, "1.3", at(t, listener, "tls")["min_version"], name)
			}
			assert.Equal(t, "/tls/ca.crt", at(t, otlp, "tls")["client_ca_file"])
			assert.Equal(t, "/tls/ca.crt", at(t, metrics, "tls")["client_ca_file"])
			assert.NotContains(t, at(t, health, "tls"), "client_ca_file")
			assert.Equal(t, []string{"health_check"}, slices.DeleteFunc(slices.Sorted(maps.Keys(at(t, config, "extensions"))),
				func(e string) bool {
					return slices.Contains([]string{"file_storage", "gridintensity", "oidc", "bearertokenauth"}, e) // listen nowhere
				}), "no pprof, no zpages")
			assert.Equal(t, []string{"grpc"}, slices.Sorted(maps.Keys(at(t, config, "receivers", "otlp", "protocols"))))
		}
		client := at(t, parse(t, all, "agent"), "exporters", "otlp_grpc", "tls")
		assert.Equal(t, "1.3", client["min_version"])
		assert.Equal(t, "/tls/tls.crt", client["cert_file"])
		assert.NotContains(t, client, "insecure")
		assert.NotContains(t, client, "insecure_skip_verify")
	}
}

func TestQueuesAreOnTheNode(t *testing.T) {
	t.Parallel()
	for name, values := range profiles {
		all := render(t, values...)
		agent := parse(t, all, "agent")
		queue := at(t, agent, "exporters", "otlp_grpc", "sending_queue")
		assert.Equal(t, "file_storage", queue["storage"], name)
		assert.Equal(t, "0s", at(t, agent, "exporters", "otlp_grpc", "retry_on_failure")["max_elapsed_time"])
		for _, stateful := range [][]string{{"receivers", "nvmlenergy"}, {"processors", "carbonintensity"}, {"extensions", "gridintensity"}} {
			assert.Equal(t, "file_storage", at(t, agent, stateful...)["storage"], stateful)
		}
		gateway := parse(t, all, "gateway")
		if otlp, ok := at(t, gateway, "exporters")["otlp_http"]; ok {
			assert.Equal(t, true, otlp.(map[string]any)["sending_queue"].(map[string]any)["wait_for_result"])
		} else {
			assert.Equal(t, false, at(t, gateway, "exporters", "prometheus_remote_write", "remote_write_queue")["enabled"])
		}
		assert.NotContains(t, at(t, gateway, "processors"), "batch", "it would answer before the backend has")
		assert.Equal(t, "5m", at(t, gateway, "receivers", "otlp", "protocols", "grpc", "keepalive", "server_parameters")["max_connection_age"])
	}
}

func TestPodsAreFoundByUIDOnly(t *testing.T) {
	t.Parallel()
	association := at(t, parse(t, render(t, required), "agent"), "processors", "k8s_attributes")["pod_association"]
	assert.Equal(t, []any{map[string]any{"sources": []any{map[string]any{"from": "resource_attribute", "name": "k8s.pod.uid"}}}}, association)
}

func parse(tb testing.TB, all objects, part string) map[string]any {
	tb.Helper()
	var config map[string]any
	require.NoError(tb, yaml.UnmarshalStrict([]byte(get[*core.ConfigMap](tb, all, "ConfigMap/"+release+"-"+part).Data["config.yaml"]), &config))
	return config
}

func at(tb testing.TB, config map[string]any, keys ...string) map[string]any {
	tb.Helper()
	for _, key := range keys {
		inner, ok := config[key].(map[string]any)
		require.True(tb, ok, "no %s in %v", key, config)
		config = inner
	}
	return config
}

// What is given beside a config goes with it, to the binary too.
func TestConfigsTakeMore(t *testing.T) {
	t.Parallel()
	for part, pod := range map[string]func(values ...string) core.PodSpec{
		"agent":   func(values ...string) core.PodSpec { return daemonSet(t, values...) },
		"gateway": func(values ...string) core.PodSpec { return deployment(t, values...).Spec.Template.Spec },
	} {
		logs, err := os.ReadFile("../../deploy/logs/" + part + ".yaml")
		require.NoError(t, err)
		more := part + ":\n  config:\n" + regexp.MustCompile("(?m)^").ReplaceAllString(string(logs), "    ")
		assert.Equal(t, []string{"--config=/config/config.yaml"}, pod(required).Containers[0].Args)
		assert.Equal(t, []string{"--config=/config/config.yaml", "--config=/config/more.yaml"}, pod(required, more).Containers[0].Args)
		given := get[*core.ConfigMap](t, render(t, required, more), "ConfigMap/"+release+"-"+part).Data
		assert.YAMLEq(t, string(logs), given["more.yaml"])
		validate(t, given["config.yaml"], given["more.yaml"])
	}
}
