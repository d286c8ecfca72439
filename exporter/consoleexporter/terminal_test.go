// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package consoleexporter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/feed"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/metadata"
)

const childVariable = "CONSOLE_TEST_CHILD"

// TestChild is not a test of its own: it is what TestTerminal runs in a terminal. It shows a
// workstation until it gets the signal of a Ctrl-C.
func TestChild(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		return
	}
	interrupted, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	set := exportertest.NewNopSettings(metadata.Type)
	set.BuildInfo.Command = "otelcol-carbon"
	cfg := createDefaultConfig().(*Config)
	cfg.RefreshInterval = 20 * time.Millisecond
	e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
	require.NoError(t, err)
	scene := feed.Workstation(time.Now())
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; interrupted.Err() == nil; i++ {
		select {
		case <-interrupted.Done():
		case now := <-ticker.C:
			require.NoError(t, e.ConsumeMetrics(t.Context(), scene.At(now)))
			if i%10 == 0 {
				fmt.Fprintln(os.Stderr, "a log line")
			}
		}
	}
	require.NoError(t, e.Shutdown(context.Background()))
}

// tty runs the child in a pseudo-terminal and collects what it writes there.
type tty struct {
	keyboard *os.File
	child    *exec.Cmd
	read     chan struct{}

	mu     sync.Mutex
	screen bytes.Buffer
}

func open(t *testing.T, env ...string) *tty {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.timeout=60s")
	// CI is a word for having no terminal, and switches colours off.
	child.Env = append(os.Environ(), append(env, childVariable+"=1", "CI=")...)
	f, err := pty.StartWithSize(child, &pty.Winsize{Rows: 30, Cols: 80})
	require.NoError(t, err)
	s := &tty{keyboard: f, child: child, read: make(chan struct{})}
	go func() {
		defer close(s.read)
		// Linux ends a terminal whose last program is gone with an error.
		_, _ = io.Copy(s, f)
	}()
	t.Cleanup(func() {
		_ = child.Process.Kill()
		<-s.read
		_ = f.Close()
	})
	return s
}

func (s *tty) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.Write(p)
}

func (s *tty) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

func (s *tty) waitFor(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(s.text(), what) }, 20*time.Second, 5*time.Millisecond,
		"no %q on the screen", what)
}

func (s *tty) press(t *testing.T, keys string) {
	t.Helper()
	_, err := io.WriteString(s.keyboard, keys)
	require.NoError(t, err)
}

func TestTerminal(t *testing.T) {
	s := open(t, "TERM=xterm-256color", "NO_COLOR=")
	s.waitFor(t, "Waiting for the first reading")
	s.waitFor(t, "NVIDIA")
	s.waitFor(t, "a log line")
	const ctrlC = "\x03"
	s.press(t, ctrlC)
	require.NoError(t, s.child.Wait(), "Ctrl-C must reach the program, which then ends by itself")
	<-s.read

	all := s.text()
	assert.Contains(t, all, "^C", "the terminal must stay in its normal mode, with echo")
	assert.Contains(t, all, ansi.HideCursor)
	assert.Greater(t, strings.LastIndex(all, ansi.ShowCursor), strings.LastIndex(all, ansi.HideCursor), "the cursor must come back")
	margins := ansi.SetTopBottomMargins(1, 30)
	assert.Greater(t, strings.LastIndex(all, margins), strings.LastIndex(all, ansi.HideCursor), "the whole screen must scroll again")
	assert.NotContains(t, all, "\x1b[?1049h", "the screen that was there must stay in the history")
	_, end, found := strings.Cut(all, ansi.ShowCursor)
	require.True(t, found)
	assert.Contains(t, end, "otelcol-carbon, summary")
	assert.Contains(t, end, "kWh")
	assert.Contains(t, end, "by quality")
	assert.Contains(t, all, "estimated")
}

func TestTerminalWithoutColor(t *testing.T) {
	colour := "\x1b[33m"
	with := open(t, "TERM=xterm-256color", "NO_COLOR=")
	with.waitFor(t, "estimated")
	with.waitFor(t, colour)
	without := open(t, "TERM=xterm-256color", "NO_COLOR=1")
	without.waitFor(t, "estimated")
	assert.NotRegexp(t, `\x1b\[[0-9;]*m`, without.text())
}

func TestDumbTerminalGetsLines(t *testing.T) {
	s := open(t, "TERM=dumb")
	s.waitFor(t, "kind=total")
	assert.NotContains(t, s.text(), "\x1b")
}
