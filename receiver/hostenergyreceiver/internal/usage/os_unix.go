// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package usage

import (
	"bytes"
	"os"
	"syscall"
)

// links is the number of folders in a folder, plus two: the kernel keeps it for cgroups, as most file systems do.
func links(folder string) uint64 {
	var s syscall.Stat_t
	if syscall.Stat(folder, &s) != nil {
		return 0
	}
	return uint64(s.Nlink) //nolint:unconvert // 32 bits on some architectures
}

// fileOf is the folder itself, whatever path leads to it; zero if there is none.
func fileOf(folder string) file {
	var s syscall.Stat_t
	if syscall.Stat(folder, &s) != nil {
		return file{}
	}
	return file{uint64(s.Dev), s.Ino} //nolint:unconvert // 32 bits on some systems
}

// ownTime is the CPU time of this process, in µs.
func ownTime() uint64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return uint64(usage.Utime.Sec+usage.Stime.Sec)*1e6 + uint64(usage.Utime.Usec+usage.Stime.Usec)
}

// ownMemory is the resident memory of this process, in bytes: the second field of proc_pid_statm(5).
func ownMemory() uint64 {
	content, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(content)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := digits(fields[1])
	return pages * uint64(os.Getpagesize())
}
