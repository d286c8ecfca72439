// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// counter is a file that is read again and again: it stays open, which makes reading it several times as cheap.
type counter struct {
	path string
	file *os.File
}

// text is what is read of a file at most: memory.stat has some 50 lines.
var text [16 << 10]byte

func (c *counter) read(parse func([]byte) (uint64, error)) (uint64, error) {
	if c.file == nil {
		f, err := os.Open(c.path)
		if err != nil {
			return 0, err
		}
		c.file = f
	}
	n, err := c.file.ReadAt(text[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		c.close()
		return 0, err
	}
	return parse(text[:n])
}

func (c *counter) close() {
	if c.file != nil {
		_ = c.file.Close()
		c.file = nil
	}
}

// links is the number of folders in a folder, plus two: the kernel keeps it for cgroups, as most file systems do.
func links(folder string) uint64 {
	var s syscall.Stat_t
	if syscall.Stat(folder, &s) != nil {
		return 0
	}
	return uint64(s.Nlink) //nolint:unconvert // 32 bits on some architectures
}
