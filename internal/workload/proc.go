// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxCGroup  = 64 << 10
	maxEnviron = 1 << 20
)

// proc is a mounted proc file system.
type proc struct{ root string }

// stat is what of /proc/PID/stat tells processes apart.
type stat struct {
	state byte
	start uint64 // field 22: since boot, in 1/100 s
}

func (p proc) file(pid uint32, name string) string {
	return filepath.Join(p.root, strconv.FormatUint(uint64(pid), 10), name)
}

// statBuffers are large enough for 52 numbers and a command of 64 bytes.
var statBuffers = sync.Pool{New: func() any { return new([1024]byte) }}

func (p proc) stat(path string) (stat, error) {
	buffer := statBuffers.Get().(*[1024]byte)
	defer statBuffers.Put(buffer)
	n, err := readInto(path, buffer[:])
	if err != nil {
		return stat{}, classify(err)
	}
	return parseStat(buffer[:n])
}

// parseStat looks for the last parenthesis, since a command may contain some.
func parseStat(text []byte) (stat, error) {
	shut := bytes.LastIndexByte(text, ')')
	if shut < 0 {
		return stat{}, fmt.Errorf("%w: stat has no command", ErrUnreadable)
	}
	var s stat
	rest := text[shut+1:]
	for field := 3; field <= 22; field++ {
		rest = bytes.TrimLeft(rest, " ")
		end := bytes.IndexByte(rest, ' ')
		if end <= 0 {
			return stat{}, fmt.Errorf("%w: stat has %d fields, want 22 or more", ErrUnreadable, field)
		}
		switch field {
		case 3:
			s.state = rest[0]
		case 22:
			for _, c := range rest[:end] {
				if !isDigit(c) {
					return stat{}, fmt.Errorf("%w: stat has start time %q", ErrUnreadable, rest[:end])
				}
				s.start = s.start*10 + uint64(c-'0')
			}
		}
		rest = rest[end:]
	}
	return s, nil
}

// read returns at most limit bytes; what follows is left unread.
func (p proc) read(pid uint32, name string, limit int64) ([]byte, error) {
	f, err := os.Open(p.file(pid, name))
	if err != nil {
		return nil, classify(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, classify(err)
	}
	return text, nil
}

// executable is the base name of the file, as the semantic convention has it, or where the collector may
// not read that, the name of the command, of which the kernel keeps 15 bytes.
func (p proc) executable(pid uint32) string {
	target, err := os.Readlink(p.file(pid, "exe"))
	if err == nil {
		return filepath.Base(strings.TrimSuffix(target, " (deleted)"))
	}
	command, _ := os.ReadFile(p.file(pid, "comm"))
	return strings.TrimSuffix(string(command), "\n")
}

func (p proc) uptime() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(p.root, "uptime"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	return time.Duration(seconds * float64(time.Second)), err
}

func (p proc) booted() (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(p.root, "stat"))
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(text)) {
		if seconds, ok := strings.CutPrefix(line, "btime "); ok {
			at, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
			return time.Unix(at, 0), err
		}
	}
	return time.Time{}, fmt.Errorf("%s has no btime", filepath.Join(p.root, "stat"))
}

// classify turns errors of files of a process into ErrGone and ErrUnreadable. What is gone also is
// fs.ErrNotExist when the file was not there to open.
func classify(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreadable, err)
}
