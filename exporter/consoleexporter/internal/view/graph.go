// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

const graphRows = 4

// blocks fill a cell from below in eighths. A line of corner pieces would only have the rows
// themselves as steps.
var blocks = []rune(" ▁▂▃▄▅▆▇█")

// graph draws the last samples of the total power that have room, one per cell, above a zero line,
// with a round number at the top. It returns nothing as long as there is no course to see.
func graph(history []float64, every time.Duration, width int, look Look) []string {
	largest, known := 0.0, 0
	for _, w := range history {
		if !math.IsNaN(w) {
			largest, known = max(largest, w), known+1
		}
	}
	if known < 2 {
		return nil
	}
	s := scaleFor(powerUnits, largest)
	top := roundUp(largest / s.unit.size)
	label := strconv.FormatFloat(top, 'f', -1, 64) + " " + s.unit.name
	room := width - ansi.StringWidth(label+" ┤")
	if room < 2 {
		return nil
	}
	history = history[max(0, len(history)-room):]

	caption := "total power, last " + duration(time.Duration(len(history)-1)*every)
	lines := []string{look.faint.Render(caption)}
	for row := graphRows - 1; row >= 0; row-- {
		name := ""
		switch row {
		case graphRows - 1:
			name = label
		case 0:
			name = "0"
		}
		var cells strings.Builder
		for _, w := range history {
			cells.WriteRune(cell(w/s.unit.size/top*graphRows - float64(row)))
		}
		axis := look.faint.Render(pad(name, ansi.StringWidth(label), true) + " ┤")
		lines = append(lines, axis+look.graph.Render(strings.TrimRight(cells.String(), " ")))
	}
	return lines
}

// cell is filled by a part of its height. What is not known stays empty.
func cell(filled float64) rune {
	if math.IsNaN(filled) {
		return ' '
	}
	eighths := math.Round(filled * float64(len(blocks)-1))
	return blocks[int(min(max(eighths, 0), float64(len(blocks)-1)))]
}

// roundUp returns the least round number that is not below v.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}
