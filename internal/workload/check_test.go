// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
)

func TestCheck(t *testing.T) {
	capable := func(t *testing.T) tree {
		t.Helper()
		tr := newTree(t)
		tr.process(1, fixture{comm: "systemd", cgroup: "0::/init.scope"})
		tr.link("proc/self/ns/pid", initialPIDNamespace)
		tr.write("proc/self/status", "Name:\tx\nCapEff:\t0000000000080004\nSeccomp:\t0\n")
		return tr
	}
	tests := []struct {
		name   string
		change func(tree)
		want   []string // a part of each sentence: what, and its remedy
	}{
		{"nothing is missing", func(tree) {}, nil},
		{"no proc", func(tr tree) { tr.remove("proc/self") }, []string{"no proc file system", "mount the host's /proc"}},
		{"own PID namespace", func(tr tree) {
			tr.remove("proc/self/ns")
			tr.link("proc/self/ns/pid", "pid:[4026532281]")
		}, []string{"pid:[4026532281]", "hostPID: true"}},
		{"hidepid", func(tr tree) { tr.remove("proc/1") }, []string{"hidepid", "gid=", "environment", "CAP_SYS_PTRACE"}},
		{"no capability", func(tr tree) {
			tr.write("proc/self/status", "CapEff:\t00000000a80425fb\n")
		}, []string{"environment", "CAP_SYS_PTRACE"}},
		{"one of two capabilities", func(tr tree) {
			tr.write("proc/self/status", "CapEff:\t0000000000080000\n")
		}, []string{"environment", "CAP_DAC_READ_SEARCH"}},
		{"status without capabilities", func(tr tree) { tr.write("proc/self/status", "Name:\tx\n") }, []string{"environment", "CAP_SYS_PTRACE"}},
		{"capability is not enough", func(tr tree) { tr.remove("proc/1/environ") }, []string{"environment", "AppArmor"}},
		{"logs of the kubelet hidden", func(tr tree) { tr.write("var/log/pods", "") }, []string{"logs", "k8s_attributes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := capable(t)
			tt.change(tr)
			got := tr.resolver().Check()
			assert.Len(t, got, (len(tt.want)+1)/2)
			all := selfreport.Table(got)
			for _, part := range tt.want {
				assert.Contains(t, all, part)
			}
		})
	}
}

func TestCheckThisMachine(t *testing.T) {
	namespace, err := os.Readlink("/proc/self/ns/pid")
	require.NoError(t, err)
	all := selfreport.Table(NewResolver(Config{}).Check())
	if namespace == initialPIDNamespace {
		assert.NotContains(t, all, "PID namespace")
	}
	assert.NotContains(t, all, "no proc file system")
}
