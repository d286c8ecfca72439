// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func environment(pod core.PodSpec) map[string]string {
	all := map[string]string{}
	for _, e := range pod.Containers[0].Env {
		all[e.Name] = e.Value
	}
	return all
}

func volume(tb testing.TB, pod core.PodSpec, name string) core.Volume {
	tb.Helper()
	for _, v := range pod.Volumes {
		if v.Name == name {
			return v
		}
	}
	require.Fail(tb, "no volume "+name)
	return core.Volume{}
}

// memoryLimit is GOMEMLIMIT in bytes. Its MiB are Kubernetes' Mi.
func memoryLimit(tb testing.TB, pod core.PodSpec) int64 {
	tb.Helper()
	text, ok := strings.CutSuffix(environment(pod)["GOMEMLIMIT"], "B")
	require.True(tb, ok)
	q, err := resource.ParseQuantity(text)
	require.NoError(tb, err)
	return q.Value()
}

// cutHostfs returns a path on the machine, of a path where it is mounted.
func cutHostfs(mount string) (string, bool) {
	return strings.CutPrefix(mount, "/hostfs/")
}
