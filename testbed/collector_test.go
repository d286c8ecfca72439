// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package testbed tests the distribution as its users meet it: the built binary, started as a
// process, with real files, real sockets and a driver loaded with dlopen.
package testbed

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
)

const (
	standalone = "../distro/config/standalone.yaml"
	// patience bounds every wait for something that should happen soon, also on a busy machine.
	patience = 30 * time.Second
	lookEach = 20 * time.Millisecond
)

func TestMain(m *testing.M) {
	build := exec.Command("make", "--no-print-directory", "-C", "..", strings.TrimPrefix(binary, "../"))
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot build the collector under test:", err)
		os.Exit(1)
	}
	if err := flag.Set("test.parallel", "4"); err != nil { // whatever the machine: they mostly wait for processes
		panic(err)
	}
	os.Exit(m.Run())
}

// collector is a running process of the binary.
type collector struct {
	tb     testing.TB
	cmd    *exec.Cmd
	output *safeBuffer
	exited chan struct{}
}

// start runs the binary with configs (files, or "yaml:key::key: value") and environment variables.
func start(tb testing.TB, configs []string, env ...string) *collector {
	tb.Helper()
	c := command(tb, configs, env...)
	c.run()
	return c
}

// run starts the process. It is stopped at the end of the test if it still runs then.
func (c *collector) run() {
	c.tb.Helper()
	require.NoError(c.tb, c.cmd.Start())
	go func() {
		_ = c.cmd.Wait()
		close(c.exited)
	}()
	c.tb.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.exited:
		case <-time.After(patience):
			_ = c.cmd.Process.Kill()
			<-c.exited
			c.tb.Error("the collector did not stop on SIGTERM")
		}
		if c.tb.Failed() {
			c.tb.Logf("output of the collector:\n%s", c.output)
		}
	})
}

func command(tb testing.TB, configs []string, env ...string) *collector {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	tb.Cleanup(cancel)
	args := make([]string, 0, len(configs))
	for _, config := range append(configs, "yaml:service::telemetry::metrics::level: none") {
		args = append(args, "--config="+config)
	}
	c := &collector{tb: tb, cmd: exec.CommandContext(ctx, binary, args...), output: &safeBuffer{}, exited: make(chan struct{})}
	c.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "CARBON_ZONE=")
	}), env...)
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	return c
}

// eventually waits until the condition holds, or the collector is gone.
func (c *collector) eventually(condition func() bool, what string) {
	c.tb.Helper()
	c.within(patience, condition, what)
}

// within is eventually for what takes its time.
func (c *collector) within(limit time.Duration, condition func() bool, what string) {
	c.tb.Helper()
	deadline := time.After(limit)
	for !condition() {
		select {
		case <-c.exited:
			require.Fail(c.tb, "the collector stopped while waiting for "+what, "exit code %d\n%s", c.cmd.ProcessState.ExitCode(), c.output)
		case <-deadline:
			require.Fail(c.tb, "waited in vain for "+what, "%s", c.output)
		case <-time.After(lookEach):
		}
	}
}

// stop interrupts the collector as Ctrl-C does and returns its exit code.
func (c *collector) stop() int {
	c.tb.Helper()
	require.NoError(c.tb, c.cmd.Process.Signal(syscall.SIGINT))
	return c.exitCode()
}

func (c *collector) exitCode() int {
	c.tb.Helper()
	select {
	case <-c.exited:
	case <-time.After(patience):
		require.Fail(c.tb, "the collector goes on", "%s", c.output)
	}
	return c.cmd.ProcessState.ExitCode()
}

// megabytes of memory of a kind, such as RssAnon: proc_pid_status(5).
func (c *collector) megabytes(kind string) float64 {
	c.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	require.NoError(c.tb, err)
	match := regexp.MustCompile(kind + `:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(c.tb, match, kind)
	kB, err := strconv.ParseFloat(string(match[1]), 64)
	require.NoError(c.tb, err)
	return kB / 1000
}

// validate checks a config as `otelcol-carbon validate` does.
func validate(tb testing.TB, configs []string, env ...string) error {
	tb.Helper()
	c := command(tb, configs, env...)
	c.cmd.Args = append([]string{c.cmd.Args[0], "validate"}, c.cmd.Args[1:]...)
	if err := c.cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, c.output)
	}
	return nil
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freeport.Get(tb))
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

func (s *safeBuffer) lines() []string {
	return strings.Split(strings.TrimRight(s.String(), "\n"), "\n")
}
