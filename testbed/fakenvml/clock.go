// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"encoding/binary"
	"os"
	"time"
)

// Clock is the time of a scenario, held by a file of 8 bytes: nanoseconds, little endian. Whoever has
// the scenario loaded, in whatever process, sees the new time at once.
type Clock struct {
	path string
	file *os.File
}

// NewClock creates the file. The time is 0.
func NewClock(path string) (*Clock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	c := &Clock{path: path, file: file}
	if err := c.Set(0); err != nil {
		_ = file.Close()
		return nil, err
	}
	return c, nil
}

// Set sets the time since the beginning of the scenario.
func (c *Clock) Set(t time.Duration) error {
	_, err := c.file.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(max(t, 0))), 0)
	return err
}

// Close closes the file and leaves it there for those who have it loaded.
func (c *Clock) Close() error { return c.file.Close() }
