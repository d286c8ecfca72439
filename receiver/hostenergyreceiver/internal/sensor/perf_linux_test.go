// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The kernel has no PMU of this number; it may also refuse before it looks.
func TestOpenEventWithoutPMU(t *testing.T) {
	event, err := openEvent(1<<31-1, 2, 0)
	require.Error(t, err)
	assert.Contains(t, []error{syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.ENOSYS}, err)
	assert.Nil(t, event)
}

// A file descriptor is read and closed as an event's is: a pipe stands for it.
func TestPerfEvent(t *testing.T) {
	var fds [2]int
	require.NoError(t, syscall.Pipe(fds[:]))
	event := perfEvent(fds[0])
	_, err := syscall.Write(fds[1], []byte{1, 1, 1, 1, 1, 1, 1, 1})
	require.NoError(t, err)
	count, err := event.Count()
	require.NoError(t, err)
	assert.EqualValues(t, 0x0101010101010101, count)

	require.NoError(t, syscall.Close(fds[1]))
	_, err = event.Count()
	require.ErrorContains(t, err, "0 bytes instead of 8", "as the kernel says of an event in error")
	require.NoError(t, event.Close())
	_, err = event.Count()
	require.ErrorIs(t, err, syscall.EBADF)
}
