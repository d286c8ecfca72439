// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// child is a real process that waits for input. It has answered once: for an instant within exec a process has
// no environment.
func child(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.Env = env
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { end(cmd) })
	_, err = in.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(out, make([]byte, 1))
	require.NoError(t, err)
	return cmd
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// tree is a root_path: a proc file system of the host's PID namespace, with the processes that a test puts
// there, real and made-up ones.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree {
	t.Helper()
	root, err := os.MkdirTemp("", "root") //nolint:usetesting // a short name: the kubelet's socket is below
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(root)) })
	tr := tree{t, root}
	for _, file := range []string{"uptime", "stat", "sys", "1"} {
		tr.link("proc/"+file, "/proc/"+file)
	}
	tr.link("proc/self/status", "/proc/self/status")
	tr.link("proc/self/ns/pid", "pid:[4026531836]")
	return tr
}

func (tr tree) write(path, content string) {
	path = filepath.Join(tr.root, path)
	require.NoError(tr.t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(tr.t, os.WriteFile(path, []byte(content), 0o600))
}

func (tr tree) link(path, target string) {
	path = filepath.Join(tr.root, path)
	require.NoError(tr.t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(tr.t, os.Symlink(target, path))
}

// real shows a process of this machine, and returns its PID.
func (tr tree) real(cmd *exec.Cmd) int {
	pid := strconv.Itoa(cmd.Process.Pid)
	tr.link("proc/"+pid, "/proc/"+pid)
	return cmd.Process.Pid
}

// copied shows a process of this machine in another control group.
func (tr tree) copied(cmd *exec.Cmd, cgroup string) {
	pid := strconv.Itoa(cmd.Process.Pid)
	for _, file := range []string{"stat", "comm", "environ", "exe"} {
		tr.link("proc/"+pid+"/"+file, "/proc/"+pid+"/"+file)
	}
	tr.write("proc/"+pid+"/cgroup", "0::"+cgroup+"\n")
}

// made shows a process that has run since the machine was booted.
func (tr tree) made(pid int, cgroup string, env ...string) int {
	folder := fmt.Sprintf("proc/%d/", pid)
	tr.write(folder+"stat", fmt.Sprintf("%d (python3) S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 1 22 33 44\n", pid))
	tr.write(folder+"comm", "python3\n")
	tr.write(folder+"cgroup", "0::"+cgroup+"\n")
	tr.write(folder+"environ", strings.Join(env, "\x00")+"\x00")
	return pid
}

// logs are what the kubelet calls the log file of a container.
func (tr tree) logs(namespace, pod, uid, container, id string) {
	target := fmt.Sprintf("/var/log/pods/%s_%s_%s/%s/0.log", namespace, pod, uid, container)
	tr.write(target, "")
	tr.link(fmt.Sprintf("var/log/containers/%s_%s_%s-%s.log", pod, namespace, container, id), target)
}

// place moves a process into a control group of its own in v2, or in the hierarchy of systemd, and undoes that
// with the test. It stays where it is if the path is empty.
func place(t *testing.T, pid int, path string) error {
	t.Helper()
	if path == "" {
		return nil
	}
	var errs []error
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
		if _, err := os.Stat(filepath.Join(mount, "cgroup.procs")); err != nil {
			errs = append(errs, err)
			continue
		}
		folder := filepath.Join(mount, "otelcol-carbon-testbed-"+strconv.Itoa(pid), path)
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
