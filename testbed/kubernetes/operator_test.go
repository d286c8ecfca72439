// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// openTelemetryCollector has the fields that we use of opentelemetry.io/v1beta1 OpenTelemetryCollector:
// apis/v1beta1/common.go and opentelemetrycollector_types.go of open-telemetry/opentelemetry-operator 0.158.0. It has none for
// runtimeClassName, and its probes speak HTTP without TLS.
type openTelemetryCollector struct {
	meta.TypeMeta `json:",inline"`
	Metadata      struct {
		Name string `json:"name"`
	} `json:"metadata"`

	Spec collectorSpec `json:"spec"`
}

type collectorSpec struct {
	Mode                      string                          `json:"mode"`
	Image                     string                          `json:"image"`
	UpgradeStrategy           string                          `json:"upgradeStrategy"`
	ServiceAccount            string                          `json:"serviceAccount,omitempty"`
	HostPID                   bool                            `json:"hostPID,omitempty"`
	PodAnnotations            map[string]string               `json:"podAnnotations,omitempty"`
	PodSecurityContext        *core.PodSecurityContext        `json:"podSecurityContext"`
	SecurityContext           *core.SecurityContext           `json:"securityContext"`
	InitContainers            []core.Container                `json:"initContainers,omitempty"`
	Env                       []core.EnvVar                   `json:"env"`
	Resources                 core.ResourceRequirements       `json:"resources"`
	VolumeMounts              []core.VolumeMount              `json:"volumeMounts"`
	Volumes                   []core.Volume                   `json:"volumes"`
	NodeSelector              map[string]string               `json:"nodeSelector,omitempty"`
	Tolerations               []core.Toleration               `json:"tolerations,omitempty"`
	Affinity                  *core.Affinity                  `json:"affinity,omitempty"`
	PriorityClassName         string                          `json:"priorityClassName,omitempty"`
	Lifecycle                 *core.Lifecycle                 `json:"lifecycle,omitempty"`
	TerminationGracePeriod    *int64                          `json:"terminationGracePeriodSeconds,omitempty"`
	TopologySpreadConstraints []core.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	Autoscaler                *collectorAutoscaler            `json:"autoscaler,omitempty"`
	PodDisruptionBudget       *collectorDisruptionBudget      `json:"podDisruptionBudget,omitempty"`
	Config                    map[string]any                  `json:"config"`
}

type collectorAutoscaler struct {
	MinReplicas             int `json:"minReplicas"`
	MaxReplicas             int `json:"maxReplicas"`
	TargetCPUUtilization    int `json:"targetCPUUtilization"`
	TargetMemoryUtilization int `json:"targetMemoryUtilization"`
}

type collectorDisruptionBudget struct {
	MaxUnavailable intstr.IntOrString `json:"maxUnavailable"`
}

const (
	cdi             = "agent: {gpu: {access: cdi}}"
	operatorGateway = "agent: {gateway: 'carbon-gateway-collector-headless.otelcol-carbon.svc:4317'}"
)

// The resources of the operator are what the chart renders, as far as the operator can say it.
func TestOperatorResources(t *testing.T) {
	t.Parallel()
	text, err := renderText(t, required)
	require.NoError(t, err)
	access := ofKind(t, text, "ServiceAccount") + ofKind(t, text, "ClusterRole") + ofKind(t, text, "ClusterRoleBinding")
	for name, values := range map[string][]string{
		"operator/agent.yaml":             {required, cdi, operatorGateway},
		"operator/agent-attribution.yaml": {required, cdi, operatorGateway, everySwitch},
	} {
		all := render(t, values...)
		set := get[*apps.DaemonSet](t, all, "DaemonSet/"+release+"-agent").Spec.Template
		spec := operatorSpec(t, "daemonset", set.Spec, parse(t, all, "agent"))
		spec.ServiceAccount = set.Spec.ServiceAccountName
		spec.PodAnnotations = map[string]string{"cdi.k8s.io/otelcol-carbon": set.Annotations["cdi.k8s.io/otelcol-carbon"]}
		fresh(t, name, access+"---\n"+operatorYAML(t, "agent", spec))
	}

	pod := deployment(t).Spec.Template.Spec
	spec := operatorSpec(t, "deployment", pod, parse(t, render(t, required), "gateway"))
	spec.Autoscaler = &collectorAutoscaler{MinReplicas: 2, MaxReplicas: 10, TargetCPUUtilization: 70, TargetMemoryUtilization: 80}
	spec.PodDisruptionBudget = &collectorDisruptionBudget{MaxUnavailable: intstr.FromInt32(1)}
	for i := range spec.TopologySpreadConstraints {
		spec.TopologySpreadConstraints[i].LabelSelector = &meta.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/instance": namespace + "." + release + "-gateway"}}
	}
	fresh(t, "operator/gateway.yaml", "---\n"+operatorYAML(t, "gateway", spec))
}

func operatorSpec(tb testing.TB, mode string, pod core.PodSpec, config map[string]any) collectorSpec {
	tb.Helper()
	assert.Nil(tb, pod.RuntimeClassName)
	var volumes []core.Volume
	for _, v := range pod.Volumes {
		if v.Name != "config" { // the operator's own
			volumes = append(volumes, v)
		}
	}
	// The operator would probe it without TLS.
	delete(at(tb, config, "extensions"), "health_check")
	at(tb, config, "service")["extensions"] = without(at(tb, config, "service")["extensions"], "health_check")
	c := pod.Containers[0]
	return collectorSpec{
		Mode: mode, Image: c.Image, UpgradeStrategy: "none", HostPID: pod.HostPID,
		PodSecurityContext: pod.SecurityContext, SecurityContext: c.SecurityContext, InitContainers: pod.InitContainers,
		Env: c.Env, Resources: c.Resources, VolumeMounts: mounts(c), Volumes: volumes, NodeSelector: pod.NodeSelector,
		Tolerations: pod.Tolerations, Affinity: pod.Affinity, PriorityClassName: pod.PriorityClassName, Lifecycle: c.Lifecycle,
		TerminationGracePeriod: pod.TerminationGracePeriodSeconds, TopologySpreadConstraints: pod.TopologySpreadConstraints, Config: config,
	}
}

func operatorYAML(tb testing.TB, part string, spec collectorSpec) string {
	tb.Helper()
	object := openTelemetryCollector{TypeMeta: meta.TypeMeta{APIVersion: "opentelemetry.io/v1beta1", Kind: "OpenTelemetryCollector"}, Spec: spec}
	object.Metadata.Name = release + "-" + part
	text, err := yaml.Marshal(object)
	require.NoError(tb, err)
	config, err := yaml.Marshal(spec.Config)
	require.NoError(tb, err)
	validate(tb, string(config))
	return string(text)
}

// mounts leaves out the folder of the config, which others mount themselves.
func mounts(c core.Container) []core.VolumeMount {
	var all []core.VolumeMount
	for _, m := range c.VolumeMounts {
		if m.Name != "config" {
			all = append(all, m)
		}
	}
	return all
}

func without(list any, name string) []any {
	kept := []any{}
	for _, e := range list.([]any) {
		if e != name {
			kept = append(kept, e)
		}
	}
	return kept
}
