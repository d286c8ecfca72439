// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	repository = "../.."
	// patience bounds every wait for something that should happen soon, also on a busy machine.
	patience = 30 * time.Second
	lookEach = 20 * time.Millisecond
)

func TestMain(m *testing.M) {
	build := exec.Command("make", "--no-print-directory", "-C", repository, strings.TrimPrefix(binary, repository+"/"))
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot build the collector under test:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// process is the binary, running.
type process struct {
	tb     testing.TB
	cmd    *exec.Cmd
	output *safeBuffer
	exited chan struct{}
}

// start runs the binary with arguments, and with no environment but what is given. It is stopped at the end of the test.
func start(tb testing.TB, args []string, env ...string) *process {
	tb.Helper()
	return startWith(tb, nil, args, env...)
}

func startWith(tb testing.TB, attributes *syscall.SysProcAttr, args []string, env ...string) *process {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	tb.Cleanup(cancel)
	p := &process{tb: tb, cmd: exec.CommandContext(ctx, binary, args...), output: &safeBuffer{}, exited: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = attributes
	require.NoError(tb, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	tb.Cleanup(func() {
		p.stop()
		if tb.Failed() {
			tb.Logf("output of the collector:\n%s", p.output)
		}
	})
	return p
}

// stop ends the process if it still runs.
func (p *process) stop() {
	p.tb.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.exited
		p.tb.Error("the collector did not stop on SIGTERM")
	}
}

// eventually waits until the condition holds, or the process is gone.
func (p *process) eventually(condition func() bool, what string) {
	p.tb.Helper()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-p.exited:
			require.Fail(p.tb, "the collector stopped while waiting for "+what, "%s", p.output)
		case <-deadline:
			require.Fail(p.tb, "waited in vain for "+what, "%s", p.output)
		case <-time.After(lookEach):
		}
	}
}

// said tells whether a line of the log has a message of a component.
func (p *process) said(message, component string) bool {
	for line := range strings.Lines(p.output.String()) {
		if strings.Contains(line, message) && strings.Contains(line, `"`+component+`"`) {
			return true
		}
	}
	return false
}

// run has the binary do something that ends, and returns its exit code and all that it said.
func run(tb testing.TB, args []string, env ...string) (code int, output string) {
	tb.Helper()
	p := start(tb, args, env...)
	select {
	case <-p.exited:
	case <-time.After(patience):
		require.Fail(tb, "the collector goes on", "%s", p.output)
	}
	return p.cmd.ProcessState.ExitCode(), p.output.String()
}

// tracked lists the files of the repository that match a pattern.
func tracked(tb testing.TB, patterns ...string) []string {
	tb.Helper()
	args := append([]string{"-C", repository, "ls-files", "--cached", "--others", "--exclude-standard"}, patterns...)
	out, err := exec.CommandContext(tb.Context(), "git", args...).Output()
	require.NoError(tb, err)
	files := strings.Fields(string(out))
	require.NotEmpty(tb, files)
	slices.Sort(files)
	return slices.Compact(files)
}

// writeFile puts content into a new file of the test.
func writeFile(tb testing.TB, name, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	require.NoError(tb, os.WriteFile(path, []byte(content), 0o600))
	return path
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
