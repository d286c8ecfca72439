// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"regexp"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// objects are decoded objects by kind and name, as in DaemonSet/carbon-agent.
type objects map[string]any

// get returns the object, which must be there.
func get[T any](tb testing.TB, all objects, key string) T {
	tb.Helper()
	require.Contains(tb, all, key)
	object, ok := all[key].(T)
	require.True(tb, ok, "%s is a %T", key, all[key])
	return object
}

var types = map[string]func() any{
	"apps/v1/DaemonSet":                               func() any { return &apps.DaemonSet{} },
	"apps/v1/Deployment":                              func() any { return &apps.Deployment{} },
	"autoscaling/v2/HorizontalPodAutoscaler":          func() any { return &autoscaling.HorizontalPodAutoscaler{} },
	"cert-manager.io/v1/Certificate":                  func() any { return &certificate{} },
	"cilium.io/v2/CiliumNetworkPolicy":                func() any { return &ciliumNetworkPolicy{} },
	"monitoring.coreos.com/v1/ServiceMonitor":         func() any { return &monitoring.ServiceMonitor{} },
	"networking.k8s.io/v1/NetworkPolicy":              func() any { return &networking.NetworkPolicy{} },
	"opentelemetry.io/v1beta1/OpenTelemetryCollector": func() any { return &openTelemetryCollector{} },
	"policy/v1/PodDisruptionBudget":                   func() any { return &policy.PodDisruptionBudget{} },
	"rbac.authorization.k8s.io/v1/ClusterRole":        func() any { return &rbac.ClusterRole{} },
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding": func() any { return &rbac.ClusterRoleBinding{} },
	"v1/ConfigMap":                                    func() any { return &core.ConfigMap{} },
	"v1/Service":                                      func() any { return &core.Service{} },
	"v1/ServiceAccount":                               func() any { return &core.ServiceAccount{} },
}

var separator = regexp.MustCompile(`(?m)^---$`)

// decode refuses unknown kinds, unknown and double fields, and two objects of a name.
func decode(tb testing.TB, text string) objects {
	tb.Helper()
	all := objects{}
	for _, document := range separator.Split(text, -1) {
		var head struct {
			meta.TypeMeta   `json:",inline"`
			meta.ObjectMeta `json:"metadata"`
		}
		require.NoError(tb, yaml.Unmarshal([]byte(document), &head), document)
		if head.Kind == "" {
			require.Empty(tb, strings.TrimSpace(comment.ReplaceAllString(document, "")))
			continue
		}
		make, ok := types[head.APIVersion+"/"+head.Kind]
		require.True(tb, ok, "%s %s is not known", head.APIVersion, head.Kind)
		object := make()
		require.NoError(tb, yaml.UnmarshalStrict([]byte(document), object), document)
		key := head.Kind + "/" + head.Name
		require.NotContains(tb, all, key)
		all[key] = object
	}
	return all
}

var comment = regexp.MustCompile(`(?m)^\s*#.*$`)

// ofKind keeps the documents of a kind, the one of a kind and name, or all if it is empty.
func ofKind(tb testing.TB, text, kind string) string {
	tb.Helper()
	if kind == "" {
		return text
	}
	var b strings.Builder
	for _, document := range separator.Split(text, -1) {
		var head struct {
			meta.TypeMeta   `json:",inline"`
			meta.ObjectMeta `json:"metadata"`
		}
		require.NoError(tb, yaml.Unmarshal([]byte(document), &head))
		if head.Kind == kind || head.Kind+"/"+head.Name == kind {
			b.WriteString("---\n" + strings.Trim(document, "\n") + "\n")
		}
	}
	return b.String()
}
