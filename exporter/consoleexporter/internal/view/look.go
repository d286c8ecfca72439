// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"io"

	"github.com/charmbracelet/lipgloss"
)

// Look is how the parts of a frame are set off from one another. The zero Look is plain text.
type Look struct{ strong, faint, warn, graph lipgloss.Style }

// LookFor returns the look that suits a terminal: no colour where NO_COLOR or TERM say so. It keeps to
// the terminal's own sixteen colours, so its theme decides what they look like.
func LookFor(terminal io.Writer) Look {
	r := lipgloss.NewRenderer(terminal)
	return Look{
		strong: r.NewStyle().Bold(true),
		faint:  r.NewStyle().Faint(true),
		warn:   r.NewStyle().Foreground(lipgloss.ANSIColor(3)),
		graph:  r.NewStyle().Foreground(lipgloss.ANSIColor(6)),
	}
}
