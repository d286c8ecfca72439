// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/strvals"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
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
		assert.Less(t, 0.8*float64(r.Requests.Memory().Value()), memoryLimiter(t, "gateway", pod, values)+mapped,
			"%s: it adds replicas before data is refused", values)
	}
	pod := daemonSet(t)
	assert.Less(t, memoryLimit(t, pod)+mapped/2, pod.Containers[0].Resources.Limits.Memory().Value())
	memoryLimiter(t, "agent", pod)
}

// memoryLimiter is from how many bytes on data is refused: beyond what garbage alone can be, and within what the kernel grants.
func memoryLimiter(t *testing.T, part string, pod core.PodSpec, values ...string) (refuses float64) {
	t.Helper()
	config := at(t, parse(t, render(t, append(values, required)...), part), "processors", "memory_limiter")
	limit := float64(pod.Containers[0].Resources.Limits.Memory().Value())
	hard := limit / 100 * config["limit_percentage"].(float64)
	refuses = hard - limit/100*config["spike_limit_percentage"].(float64)
	assert.Less(t, float64(memoryLimit(t, pod)), refuses, part)
	assert.Less(t, hard+mapped/2, limit, part)
	return refuses
}

func TestScaling(t *testing.T) {
	t.Parallel()
	for values, least := range map[string]int32{"values.yaml": 2, "values-minimum.yaml": 2, "values-recommended.yaml": 3} {
		all := render(t, values, required)
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
	fixed := render(t, required, "gateway: {replicas: 3, autoscaling: {enabled: false}}")
	assert.NotContains(t, fixed, "HorizontalPodAutoscaler/"+release+"-gateway")
	assert.EqualValues(t, 3, *deployment(t, "gateway: {replicas: 3, autoscaling: {enabled: false}}").Spec.Replicas)
}

func TestDisruptions(t *testing.T) {
	t.Parallel()
	all := render(t, required)
	d := deployment(t)
	pdb := get[*policy.PodDisruptionBudget](t, all, "PodDisruptionBudget/"+release+"-gateway").Spec
	assert.Equal(t, 1, pdb.MaxUnavailable.IntValue())
	assert.Equal(t, part("gateway"), pdb.Selector.MatchLabels, "canaries count")
	assert.Equal(t, 0, d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue())

	keys := map[string]core.UnsatisfiableConstraintAction{}
	for _, c := range d.Spec.Template.Spec.TopologySpreadConstraints {
		keys[c.TopologyKey] = c.WhenUnsatisfiable
		assert.EqualValues(t, 1, c.MaxSkew)
		assert.Equal(t, core.NodeInclusionPolicyHonor, *c.NodeTaintsPolicy, "where none may be, none is missing")
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
	all := render(t, required, "serviceMonitor: {enabled: true}")
	for name, spec := range map[string]core.PodSpec{"agent": daemonSet(t), "gateway": deployment(t).Spec.Template.Spec, "gateway-headless": deployment(t).Spec.Template.Spec} {
		service := get[*core.Service](t, all, "Service/"+release+"-"+name).Spec
		assert.Equal(t, part(strings.TrimSuffix(name, "-headless")), service.Selector, "pods of both tracks")
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
	all := render(t, required, "serviceMonitor: {enabled: true}", certManager)
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
		require.Len(t, e.RelabelConfigs, 1)
		assert.Equal(t, "job", e.RelabelConfigs[0].TargetLabel)
		assert.Equal(t, release+"-"+name+"-canary", *e.RelabelConfigs[0].Replacement)
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
	assert.NotContains(t, render(t, required), "ServiceMonitor/"+release+"-agent", "it needs the operator")
}

// Each node has one agent: stable and canary share none out, and miss none.
func TestTracksOfAgents(t *testing.T) {
	t.Parallel()
	both := render(t, required, canary)
	require.Equal(t, render(t, required)["DaemonSet/"+release+"-agent"], both["DaemonSet/"+release+"-agent"], "to turn canaries on restarts nobody")
	templates := map[string]core.PodTemplateSpec{}
	for track, operator := range map[string]core.NodeSelectorOperator{"": core.NodeSelectorOpNotIn, "-canary": core.NodeSelectorOpIn} {
		set := get[*apps.DaemonSet](t, both, "DaemonSet/"+release+"-agent"+track).Spec
		terms := set.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		require.Len(t, terms, 1)
		assert.Equal(t, []core.NodeSelectorRequirement{{Key: "carbon/track", Operator: operator, Values: []string{"canary"}}}, terms[0].MatchExpressions)
		// While a node changes sides, its folder has one owner.
		apart := set.Template.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		require.Len(t, apart, 1)
		assert.Equal(t, core.LabelHostname, apart[0].TopologyKey)
		assert.Equal(t, part("agent"), apart[0].LabelSelector.MatchLabels)
		set.Template.Spec.Affinity = nil
		templates[track] = set.Template
	}
	assertTracks(t, templates)
}

// Canaries of gateways begin with none, and are found by all that finds gateways.
func TestTracksOfGateways(t *testing.T) {
	t.Parallel()
	both := render(t, required, canary)
	stable := get[*apps.Deployment](t, both, "Deployment/"+release+"-gateway").Spec
	canaries := get[*apps.Deployment](t, both, "Deployment/"+release+"-gateway-canary").Spec
	assert.Zero(t, *canaries.Replicas)
	require.Equal(t, deployment(t).Spec, stable, "to turn canaries on restarts nobody")
	for _, d := range []*apps.DeploymentSpec{&stable, &canaries} {
		for i := range d.Template.Spec.TopologySpreadConstraints {
			assert.Equal(t, d.Selector, d.Template.Spec.TopologySpreadConstraints[i].LabelSelector)
			d.Template.Spec.TopologySpreadConstraints[i].LabelSelector = nil
		}
	}
	assertTracks(t, map[string]core.PodTemplateSpec{"": stable.Template, "-canary": canaries.Template})
	assert.NotEqual(t, stable.Selector, canaries.Selector)
}

// Helm that is told of a version which was rolled out changes no pod.
func TestToTellHelmOfAVersionRestartsNobody(t *testing.T) {
	t.Parallel()
	at := func(version string) (core.PodTemplateSpec, core.PodTemplateSpec) {
		all := render(t, required, "image: {tag: "+version+"}")
		agents := get[*apps.DaemonSet](t, all, "DaemonSet/"+release+"-agent").Spec.Template
		gateways := get[*apps.Deployment](t, all, "Deployment/"+release+"-gateway").Spec.Template
		agents.Spec.Containers[0].Image, gateways.Spec.Containers[0].Image = "", "" // the workloads have it already
		return agents, gateways
	}
	agents, gateways := at("0.1.0")
	newAgents, newGateways := at("0.2.0")
	assert.Equal(t, agents, newAgents)
	assert.Equal(t, gateways, newGateways)
	assert.NotEqual(t, agents.Annotations, get[*apps.DaemonSet](t, render(t, required, "carbon: {zone: DE}"), "DaemonSet/"+release+"-agent").Spec.Template.Annotations,
		"another config does")
}

// What Helm sends to upgrade a Deployment that is Argo's template leaves it without pods.
func TestHelmStartsNoPodsBesideArgo(t *testing.T) {
	t.Parallel()
	rollout, err := os.ReadFile("../../docs/rollout.md")
	require.NoError(t, err)
	values := map[string]any{}
	set := regexp.MustCompile("--set (gateway\\S+) --set (gateway\\S+)`, and so with each later upgrade").FindSubmatch(rollout)
	require.Len(t, set, 3)
	for _, v := range set[1:] {
		require.NoError(t, strvals.ParseInto(string(v), values))
	}
	text, err := yaml.Marshal(values)
	require.NoError(t, err)
	var versions [2][]byte
	for i, tag := range []string{"0.1.0", "0.2.0"} {
		d := deployment(t, string(text), "image: {tag: "+tag+"}")
		versions[i], err = json.Marshal(d)
		require.NoError(t, err)
		assert.Zero(t, *d.Spec.Replicas)
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(apps.Deployment{})
	require.NoError(t, err)
	patch, err := strategicpatch.CreateThreeWayMergePatch(versions[0], versions[1], versions[0], meta, true)
	require.NoError(t, err)
	assert.Contains(t, string(patch), "0.2.0")
	assert.NotContains(t, string(patch), "replicas")
}

// The rules know jobs and pods by the beginning of their names.
func TestNamesBeginAlike(t *testing.T) {
	t.Parallel()
	for of, want := range map[string]string{"carbon": "carbon", "carbon-eu": "carbon-eu", "energy": "carbon-energy", "carbonara": "carbon-carbonara"} {
		text, err := renderAs(t, of, required, "serviceMonitor: {enabled: true, labels: {release: kube-prometheus-stack}}")
		require.NoError(t, err)
		all := decode(t, text)
		assert.Contains(t, all, "DaemonSet/"+want+"-agent")
		assert.Contains(t, all, "Service/"+want+"-gateway")
		assert.Equal(t, "kube-prometheus-stack", all["ServiceMonitor/"+want+"-agent"].(*monitoring.ServiceMonitor).Labels["release"])
	}
}

// assertTracks says that two templates differ in the label only, which services and policies do not ask for.
func assertTracks(t *testing.T, templates map[string]core.PodTemplateSpec) {
	t.Helper()
	for track, label := range map[string]string{"": "stable", "-canary": "canary"} {
		assert.Equal(t, label, templates[track].Labels["carbon/track"])
		delete(templates[track].Labels, "carbon/track")
	}
	assert.Equal(t, templates[""], templates["-canary"])
}

func TestValuesThatCannotBe(t *testing.T) {
	t.Parallel()
	for values, message := range map[string]string{
		"agent: {gpu: {access: privileged}}":  `agent.gpu.access: "privileged"`,
		"agent: {gpu: {access: ''}}":          `agent.gpu.access: ""`,
		"gateway: {exporter: debug}":          `gateway.exporter: "debug"`,
		"tls: {certManager: {enabled: true}}": "tls.certManager.issuerRef",
		"gateway: {enabled: false}":           "agent.gateway: must be host:port",
		"carbon: {zone: NO}":                  "carbon.zone: false is no string",
	} {
		_, err := renderText(t, required, values)
		require.ErrorContains(t, err, message)
	}
}
