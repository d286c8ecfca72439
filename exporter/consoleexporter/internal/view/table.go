// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"math"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

// line is one line of the table before it is laid out.
type line struct {
	label  label
	amount tally.Amount
	method string
	style  lipgloss.Style
	// title lines have no numbers.
	title bool
	// inner lines are parts of others in the table.
	inner bool
}

// label names a line. The name gives way in its middle when there is no room.
type label struct{ indent, kind, name string }

type column int

const (
	powerColumn column = iota
	energyColumn
	emissionsColumn
	intensityColumn
	zoneColumn
	qualityColumn
	methodColumn
	columns
)

const (
	gap        = 2
	leastLabel = 20
	widest     = 44 // label; further apart the eye loses the line
	wide       = 120
)

// table lays the lines out in a width, header first.
func table(lines []line, heading string, width int, look Look) []string {
	cells, headers := fill(lines)
	kindWidth := 0
	for _, l := range lines {
		if l.label.kind != "" && l.label.name != "" {
			kindWidth = max(kindWidth, ansi.StringWidth(l.label.indent+l.label.kind))
		}
	}
	shown, widths, labelWidth := fit(lines, kindWidth, cells, headers, width)
	kindWidth = min(kindWidth, max(7, labelWidth/3))

	render := func(name string, row [columns]string) string {
		var b strings.Builder
		b.WriteString(pad(name, labelWidth, false))
		for c := range columns {
			if shown[c] {
				b.WriteString(strings.Repeat(" ", gap))
				b.WriteString(pad(row[c], widths[c], c <= intensityColumn))
			}
		}
		return ansi.Truncate(strings.TrimRight(b.String(), " "), width, "…")
	}
	out := []string{look.faint.Render(render(heading, headers))}
	for i, l := range lines {
		if l.title {
			out = append(out, l.style.Render(ansi.Truncate(l.label.name, width, "…")))
			continue
		}
		text := render(l.label.fit(kindWidth, labelWidth), cells[i])
		if l.method == estimated && shown[methodColumn] {
			if head, ok := strings.CutSuffix(text, estimated); ok {
				out = append(out, l.style.Render(head)+look.warn.Render(estimated))
				continue
			}
		}
		out = append(out, l.style.Render(text))
	}
	return out
}

// fill writes the cells, with one scale per column.
func fill(lines []line) (cells [][columns]string, headers [columns]string) {
	var watts, joules, grams float64
	for _, l := range lines {
		g, _ := l.amount.Grams()
		grams, joules = max(grams, g), max(joules, l.amount.Joules)
		if !math.IsNaN(l.amount.Watts) {
			watts = max(watts, l.amount.Watts)
		}
	}
	w, j, g := scaleFor(powerUnits, watts), scaleFor(energyUnits, joules), scaleFor(massUnits, grams)
	headers = [columns]string{
		"POWER " + w.unit.name, "ENERGY " + j.unit.name, "CO2e " + g.unit.name, "g/kWh", "ZONE", "QUALITY", "METHOD",
	}
	for _, l := range lines {
		if l.title {
			cells = append(cells, [columns]string{})
			continue
		}
		cells = append(cells, [columns]string{
			power(l.amount, w), energy(l.amount, j), emissions(l.amount, g), perKWh(l.amount),
			orDash(shares(l.amount.Shares(zoneOf))), orDash(shares(l.amount.Shares(qualityOf))), l.method,
		})
	}
	return cells, headers
}

func power(a tally.Amount, s scale) string {
	if math.IsNaN(a.Watts) {
		return dash
	}
	return s.format(a.Watts)
}

func energy(a tally.Amount, s scale) string {
	if !a.Metered {
		return dash
	}
	return s.format(a.Joules)
}

func emissions(a tally.Amount, s scale) string {
	grams, reported := a.Grams()
	if !reported {
		return dash
	}
	return s.format(grams)
}

func perKWh(a tally.Amount) string {
	v, known := a.Intensity()
	if !known {
		return dash
	}
	return intensity(v)
}

// fit chooses the columns that the width has room for. What is the same on every line goes first: the
// line above the table says it. Whether energy is an estimate is always said.
func fit(lines []line, kindWidth int, cells [][columns]string, headers [columns]string, width int) (shown [columns]bool, widths [columns]int, labelWidth int) {
	longest, widestCell := 0, 13
	if width >= wide {
		widestCell = 27
	}
	for i, l := range lines {
		if l.title {
			continue
		}
		longest = max(longest, ansi.StringWidth(l.label.fit(kindWidth, math.MaxInt)))
		for c := range columns {
			widths[c] = max(widths[c], ansi.StringWidth(headers[c]), min(ansi.StringWidth(cells[i][c]), widestCell))
		}
	}
	for c := range columns {
		shown[c] = true
	}
	room := func() int {
		left := width
		for c := range columns {
			if shown[c] {
				left -= gap + widths[c]
			}
		}
		return left
	}
	for _, step := range []struct {
		column  column
		least   int
		uniform bool
	}{
		{zoneColumn, leastLabel, true},
		{qualityColumn, leastLabel, true},
		{methodColumn, leastLabel, true},
		{qualityColumn, 3 * leastLabel / 4, false},
		{intensityColumn, leastLabel / 2, false},
		{zoneColumn, leastLabel / 2, false},
		{emissionsColumn, leastLabel / 2, false},
	} {
		if room() >= min(longest, step.least) {
			break
		}
		if !step.uniform || uniform(cells, step.column) {
			shown[step.column] = false
		}
	}
	return shown, widths, max(min(room(), longest, widest), leastLabel/2)
}

// uniform reports whether the column says the same everywhere, and nothing a reader must see.
func uniform(cells [][columns]string, c column) bool {
	value := ""
	for _, row := range cells {
		switch {
		case row[c] == "" || row[c] == dash:
		case row[c] == estimated || row[c] == mixed || value != "" && row[c] != value:
			return false
		default:
			value = row[c]
		}
	}
	return true
}

func (l label) fit(kindWidth, width int) string {
	if l.kind == "" || l.name == "" {
		return middle(l.indent+l.kind+l.name, width)
	}
	kind := pad(l.indent+l.kind, kindWidth, false) + " "
	return kind + middle(l.name, width-ansi.StringWidth(kind))
}

// middle shortens a name in its middle: identifiers differ at their ends.
func middle(s string, width int) string {
	const end = 7
	excess := ansi.StringWidth(s) - width
	switch {
	case excess <= 0:
		return s
	case width <= end:
		return ansi.Truncate(s, max(width, 0), "…")
	default:
		return ansi.Truncate(s, width-end, "…") + ansi.TruncateLeft(s, ansi.StringWidth(s)-end, "")
	}
}

func pad(s string, width int, right bool) string {
	s = ansi.Truncate(s, width, "…")
	space := strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
	if right {
		return space + s
	}
	return s + space
}
