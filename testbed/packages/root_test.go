// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package packages

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/debian"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
)

const (
	repository = "../.."
	binary     = repository + "/bin/otelcol-carbon"
	machine    = repository + "/receiver/hostenergyreceiver/internal/sensor/testdata/intel-server.txtar"
	// patience bounds every wait for something that should happen soon, also on a busy machine.
	patience = 60 * time.Second
	lookEach = 50 * time.Millisecond
)

func TestMain(m *testing.M) {
	build := exec.Command("make", "--no-print-directory", "-C", repository, "bin/otelcol-carbon")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot build the collector under test:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// newRoot is a machine's root file system: a shell, the programs that maintainer scripts call, and the CPUs and sensors of
// an Intel server in proc and sys.
func newRoot(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("packages are installed in a root of their own by chroot: run this as root, as CI does")
	}
	root := t.TempDir()
	for dir := root; dir != os.TempDir(); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		target := filepath.Join("usr", link)
		require.NoError(t, os.MkdirAll(filepath.Join(root, target), 0o755))
		require.NoError(t, os.Symlink(target, filepath.Join(root, link)))
	}
	for _, dir := range []string{"etc", "dev", "run", "tmp", "var/lib"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	writeIn(t, root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	writeIn(t, root, "etc/group", "root:x:0:\n")
	writeIn(t, root, "dev/null", "")
	copyProgram(t, root, "sh")
	copyProgram(t, root, "rm")
	copyProgram(t, root, "systemd-sysusers", "systemd")
	copyProgram(t, root, "systemd-tmpfiles", "systemd")
	archive, err := txtar.ParseFile(machine)
	require.NoError(t, err)
	for _, f := range archive.Files {
		writeIn(t, root, f.Name, string(f.Data))
	}
	return root
}

func writeIn(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

// copyProgram copies a program and the libraries that it needs.
func copyProgram(t *testing.T, root, name string, packages ...string) {
	t.Helper()
	program := find(t, name, packages...)
	copyFile(t, program.Path, filepath.Join(root, "usr", "bin", name))
	copyLibraries(t, root, program)
}

func copyLibraries(t *testing.T, root string, program debian.Program) {
	t.Helper()
	for line := range strings.Lines(mustRun(t, program.Environment(), "ldd", program.Path)) {
		// "name => path (address)", or "path (address)" for the loader.
		name, path, found := strings.Cut(strings.TrimSpace(line), " => ")
		if !found {
			path = name
		}
		path, _, _ = strings.Cut(path, " ")
		if !filepath.IsAbs(path) {
			continue
		}
		copied := filepath.Join(root, strings.TrimPrefix(path, program.Folder))
		if _, err := os.Stat(copied); err != nil {
			copyFile(t, path, copied)
		}
	}
}

func find(t *testing.T, name string, packages ...string) debian.Program {
	t.Helper()
	program, err := debian.Find(name, packages...)
	require.NoError(t, err)
	return program
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	in, err := os.Open(from)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// moveListeners edits a shipped config: what it serves, and the port of its own telemetry, are on free ports.
func moveListeners(t *testing.T, config, page string) (moved string) {
	t.Helper()
	content, err := os.ReadFile(config)
	require.NoError(t, err)
	require.Contains(t, string(content), page)
	moved = fmt.Sprintf("127.0.0.1:%d", freeport.Get(t))
	text := strings.NewReplacer(page, moved, "8888", strconv.Itoa(freeport.Get(t))).Replace(string(content))
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	return moved
}

// mustRun runs a program to its end and returns what it printed.
func mustRun(t *testing.T, env []string, name string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, arguments...)
	c.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
	output, err := c.CombinedOutput()
	require.NoError(t, err, "%s\n%s", c, output)
	return string(output)
}

// files are all files and links below some directories of a root, without the slash before them.
func files(t *testing.T, root string, dirs ...string) map[string]fs.FileMode {
	t.Helper()
	found := map[string]fs.FileMode{}
	for _, dir := range dirs {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			found[name] = info.Mode()
			return err
		}))
	}
	return found
}

// collector is a process of the binary.
type collector struct {
	program     string // the binary under test if ""
	arguments   []string
	environment []string
	as          *syscall.SysProcAttr
}

// serve runs it until the metrics at the address satisfy the condition, and returns these.
func (c collector) serve(t *testing.T, address string, condition func(metrics string) bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	command := exec.CommandContext(ctx, cmp.Or(c.program, binary), c.arguments...)
	command.Env, command.SysProcAttr = c.environment, c.as
	if c.as != nil && c.as.Chroot != "" {
		command.Dir = "/"
	}
	output := &safeBuffer{}
	command.Stdout, command.Stderr = output, output
	require.NoError(t, command.Start())
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()

	var metrics string
	deadline := time.After(patience)
	for metrics = get(t, address); !condition(metrics); metrics = get(t, address) {
		select {
		case err := <-exited:
			require.Fail(t, "the collector stopped", "%v\n%s", err, output)
		case <-deadline:
			require.Fail(t, "waited in vain for metrics", "%s\n%s", metrics, output)
		case <-time.After(lookEach):
		}
	}
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-exited, output)
	return metrics
}

// get is empty while nobody answers.
func get(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
