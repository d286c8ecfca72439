// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// mapped is what the binary itself adds to the memory of a process, beyond Go's: about 135 MB of mapped file, of which the
// kernel counts what is in use.
const mapped = 150 << 20

func TestResourcesOfTheGateway(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][4]string{
		"values.yaml":             {"500m", "1Gi", "2", "4Gi"},
		"values-minimum.yaml":     {"500m", "1Gi", "2", "4Gi"},
		"values-recommended.yaml": {"2", "4Gi", "2", "4Gi"},
	} {
		pod := deployment(t, values).Spec.Template.Spec
		r := pod.Containers[0].Resources
		for i, q := range []resource.Quantity{r.Requests[core.ResourceCPU], r.Requests[core.ResourceMemory], r.Limits[core.ResourceCPU], r.Limits[core.ResourceMemory]} {
			assert.Zero(t, q.Cmp(resource.MustParse(want[i])), "%s: %s, want %s", values, q.String(), want[i])
		}
		// The autoscaler compares with the request: Go must not let garbage pile up to 80 % of it.
		assert.Less(t, float64(memoryLimit(t, pod)+mapped), 0.8*float64(r.Requests.Memory().Value()), values)
	}
	pod := daemonSet(t)
	assert.Less(t, memoryLimit(t, pod)+mapped/2, pod.Containers[0].Resources.Limits.Memory().Value())
}

func TestScaling(t *testing.T) {
	t.Parallel()
	for values, least := range map[string]int32{"values.yaml": 2, "values-minimum.yaml": 2, "values-recommended.yaml": 3} {
		all := render(t, values, apiServer)
		hpa := get[*autoscaling.HorizontalPodAutoscaler](t, all, "HorizontalPodAutoscaler/"+release+"-gateway").Spec
		assert.Equal(t, least, *hpa.MinReplicas)
		assert.EqualValues(t, 10, hpa.MaxReplicas)
		targets := map[core.ResourceName]int32{}
		for _, m := range hpa.Metrics {
			targets[m.Resource.Name] = *m.Resource.Target.AverageUtilization
		}
		assert.Equal(t, map[core.ResourceName]int32{core.ResourceCPU: 70, core.ResourceMemory: 80}, targets)
		assert.Equal(t, "Deployment", hpa.ScaleTargetRef.Kind)
		assert.Contains(t, all, hpa.ScaleTargetRef.Kind+"/"+hpa.ScaleTargetRef.Name)
		assert.Nil(t, deployment(t, values).Spec.Replicas, "an upgrade would undo the autoscaler")
	}
	fixed := render(t, apiServer, "gateway: {replicas: 3, autoscaling: {enabled: false}}")
	assert.NotContains(t, fixed, "HorizontalPodAutoscaler/"+release+"-gateway")
	assert.EqualValues(t, 3, *deployment(t, "gateway: {replicas: 3, autoscaling: {enabled: false}}").Spec.Replicas)
}

func TestDisruptions(t *testing.T) {
	t.Parallel()
	all := render(t, apiServer)
	d := deployment(t)
	pdb := get[*policy.PodDisruptionBudget](t, all, "PodDisruptionBudget/"+release+"-gateway").Spec
	assert.Equal(t, 1, pdb.MaxUnavailable.IntValue())
	assert.Equal(t, d.Spec.Selector, pdb.Selector)
	assert.Equal(t, 0, d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue())

	keys := map[string]core.UnsatisfiableConstraintAction{}
	for _, c := range d.Spec.Template.Spec.TopologySpreadConstraints {
		keys[c.TopologyKey] = c.WhenUnsatisfiable
		assert.EqualValues(t, 1, c.MaxSkew)
		assert.Equal(t, d.Spec.Selector, c.LabelSelector)
	}
	assert.Equal(t, map[string]core.UnsatisfiableConstraintAction{
		core.LabelHostname: core.DoNotSchedule, core.LabelTopologyZone: core.ScheduleAnyway,
	}, keys)
	grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	preStop := time.Duration(d.Spec.Template.Spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	assert.Greater(t, grace-preStop, 30*time.Second, "a batch in flight takes up to 20 s of retries and 5 s of timeout")
}

func TestServicesFindTheirPods(t *testing.T) {
	t.Parallel()
	all := render(t, apiServer, "serviceMonitor: {enabled: true}")
	for name, spec := range map[string]core.PodSpec{"agent": daemonSet(t), "gateway": deployment(t).Spec.Template.Spec, "gateway-headless": deployment(t).Spec.Template.Spec} {
		service := get[*core.Service](t, all, "Service/"+release+"-"+name).Spec
		assert.Equal(t, part(strings.TrimSuffix(name, "-headless")), service.Selector)
		named := map[string]int32{}
		for _, p := range spec.Containers[0].Ports {
			named[p.Name] = p.ContainerPort
		}
		for _, p := range service.Ports {
			assert.Equal(t, p.Port, named[p.TargetPort.StrVal], "%s %s", name, p.Name)
		}
	}
	assert.Equal(t, core.ClusterIPNone, get[*core.Service](t, all, "Service/"+release+"-gateway-headless").Spec.ClusterIP)
	assert.Equal(t, core.ServiceInternalTrafficPolicyLocal, *get[*core.Service](t, all, "Service/"+release+"-agent").Spec.InternalTrafficPolicy)
}

func TestServiceMonitors(t *testing.T) {
	t.Parallel()
	all := render(t, apiServer, "serviceMonitor: {enabled: true}", certManager)
	for _, name := range []string{"agent", "gateway"} {
		m := get[*monitoring.ServiceMonitor](t, all, "ServiceMonitor/"+release+"-"+name).Spec
		service := get[*core.Service](t, all, "Service/"+release+"-"+name)
		for key, value := range m.Selector.MatchLabels {
			assert.Equal(t, value, service.Labels[key])
		}
		require.Len(t, m.Endpoints, 1)
		e := m.Endpoints[0]
		assert.Equal(t, "metrics", e.Port)
		assert.Equal(t, "https", strings.ToLower(string(*e.Scheme)))
		c := get[*certificate](t, all, "Certificate/"+release+"-"+name).Spec
		assert.Equal(t, c.SecretName, e.TLSConfig.CA.Secret.Name)
		assert.Equal(t, c.SecretName, e.TLSConfig.KeySecret.Name)
		assert.Contains(t, c.DNSNames, *e.TLSConfig.ServerName)
		assert.ElementsMatch(t, []string{"digital signature", "server auth", "client auth"}, c.Usages)
		assert.Less(t, c.RenewBefore.Duration, c.Duration.Duration)
	}
	// The name by which agents call the gateway is in its certificate.
	endpoint := at(t, parse(t, all, "agent"), "exporters", "otlp_grpc")["endpoint"].(string)
	host := strings.TrimSuffix(strings.TrimPrefix(endpoint, "dns:///"), ":4317")
	assert.Contains(t, get[*certificate](t, all, "Certificate/"+release+"-gateway").Spec.DNSNames, host)
	assert.NotContains(t, render(t, apiServer), "ServiceMonitor/"+release+"-agent", "it needs the operator")
}

// Each node has one agent: stable and canary share none out, and miss none.
func TestTracksOfAgents(t *testing.T) {
	t.Parallel()
	for track, operator := range map[string]core.NodeSelectorOperator{"stable": core.NodeSelectorOpNotIn, "canary": core.NodeSelectorOpIn} {
		terms := daemonSet(t, "agent: {track: "+track+"}").Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		require.Len(t, terms, 1)
		assert.Equal(t, []core.NodeSelectorRequirement{{Key: "carbon/track", Operator: operator, Values: []string{"canary"}}}, terms[0].MatchExpressions)
	}
}

func TestValuesThatCannotBe(t *testing.T) {
	t.Parallel()
	for values, message := range map[string]string{
		"agent: {track: beta}":                `agent.track: "beta"`,
		"agent: {gpu: {access: privileged}}":  `agent.gpu.access: "privileged"`,
		"gateway: {exporter: debug}":          `gateway.exporter: "debug"`,
		"tls: {certManager: {enabled: true}}": "tls.certManager.issuerRef",
	} {
		_, err := renderText(t, apiServer, values)
		require.ErrorContains(t, err, message)
	}
}
