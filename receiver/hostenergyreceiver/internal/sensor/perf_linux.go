// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// openEvent needs CAP_PERFMON, or kernel.perf_event_paranoid of 0 or less.
func openEvent(pmu uint32, config uint64, cpu int) (Event, error) {
	attr := unix.PerfEventAttr{Type: pmu, Config: config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}
	const everyProcess, noGroup = -1, -1
	fd, err := unix.PerfEventOpen(&attr, everyProcess, cpu, noGroup, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return perfEvent(fd), nil
}

// perfEvent is a file descriptor.
type perfEvent int

func (e perfEvent) Count() (uint64, error) {
	var count [8]byte
	n, err := unix.Read(int(e), count[:])
	if err != nil {
		return 0, fmt.Errorf("read of a perf event: %w", err)
	}
	if n != len(count) { // it is in error: its CPU went offline
		return 0, fmt.Errorf("read of a perf event: %d bytes instead of %d", n, len(count))
	}
	return binary.NativeEndian.Uint64(count[:]), nil
}

func (e perfEvent) Close() error { return unix.Close(int(e)) }
