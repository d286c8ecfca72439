// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// officialGateway is the service of `helm install carbon-gateway open-telemetry/opentelemetry-collector`; it is headless.
const officialGateway = "agent: {gateway: 'carbon-gateway-opentelemetry-collector.otelcol-carbon.svc:4317'}"

// The values for the official chart say what ours renders, with each switch of attribution.
func TestValuesOfTheOfficialChart(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"values-agent.yaml":             {required, officialGateway},
		"values-agent-attribution.yaml": {required, officialGateway, everySwitch},
	} {
		all := render(t, values...)
		pod := get[*apps.DaemonSet](t, all, "DaemonSet/"+release+"-agent").Spec.Template.Spec
		official := officialValues(t, "daemonset", pod, parse(t, all, "agent"))
		official["clusterRole"] = map[string]any{"create": true, "rules": []any{
			map[string]any{"apiGroups": []string{""}, "resources": []string{"pods"}, "verbs": []string{"get", "list", "watch"}},
		}}
		freshValues(t, name, official)
	}
	pod := deployment(t).Spec.Template.Spec
	official := officialValues(t, "deployment", pod, parse(t, render(t, required), "gateway"))
	official["autoscaling"] = map[string]any{
		"enabled": true, "minReplicas": 2, "maxReplicas": 10, "targetCPUUtilizationPercentage": 70, "targetMemoryUtilizationPercentage": 80,
	}
	official["podDisruptionBudget"] = map[string]any{"enabled": true, "maxUnavailable": 1}
	official["service"] = map[string]any{"clusterIP": "None"} // agents choose a gateway themselves
	freshValues(t, "values-gateway.yaml", official)
}

func officialValues(tb testing.TB, mode string, pod core.PodSpec, config map[string]any) map[string]any {
	tb.Helper()
	var volumes []core.Volume
	for _, v := range pod.Volumes {
		if v.Name != "config" {
			volumes = append(volumes, v)
		}
	}
	c := pod.Containers[0]
	ports := map[string]any{}
	for _, off := range []string{"otlp-http", "jaeger-compact", "jaeger-thrift", "jaeger-grpc", "zipkin"} {
		ports[off] = map[string]any{"enabled": false}
	}
	for name, port := range map[string]int32{"otlp": 4317, "metrics": 9464} {
		ports[name] = map[string]any{"enabled": true, "containerPort": port, "servicePort": port, "hostPort": 0, "protocol": "TCP"}
	}
	// Its probes speak HTTP without TLS, and cannot be left out.
	delete(at(tb, config, "extensions", "health_check"), "tls")
	text, err := yaml.Marshal(config)
	require.NoError(tb, err)
	validate(tb, string(text))
	values := map[string]any{
		"mode":                          mode,
		"image":                         map[string]any{"repository": "ghcr.io/otelcol-carbon/otelcol-carbon", "tag": "0.1.0"},
		"command":                       map[string]any{"name": ""}, // the image's entrypoint
		"alternateConfig":               config,
		"useGOMEMLIMIT":                 false, // ours is chosen for the autoscaler
		"podSecurityContext":            pod.SecurityContext,
		"securityContext":               c.SecurityContext,
		"initContainers":                pod.InitContainers,
		"extraEnvs":                     c.Env,
		"extraVolumes":                  volumes,
		"extraVolumeMounts":             mounts(c),
		"ports":                         ports,
		"resources":                     c.Resources,
		"hostPID":                       pod.HostPID,
		"nodeSelector":                  pod.NodeSelector,
		"tolerations":                   pod.Tolerations,
		"priorityClassName":             pod.PriorityClassName,
		"terminationGracePeriodSeconds": *pod.TerminationGracePeriodSeconds,
		"serviceAccount":                map[string]any{"create": true, "automountServiceAccountToken": *pod.AutomountServiceAccountToken},
	}
	if pod.RuntimeClassName != nil {
		values["runtimeClassName"] = *pod.RuntimeClassName
	}
	if len(pod.TopologySpreadConstraints) > 0 {
		constraints := pod.TopologySpreadConstraints
		for i := range constraints {
			constraints[i].LabelSelector.MatchLabels = map[string]string{
				"app.kubernetes.io/name": "opentelemetry-collector", "app.kubernetes.io/instance": release + "-gateway",
			}
		}
		values["topologySpreadConstraints"] = constraints
	}
	if c.Lifecycle != nil {
		values["lifecycleHooks"] = c.Lifecycle
	}
	return values
}

func freshValues(tb testing.TB, name string, values map[string]any) {
	tb.Helper()
	text, err := yaml.Marshal(values)
	require.NoError(tb, err)
	fresh(tb, "official-chart/"+name, string(text))
}
