// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package workload

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// child is a process that waits for input. It has answered once: for an instant within exec a process
// has no environment.
func child(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.Env = env
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	_, err = in.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(out, make([]byte, 1))
	require.NoError(t, err)
	return cmd
}

func TestRealProcess(t *testing.T) {
	r := NewResolver(Config{})
	cmd := child(t, "WANDB_RUN_ID=r7", "OTEL_SERVICE_NAME=trainer", "OTEL_RESOURCE_ATTRIBUTES=team=a%2Cb")
	pid := uint32(cmd.Process.Pid)
	w, err := r.Resolve(pid)
	require.NoError(t, err)
	assert.Equal(t, "trainer", w.Attributes["service.name"])
	assert.Equal(t, "a,b", w.Attributes["team"])
	assert.Equal(t, "r7", w.Attributes["workload.run.id"])
	assert.Equal(t, "wandb", w.Attributes["workload.run.system"])
	if w.Kind == Process { // not so where the tests run in a container or a unit
		assert.Equal(t, strconv.Itoa(cmd.Process.Pid), w.Attributes["process.pid"])
		assert.Contains(t, []string{"cat", "coreutils", "busybox"}, w.Attributes["process.executable.name"])
		started, err := time.Parse(time.RFC3339, w.Attributes["process.creation.time"])
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), started, time.Minute)
	}
	assert.True(t, r.Alive(pid))

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	assert.False(t, r.Alive(pid))
	again, err := r.Resolve(pid)
	require.ErrorIs(t, err, ErrGone)
	assert.Same(t, w, again)
}

func TestRealSelf(t *testing.T) {
	w, err := NewResolver(Config{}).Resolve(uint32(os.Getpid()))
	require.NoError(t, err)
	assert.NotEmpty(t, w.Attributes)
}

// TestRealCgroups moves processes into cgroups with the names that runtimes give them. Where cgroups cannot
// be made, the same lines are read from files, next to the real process's other files.
func TestRealCgroups(t *testing.T) {
	tests := map[string]struct {
		path string
		kind Kind
		want map[string]string
	}{
		"pod": {
			"kubepods.slice/kubepods-pod" + strings.ReplaceAll(uidU, "-", "_") + ".slice/cri-containerd-" + idA + ".scope", Container,
			map[string]string{"container.id": idA, "container.runtime.name": "containerd", "k8s.pod.uid": uidU},
		},
		"docker": {"docker/" + idB, Container, map[string]string{"container.id": idB, "container.runtime.name": "docker"}},
		"Slurm": {
			"system.slice/slurmstepd.scope/job_4711/step_0/user/task_0", Job, map[string]string{"slurm.job.id": "4711"},
		},
		"unit": {"system.slice/ollama.service", Unit, map[string]string{"systemd.unit": "ollama.service"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := child(t, "WANDB_RUN_ID="+name)
			pid := cmd.Process.Pid
			root := "/proc"
			if err := place(t, pid, tt.path); err != nil {
				t.Logf("no real cgroup: %v", err)
				root = copied(t, pid, tt.path)
			}
			w, err := NewResolver(Config{ProcRoot: root}).Resolve(uint32(pid))
			require.NoError(t, err)
			tt.want["workload.run.id"], tt.want["workload.run.system"] = name, "wandb"
			assert.Equal(t, tt.kind, w.Kind)
			assert.Equal(t, tt.want, w.Attributes)
		})
	}
}

// place makes the cgroup in v2, or in the hierarchy of systemd, and undoes that with the test.
func place(t *testing.T, pid int, path string) error {
	t.Helper()
	var errs []error
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
		if _, err := os.Stat(filepath.Join(mount, "cgroup.procs")); err != nil {
			errs = append(errs, err)
			continue
		}
		prefix := "otelcol-carbon-test-" + strconv.Itoa(pid)
		folder := filepath.Join(mount, prefix, path)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		t.Cleanup(func() {
			_ = os.WriteFile(filepath.Join(mount, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
			for f := folder; f != mount; f = filepath.Dir(f) {
				assert.NoError(t, os.Remove(f))
			}
		})
		if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			errs = append(errs, err)
			continue
		}
		return nil
	}
	return errors.Join(errs...)
}

// copied is a proc file system with the process's own files and another cgroup.
func copied(t *testing.T, pid int, path string) string {
	t.Helper()
	tr := newTree(t)
	for _, name := range []string{"stat", "comm", "environ"} {
		file := "/" + strconv.Itoa(pid) + "/" + name
		text, err := os.ReadFile("/proc" + file)
		require.NoError(t, err)
		tr.write("proc"+file, string(text))
	}
	tr.write("proc/"+strconv.Itoa(pid)+"/cgroup", "0::/"+path+"\n")
	return tr.root + "/proc"
}
