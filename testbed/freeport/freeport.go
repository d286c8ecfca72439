// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package freeport finds ports for servers that tests start as processes.
package freeport

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// The kernel gives ports from 32768 on to outgoing connections.
const first, count = 20_000, 12_000

var given atomic.Int32

// Get is a port on loopback that nobody listened on a moment ago, and that no other test of this process is given.
func Get(tb testing.TB) int {
	tb.Helper()
	for range count {
		port := first + (os.Getpid()*100+int(given.Add(1)))%count
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(tb, l.Close())
			return port
		}
	}
	require.Fail(tb, "all ports are taken")
	return 0
}
