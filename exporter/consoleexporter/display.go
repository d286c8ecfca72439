// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package consoleexporter

import (
	"io"
	"os"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/terminal"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/view"
)

// display is where a person looks.
type display interface {
	show(tally.Snapshot) error
	// close ends with the summary.
	close(tally.Snapshot) error
}

func newDisplay(stdout *os.File, title string, every time.Duration) display {
	if t, ok := terminal.Open(stdout); ok {
		return &live{stdout, t, title, every, view.LookFor(stdout)}
	}
	return &plain{out: stdout, title: title}
}

// live repaints a frame in a terminal.
type live struct {
	out      io.Writer
	terminal *terminal.Terminal
	title    string
	every    time.Duration
	look     view.Look
}

func (l *live) show(s tally.Snapshot) error {
	width, height := l.terminal.Size()
	return l.terminal.Paint(view.Frame(s, view.Screen{
		Width: width, Height: height, Title: l.title, Every: l.every, Look: l.look,
	}))
}

func (l *live) close(s tally.Snapshot) error {
	if err := l.terminal.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(l.out, "\n"+view.Summary(s, l.title))
	return err
}

// plain prints lines for pipes and log files.
type plain struct {
	out   io.Writer
	title string
	shown int // batch up to which everything is printed
}

func (p *plain) show(s tally.Snapshot) error {
	after := p.shown
	p.shown = s.Batch
	_, err := io.WriteString(p.out, view.Plain(s, after))
	return err
}

func (p *plain) close(s tally.Snapshot) error {
	_, err := io.WriteString(p.out, "\n"+view.Summary(s, p.title))
	return err
}
