// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStopAndRestart(t *testing.T) {
	s := Start(t)
	address := s.Addr()
	assert.True(t, s.answers())

	s.Stop()
	assert.False(t, s.answers())
	s.Stop()

	s.Restart()
	assert.True(t, s.answers())
	assert.Equal(t, address, s.Addr())
}

func TestPause(t *testing.T) {
	s := Start(t)
	s.Pause()
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err, "the kernel still takes connections")
	defer conn.Close()
	assert.False(t, s.answers())
	s.Resume()
	assert.True(t, s.answers())
}

func TestEndsWithTheTest(t *testing.T) {
	var s *Server
	t.Run("one", func(t *testing.T) { s = Start(t, "--requirepass", "secret") })
	assert.Nil(t, s.process)
	assert.False(t, s.answers())
}

func TestTLS(t *testing.T) {
	s := StartTLS(t)
	assert.True(t, s.answers())
	assert.FileExists(t, s.CAFile())

	s.tls = nil
	assert.False(t, s.answers(), "without TLS there is no answer")
}

func TestTellsWhyItDidNotStart(t *testing.T) {
	s := Start(t)
	s.arguments = []string{"--no-such-option", "1"}
	s.Stop()
	assert.ErrorContains(t, s.run(), "redis-server ended")
}

func TestFindsTheProgram(t *testing.T) {
	found := filepath.Join(t.TempDir(), "redis-server")
	require.NoError(t, os.WriteFile(found, []byte("#!/bin/sh\n"), 0o700))
	t.Setenv("PATH", filepath.Dir(found))
	p, err := locate()
	require.NoError(t, err)
	assert.Equal(t, program{path: found}, p)
}

func TestSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := locate()
	assert.ErrorContains(t, err, "install redis-server: ")
}

// What was fetched once is used again, without any program.
func TestFetchesOnce(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, filepath.Dir(binary)), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, binary), nil, 0o700))
	t.Setenv("PATH", t.TempDir())
	assert.NoError(t, fetch(folder))
}
