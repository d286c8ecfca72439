// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"errors"
	"io"
	"os"
)

// counter is a file that is read again and again: it stays open, which makes reading it several times as cheap.
type counter struct {
	path string
	file *os.File
}

// content is what is read of a file at most: memory.stat has some 50 lines.
type content [16 << 10]byte

func (c *counter) read(into *content, parse func([]byte) (uint64, error)) (uint64, error) {
	if c.file == nil {
		f, err := os.Open(c.path)
		if err != nil {
			return 0, err
		}
		c.file = f
	}
	n, err := c.file.ReadAt(into[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		c.close()
		return 0, err
	}
	return parse(into[:n])
}

func (c *counter) close() {
	if c.file != nil {
		_ = c.file.Close()
		c.file = nil
	}
}
