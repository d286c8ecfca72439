// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPaint(t *testing.T) {
	var out bytes.Buffer
	width, height := 80, 24
	term := &Terminal{out: &out, size: func() (int, int) { return width, height }}
	paint := func(lines int) string {
		out.Reset()
		frame := make([]string, lines)
		for i := range frame {
			frame[i] = "line"
		}
		require.NoError(t, term.Paint(frame))
		return out.String()
	}
	const first, again, toBottom = "\x1b[1;1H\x1b[2Kline", "\x1b8", "\x1b[24;1H"

	start := paint(3)
	assert.Contains(t, start, strings.Repeat("\n", height), "what stood there is pushed into the history")
	assert.Contains(t, start, "\x1b[4;24r", "log lines scroll below the frame")
	assert.Contains(t, start, first)
	assert.True(t, strings.HasSuffix(start, toBottom))

	same := paint(3)
	assert.NotContains(t, same, "\n")
	assert.Contains(t, same, first, "every line is drawn anew")
	assert.True(t, strings.HasSuffix(same, again), "log lines go on where they were")

	grown := paint(5)
	assert.Equal(t, 2, strings.Count(grown, "\n"), "log lines make room")
	assert.Contains(t, grown, "\x1b[6;24r")

	shrunk := paint(4)
	assert.Contains(t, shrunk, "\x1b[5;1H\x1b[2K", "what is left of the old frame is wiped")

	height = 10
	resized := paint(4)
	assert.Contains(t, resized, "\x1b[5;10r")
	assert.Contains(t, resized, "\x1b[5;1H\x1b[J")

	assert.NotContains(t, paint(50), "\x1b[9;1H\x1b[2Kline", "room for log lines is kept")

	out.Reset()
	require.NoError(t, term.Close())
	assert.Equal(t, "\x1b[1;10r\x1b[10;1H\x1b[?25h", out.String())
	out.Reset()
	require.NoError(t, term.Close())
	assert.Empty(t, out.String())
}

func TestSizeLeavesRoomForLogs(t *testing.T) {
	for height, want := range map[int]int{2: 1, 10: 8, 20: 18, 22: 19, 24: 19, 50: 45} {
		term := &Terminal{size: func() (int, int) { return 80, height }}
		_, got := term.Size()
		assert.Equal(t, want, got, "height %d", height)
	}
}

func TestFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	_, ok := Open(f)
	assert.False(t, ok)
	require.NoError(t, f.Close())
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestPaintSaysWhatFailed(t *testing.T) {
	term := &Terminal{out: broken{}, size: func() (int, int) { return 80, 24 }}
	require.EqualError(t, term.Paint([]string{"x"}), "write to the terminal: gone")
}
