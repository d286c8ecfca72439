// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// tree is a proc file system of files, and a /var/log. The machine has run for 1000 s.
type tree struct {
	t    testing.TB
	root string
}

type fixture struct {
	start  int // in 1/100 s since boot; 100 if 0
	comm   string
	cgroup string
	env    []string
	exe    string
}

func newTree(tb testing.TB) tree {
	tb.Helper()
	tr := tree{tb, tb.TempDir()}
	tr.write("proc/uptime", "1000.00 7000.00\n")
	tr.write("proc/stat", "cpu  1 2 3\nbtime 1700000000\nprocesses 5\n")
	return tr
}

func (tr tree) write(path, content string) {
	path = filepath.Join(tr.root, path)
	require.NoError(tr.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(tr.t, os.WriteFile(path, []byte(content), 0o600))
}

func (tr tree) link(path, target string) {
	path = filepath.Join(tr.root, path)
	require.NoError(tr.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(tr.t, os.Symlink(target, path))
}

func (tr tree) remove(path string) { require.NoError(tr.t, os.RemoveAll(filepath.Join(tr.root, path))) }

func (tr tree) process(pid int, f fixture) {
	folder := fmt.Sprintf("proc/%d", pid)
	if f.start == 0 {
		f.start = 100
	}
	if f.comm == "" {
		f.comm = "python3"
	}
	tr.write(folder+"/stat", statLine(pid, f.comm, 'S', f.start))
	tr.write(folder+"/comm", f.comm+"\n")
	tr.write(folder+"/cgroup", f.cgroup+"\n")
	tr.write(folder+"/environ", strings.Join(f.env, "\x00")+"\x00")
	if f.exe != "" {
		tr.remove(folder + "/exe")
		tr.link(folder+"/exe", f.exe)
	}
}

func statLine(pid int, comm string, state byte, start int) string {
	return fmt.Sprintf("%d (%s) %c 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 %d 22 33 44\n", pid, comm, state, start)
}

func (tr tree) resolver() *Resolver {
	return NewResolver(Config{ProcRoot: tr.root + "/proc", LogRoot: tr.root + "/var/log", Logger: zap.NewNop()})
}

func (tr tree) logs(namespace, pod, container, id, uid string, restart int) {
	target := fmt.Sprintf("/var/log/pods/%s_%s_%s/%s/%d.log", namespace, pod, uid, container, restart)
	tr.write(strings.TrimPrefix(target, "/"), "")
	tr.link(fmt.Sprintf("var/log/containers/%s_%s_%s-%s.log", pod, namespace, container, id), target)
}
