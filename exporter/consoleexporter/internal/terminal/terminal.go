// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package terminal keeps a frame at the top of a terminal, while log lines of others scroll below it.
//
// It only writes: the terminal stays in its normal mode, so Ctrl-C reaches the process as a signal.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// Terminal is a screen that frames are painted on. Not safe for concurrent use.
type Terminal struct {
	out  io.Writer
	size func() (width, height int)

	width, height int
	used          int // lines of the last frame; 0 before the first
}

// Open returns the terminal that a file is, or false if it is none that can show frames.
func Open(file *os.File) (*Terminal, bool) {
	fd := int(file.Fd())
	if !term.IsTerminal(fd) || os.Getenv("TERM") == "dumb" {
		return nil, false
	}
	return &Terminal{out: file, size: func() (width, height int) {
		width, height, err := term.GetSize(fd)
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	}}, true
}

const (
	// roomForLogs is how many lines below the frame are left to log lines, where there is room.
	roomForLogs = 5
	leastLogs   = 2
)

// Size is the largest frame that the terminal has room for now.
func (t *Terminal) Size() (width, height int) {
	width, height = t.size()
	return width, max(1, height-max(leastLogs, min(roomForLogs, height-24+roomForLogs)))
}

// Paint shows a frame instead of the last one. Every line is drawn anew, so what was printed over the
// frame is gone with the next one. Lines below the frame scroll by themselves and are not touched.
func (t *Terminal) Paint(frame []string) error {
	width, height := t.size()
	frame = frame[:min(len(frame), max(1, height-leastLogs))]
	var b strings.Builder
	b.WriteString(ansi.HideCursor)
	resized := t.used > 0 && (t.width != width || t.height != height)
	moved := t.used != len(frame) || resized
	switch {
	case t.used == 0:
		// What stands on the screen moves up, into the terminal's history.
		b.WriteString(ansi.CursorPosition(1, height) + strings.Repeat("\n", height))
	case t.used < len(frame) && !resized:
		// Log lines make room at the top of their region, the oldest first.
		b.WriteString(ansi.CursorPosition(1, height) + strings.Repeat("\n", len(frame)-t.used))
	}
	b.WriteString(ansi.SaveCursor)
	b.WriteString(ansi.SetTopBottomMargins(len(frame)+1, height))
	for i, line := range frame {
		// Erased first: at the end of a full line, erasing would take its last character.
		b.WriteString(ansi.CursorPosition(1, i+1) + ansi.EraseEntireLine + line)
	}
	switch {
	case resized:
		// The terminal may have folded the lines of the old frame into the region below.
		b.WriteString(ansi.CursorPosition(1, len(frame)+1) + ansi.EraseScreenBelow)
	default:
		for i := len(frame); i < t.used; i++ {
			b.WriteString(ansi.CursorPosition(1, i+1) + ansi.EraseEntireLine)
		}
	}
	if moved {
		b.WriteString(ansi.CursorPosition(1, height))
	} else {
		b.WriteString(ansi.RestoreCursor)
	}
	t.used, t.width, t.height = len(frame), width, height
	return t.write(b.String())
}

// Close leaves the last frame where it is and gives the terminal back as it was found, with the
// cursor below everything.
func (t *Terminal) Close() error {
	if t.used == 0 {
		return nil
	}
	_, height := t.size()
	t.used = 0
	return t.write(ansi.SetTopBottomMargins(1, height) + ansi.CursorPosition(1, height) + ansi.ShowCursor)
}

func (t *Terminal) write(s string) error {
	if _, err := io.WriteString(t.out, s); err != nil {
		return fmt.Errorf("write to the terminal: %w", err)
	}
	return nil
}
