// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package workload

import (
	"errors"
	"io/fs"
	"syscall"
)

// readInto reads the beginning of a file. It is os.Open and Read without their four allocations, since
// each look at a process goes through here.
func readInto(path string, buffer []byte) (int, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	for errors.Is(err, syscall.EINTR) {
		fd, err = syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	}
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, buffer)
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(fd, buffer)
	}
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return n, nil
}
