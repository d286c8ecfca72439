// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

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
)

const (
	// hostNamespace is the first PID namespace: PROC_PID_INIT_INO in Linux' include/linux/proc_ns.h.
	hostNamespace = "pid:[4026531836]"

	others      = "processes of other containers"
	environ     = "environment of processes"
	hostPIDHint = "set hostPID: true in Kubernetes"
	ptraceHint  = "add CAP_SYS_PTRACE"
	rapl        = "RAPL (powercap)"
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
			all := render(t, apiServer, "agent: {attribution: "+test.attribution+"}")
			pod := get[*apps.DaemonSet](t, all, "DaemonSet/"+release+"-agent").Spec.Template.Spec
			report := selfReport(t, pod, test.ownPIDs || !pod.HostPID, onlyReceivers(t, parse(t, all, "agent")))
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

// selfReport runs the binary as a container runtime would, and returns its first words, with single spaces.
func selfReport(tb testing.TB, pod core.PodSpec, ownPIDs bool, config string) string {
	tb.Helper()
	user := strconv.FormatInt(*pod.SecurityContext.RunAsUser, 10)
	capabilities := []string{"-all"}
	for _, c := range pod.Containers[0].SecurityContext.Capabilities.Add {
		capabilities = append(capabilities, "+"+strings.ToLower(string(c)))
	}
	args := []string{"--user", "--map-user=" + user, "--map-group=" + user}
	if ownPIDs {
		args = append(args, "--pid", "--fork", "--mount-proc", "--kill-child")
	}
	args = append(args, "--", "setpriv", "--no-new-privs")
	if user == "0" {
		args = append(args, "--bounding-set="+strings.Join(capabilities, ","))
	}
	args = append(args, "--inh-caps=-all", binary, "--config=yaml:"+config)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "unshare", args...)
	c.Env = []string{"NODE_NAME=node-1", "POD_IP=127.0.0.1", "PATH=" + os.Getenv("PATH")}
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

// onlyReceivers keeps what measures, with the machine of the test for that of the node, and no listener.
func onlyReceivers(tb testing.TB, config map[string]any) string {
	tb.Helper()
	receivers := at(tb, config, "receivers")
	delete(receivers, "otlp")
	delete(receivers, "prometheus/self")
	at(tb, receivers, "nvmlenergy")["initial_delay"] = "1ms"
	storage := filepath.Join(tb.TempDir(), "state")
	require.NoError(tb, os.Mkdir(storage, 0o700))
	text, err := yaml.Marshal(map[string]any{
		"extensions": map[string]any{"file_storage": map[string]any{"directory": storage}},
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
