// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"net"
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
