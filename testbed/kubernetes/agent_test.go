// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

const noHostPath = "agent: {state: {hostPath: ''}}"

// daemonSet is the agent's pod.
func daemonSet(tb testing.TB, values ...string) core.PodSpec {
	tb.Helper()
	return get[*apps.DaemonSet](tb, render(tb, append(values, required)...), "DaemonSet/"+release+"-agent").Spec.Template.Spec
}

func deployment(tb testing.TB, values ...string) *apps.Deployment {
	tb.Helper()
	return get[*apps.Deployment](tb, render(tb, append(values, required)...), "Deployment/"+release+"-gateway")
}

// Neither gateway nor agent has a privilege, unless a switch says so.
func TestNoPrivileges(t *testing.T) {
	t.Parallel()
	for name, pod := range map[string]core.PodSpec{"agent": daemonSet(t), "gateway": deployment(t).Spec.Template.Spec} {
		assert.EqualValues(t, 10001, *pod.SecurityContext.RunAsUser, name)
		assert.EqualValues(t, 10001, *pod.SecurityContext.RunAsGroup, name)
		assert.True(t, *pod.SecurityContext.RunAsNonRoot, name)
		assert.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type, name)
		assert.False(t, pod.HostPID || pod.HostNetwork || pod.HostIPC, name)
		require.Len(t, pod.Containers, 1, name)
		c := pod.Containers[0].SecurityContext
		assert.True(t, *c.ReadOnlyRootFilesystem, name)
		assert.False(t, *c.AllowPrivilegeEscalation, name)
		assert.Nil(t, c.Privileged, name)
		assert.Equal(t, []core.Capability{"ALL"}, c.Capabilities.Drop, name)
		assert.Empty(t, c.Capabilities.Add, name)
	}
}

// What the Pod Security Standards say of each pod: https://kubernetes.io/docs/concepts/security/pod-security-standards/
func TestPodSecurityStandards(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		pod   core.PodSpec
		level api.Level // the strictest that lets it in: restricted, or none but privileged
	}{
		"gateway":                      {deployment(t).Spec.Template.Spec, api.LevelRestricted},
		"agent without state":          {daemonSet(t, noHostPath), api.LevelRestricted},
		"agent":                        {daemonSet(t), api.LevelPrivileged},
		"agent, hostPID without state": {daemonSet(t, noHostPath, "agent: {attribution: {hostPID: true}}"), api.LevelPrivileged},
		"agent-attribution":            {daemonSet(t, everySwitch), api.LevelPrivileged},
	} {
		for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(
				api.LevelVersion{Level: level, Version: api.LatestVersion()}, &meta.ObjectMeta{}, &test.pod))
			assert.Equal(t, test.level == api.LevelRestricted, result.Allowed, "%s, %s: %s", name, level, result.ForbiddenDetail())
		}
	}
}

// Each switch adds what README.md says, and nothing else.
func TestSwitchesOfAttribution(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		user         int64
		hostPID      bool
		capabilities []core.Capability
		groups       []int64
		mounts       []string // besides those of an agent without a switch
	}{
		"{}":                   {user: 10001},
		"{hostPID: true}":      {user: 10001, hostPID: true, mounts: []string{"etc/machine-id", "proc", "sys"}},
		"{podResources: true}": {user: 0, mounts: []string{"etc/machine-id", "proc", "var/lib/kubelet/pod-resources"}},
		"{podResources: true, podResourcesGroup: 981}": {user: 10001, groups: []int64{981}, mounts: []string{"etc/machine-id", "proc", "var/lib/kubelet/pod-resources"}},
		"{environment: true}":                          {user: 0, capabilities: []core.Capability{"SYS_PTRACE", "DAC_READ_SEARCH"}, mounts: []string{"etc/machine-id", "proc"}},
		"{powercap: true}":                             {user: 0, mounts: []string{"etc/machine-id", "proc", "sys"}},
		"{powercap: true, powercapGroup: 982}":         {user: 10001, groups: []int64{982}, mounts: []string{"etc/machine-id", "proc", "sys"}},
		"{powercap: true, powercapGroup: 982, podResources: true, podResourcesGroup: 981, hostPID: true}": {
			user: 10001, hostPID: true, groups: []int64{981, 982}, mounts: []string{"etc/machine-id", "proc", "sys", "var/lib/kubelet/pod-resources"},
		},
	} {
		pod := daemonSet(t, noHostPath, "agent: {attribution: "+name+"}")
		assert.Equal(t, test.user, *pod.SecurityContext.RunAsUser, name)
		assert.Equal(t, test.user != 0, *pod.SecurityContext.RunAsNonRoot, name)
		assert.Equal(t, test.hostPID, pod.HostPID, name)
		assert.Equal(t, test.groups, pod.SecurityContext.SupplementalGroups, name)
		c := pod.Containers[0]
		assert.Equal(t, test.capabilities, c.SecurityContext.Capabilities.Add, name)
		assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, name)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, name)
		var mounts []string
		for _, m := range c.VolumeMounts {
			if within, ok := cutHostfs(m.MountPath); ok {
				assert.True(t, m.ReadOnly, "%s: %s", name, m.MountPath)
				mounts = append(mounts, within)
			}
		}
		assert.ElementsMatch(t, test.mounts, mounts, name)
	}
}

func TestTheStateIsOnTheNode(t *testing.T) {
	t.Parallel()
	pod := daemonSet(t)
	require.Len(t, pod.InitContainers, 1)
	init := pod.InitContainers[0]
	assert.Equal(t, []string{"chown", "-R", "10001:10001", "/state"}, init.Command)
	assert.Equal(t, []core.Capability{"ALL"}, init.SecurityContext.Capabilities.Drop)
	assert.Equal(t, []core.Capability{"CHOWN", "DAC_READ_SEARCH"}, init.SecurityContext.Capabilities.Add)
	assert.Equal(t, "/var/lib/otelcol-carbon", volume(t, pod, "state").HostPath.Path)
	assert.NotNil(t, volume(t, daemonSet(t, noHostPath), "state").EmptyDir)
	assert.Empty(t, daemonSet(t, noHostPath).InitContainers)
}

func TestHowTheAgentSeesGPUs(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "nvidia", *daemonSet(t).RuntimeClassName)
	assert.Equal(t, "all", environment(daemonSet(t))["NVIDIA_VISIBLE_DEVICES"])
	assert.Equal(t, "utility", environment(daemonSet(t))["NVIDIA_DRIVER_CAPABILITIES"])
	for access, annotation := range map[string]string{"cdi": "nvidia.com/gpu=all", "none": ""} {
		set := get[*apps.DaemonSet](t, render(t, required, "agent: {gpu: {access: "+access+"}}"), "DaemonSet/"+release+"-agent")
		assert.Nil(t, set.Spec.Template.Spec.RuntimeClassName)
		assert.NotContains(t, environment(set.Spec.Template.Spec), "NVIDIA_VISIBLE_DEVICES")
		assert.Equal(t, annotation, set.Spec.Template.Annotations["cdi.k8s.io/otelcol-carbon"])
	}
	for _, c := range daemonSet(t).Containers {
		for resource := range c.Resources.Limits {
			assert.NotContains(t, resource, "nvidia.com", "it would take a GPU from those who train")
		}
	}
}

func TestWhatTheAgentMayAskTheAPI(t *testing.T) {
	t.Parallel()
	role := get[*rbac.ClusterRole](t, render(t, required), "ClusterRole/"+namespace+"-"+release+"-agent")
	assert.Equal(t, []rbac.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}}}, role.Rules)
	all := render(t, required, "agent: {kubernetesAttributes: false}")
	assert.NotContains(t, all, "ClusterRole/"+namespace+"-"+release+"-agent")
	assert.False(t, *get[*apps.DaemonSet](t, all, "DaemonSet/"+release+"-agent").Spec.Template.Spec.AutomountServiceAccountToken)
	assert.False(t, *deployment(t).Spec.Template.Spec.AutomountServiceAccountToken)
}
