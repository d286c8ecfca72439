// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
)

// box is a machine of testdata, with events of perf that a test counts.
type box struct {
	Machine
	tb   testing.TB
	root string
	// events are the counts of those that were opened, by PMU, config and CPU.
	events map[opened]*fakeEvent
	// refused is what the kernel answers to who opens an event.
	refused error
	denied  func(path string) bool
}

type opened struct {
	pmu    uint32
	config uint64
	cpu    int
}

// fakeEvent is what the hardware counted of an event, and who listens.
type fakeEvent struct {
	count   uint64
	failing error
	open    int
}

// listener is an open event: it counts from 0 at its opening.
type listener struct {
	of    *fakeEvent
	since uint64
}

func (l *listener) Count() (uint64, error) { return l.of.count - l.since, l.of.failing }

func (l *listener) Close() error {
	l.of.open--
	return nil
}

func newBox(tb testing.TB, name string) *box {
	tb.Helper()
	b := &box{tb: tb, root: unpack(tb, name), events: map[opened]*fakeEvent{}}
	b.Machine = NewMachine(host.Config{RootPath: b.root})
	b.ReadFile = func(path string) ([]byte, error) {
		if b.denied != nil && b.denied(path) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
		}
		return os.ReadFile(path)
	}
	b.OpenEvent = func(pmu uint32, config uint64, cpu int) (Event, error) {
		if b.refused != nil {
			return nil, b.refused
		}
		e := b.event(pmu, config, cpu)
		e.open++
		return &listener{of: e, since: e.count}, nil
	}
	return b
}

func (b *box) event(pmu uint32, config uint64, cpu int) *fakeEvent {
	key := opened{pmu, config, cpu}
	if b.events[key] == nil {
		b.events[key] = &fakeEvent{}
	}
	return b.events[key]
}

// unpack writes testdata/name.txtar, the root of a machine. Real paths have colons, which Go modules do not allow.
func unpack(tb testing.TB, name string) (root string) {
	tb.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	require.NoError(tb, err)
	require.NotEmpty(tb, strings.TrimSpace(string(archive.Comment)), "which machine it is")
	root = tb.TempDir()
	for _, file := range archive.Files {
		path := filepath.Join(root, file.Name)
		require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(tb, os.WriteFile(path, file.Data, 0o600))
	}
	return root
}

func (b *box) path(name string) string { return filepath.Join(b.root, name) }

func (b *box) write(name, content string) {
	b.tb.Helper()
	require.NoError(b.tb, os.MkdirAll(filepath.Dir(b.path(name)), 0o755))
	require.NoError(b.tb, os.WriteFile(b.path(name), []byte(content+"\n"), 0o600))
}

func (b *box) remove(name string) {
	b.tb.Helper()
	require.NoError(b.tb, os.RemoveAll(b.path(name)))
}

// deny what has one of the endings.
func (b *box) deny(endings ...string) {
	b.denied = func(path string) bool {
		for _, ending := range endings {
			if strings.HasSuffix(path, ending) {
				return true
			}
		}
		return false
	}
}
