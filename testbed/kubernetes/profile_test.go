// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package kubernetes

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

const (
	// hostNamespace is the first PID namespace: PROC_PID_INIT_INO in Linux' include/linux/proc_ns.h.
	hostNamespace = "pid:[4026531836]"

	others      = "processes of other containers"
	environ     = "environment of processes"
	hostPIDHint = "set hostPID: true in Kubernetes"
	ptraceHint  = "add CAP_SYS_PTRACE"
	rapl        = "RAPL (powercap)"
	uuid        = "GPU-00000000-0000-4000-8000-000000000001"
)

// The binary says under each profile, as the user, with the capabilities and in the PID namespace that the chart gives it, what
// it lacks. What the profile gives must not be in the list. A user namespace cannot give rights over processes outside of it:
// the environment is read where the PID namespace is the test's own.
func TestSelfReportOfProfiles(t *testing.T) {
	t.Parallel()
	link, err := os.Readlink("/proc/self/ns/pid")
	require.NoError(t, err)
	inHost := link == hostNamespace
	for name, test := range map[string]struct {
		attribution string
		ownPIDs     bool // in spite of hostPID
		has, lacks  []string
	}{
		"agent":                        {attribution: "{}", has: []string{rapl, "storage used"}, lacks: []string{others, environ}},
		"hostPID":                      {attribution: "{hostPID: true}", has: []string{environ, ptraceHint}},
		"hostPID is not there":         {attribution: "{hostPID: true}", ownPIDs: true, has: []string{others, hostPIDHint, environ}},
		"uid 0 without a capability":   {attribution: "{hostPID: true, podResources: true, powercap: true}", ownPIDs: true, has: []string{environ, ptraceHint}},
		"environment":                  {attribution: "{hostPID: true, environment: true}", ownPIDs: true, has: []string{others}, lacks: []string{environ}},
		"all but the PID namespace":    {attribution: "{hostPID: true, podResources: true, environment: true, powercap: true}", ownPIDs: true, has: []string{others, hostPIDHint}, lacks: []string{environ}},
		"all but the user's namespace": {attribution: "{hostPID: true, podResources: true, environment: true, powercap: true}", has: []string{environ}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, required, "agent: {attribution: "+test.attribution+"}")
			pod := get[*apps.DaemonSet](t, all, "DaemonSet/"+release+"-agent").Spec.Template.Spec
			report := selfReport(t, pod, test.ownPIDs || !pod.HostPID, parse(t, all, "agent"))
			assert.Contains(t, report, uuid+" used NVIDIA H100 80GB HBM3: energy counter", "device energy needs no privilege")
			for _, part := range test.has {
				assert.Contains(t, report, part)
			}
			for _, part := range test.lacks {
				assert.NotContains(t, report, part)
			}
			if pod.HostPID && !test.ownPIDs {
				assert.Equal(t, inHost, !strings.Contains(report, others), report)
			}
		})
	}
}

// selfReport runs the binary as a container runtime would, but for seccomp, on a machine with one GPU. It returns its first
// words, with single spaces.
func selfReport(tb testing.TB, pod core.PodSpec, ownPIDs bool, receivers map[string]any) string {
	tb.Helper()
	require.True(tb, *pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem)
	state := filepath.Join(tb.TempDir(), "state")
	require.NoError(tb, os.Mkdir(state, 0o700))
	config := onlyReceivers(tb, receivers, state)
	user := strconv.FormatInt(*pod.SecurityContext.RunAsUser, 10)
	capabilities := []string{"-all"}
	for _, c := range pod.Containers[0].SecurityContext.Capabilities.Add {
		capabilities = append(capabilities, "+"+strings.ToLower(string(c)))
	}
	args := []string{"--user", "--map-user=" + user, "--map-group=" + user, "--mount", "--keep-caps"}
	if ownPIDs {
		args = append(args, "--pid", "--fork", "--mount-proc", "--kill-child")
	}
	args = append(args, "--", "sh", "-euc", `
		mount --bind "$STATE" "$STATE"
		mount -o remount,bind,ro /
		if touch "$STATE/../writable" 2>/dev/null; then echo "the root is writable"; exit 1; fi
		exec "$@"`, "sh", "setpriv", "--no-new-privs", "--ambient-caps=-all", "--inh-caps=-all")
	if user == "0" {
		args = append(args, "--bounding-set="+strings.Join(capabilities, ","))
	}
	args = append(args, binary, "--config=yaml:"+config)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "unshare", args...)
	c.Env = append([]string{"NODE_NAME=node-1", "POD_IP=127.0.0.1", "PATH=" + os.Getenv("PATH"), "STATE=" + state}, gpu(tb)...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	read, write, err := os.Pipe()
	require.NoError(tb, err)
	defer read.Close()
	c.Stdout, c.Stderr = write, write
	require.NoError(tb, c.Start())
	require.NoError(tb, write.Close())
	var output strings.Builder
	lines := bufio.NewScanner(read) // a log entry is a line of JSON
	for reports := 0; reports < 2; {
		require.True(tb, lines.Scan(), "%s", &output)
		output.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "self-report") {
			reports++
		}
	}
	cancel()
	_ = c.Wait() // killed
	return strings.Join(strings.Fields(strings.ReplaceAll(output.String(), `\n`, "\n")), " ")
}

// gpu is the environment of a machine with a GPU.
func gpu(tb testing.TB) []string {
	tb.Helper()
	dir := tb.TempDir()
	_, err := fakenvml.Build(dir)
	require.NoError(tb, err)
	scenario := filepath.Join(dir, "scenario")
	require.NoError(tb, fakenvml.Scenario{GPUs: []fakenvml.GPU{{UUID: uuid, Name: "NVIDIA H100 80GB HBM3", Power: fakenvml.Const{Watts: 300}}}}.WriteFile(scenario))
	return []string{"LD_LIBRARY_PATH=" + dir, fakenvml.ScenarioEnv + "=" + scenario}
}

// onlyReceivers keeps what measures, with the machine of the test for that of the node, and no listener.
func onlyReceivers(tb testing.TB, config map[string]any, state string) string {
	tb.Helper()
	receivers := at(tb, config, "receivers")
	delete(receivers, "otlp")
	delete(receivers, "prometheus/self")
	at(tb, receivers, "nvmlenergy")["initial_delay"] = "1ms"
	text, err := yaml.Marshal(map[string]any{
		"extensions": map[string]any{"file_storage": map[string]any{"directory": state}},
		"receivers":  receivers,
		"exporters":  map[string]any{"nop": nil},
		"service": map[string]any{
			"extensions": []string{"file_storage"},
			"telemetry":  map[string]any{"logs": map[string]any{"encoding": "json"}, "metrics": map[string]any{"level": "none"}},
			"pipelines":  map[string]any{"metrics": map[string]any{"receivers": []string{"nvmlenergy", "hostenergy"}, "exporters": []string{"nop"}}},
		},
	})
	require.NoError(tb, err)
	return strings.ReplaceAll(string(text), "/hostfs", "/")
}
