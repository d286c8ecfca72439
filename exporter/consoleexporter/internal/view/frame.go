// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package view writes a tally for a person: as frames of a live view, as plain lines, as a summary.
// Its functions are pure.
package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

// Screen is what a frame is drawn for.
type Screen struct {
	// Width and Height in cells. A frame is never larger.
	Width, Height int
	// Title of the program.
	Title string
	// Every is the time between two samples of the history.
	Every time.Duration
	Look  Look
}

// Frame draws the state as lines that fit the screen.
func Frame(s tally.Snapshot, screen Screen) []string {
	width := max(screen.Width, 1)
	out := head(s, screen, width)
	if s.Empty() {
		out = append(out, "", "Waiting for the first reading …")
		if s.Foreign > 0 {
			out = append(out, "", plural(s.Foreign, "metric")+" came, none of energy, power or emissions.")
		}
		out = append(out, paragraphs(notes(s), width, screen.Look)...)
		return crop(out, width, screen.Height)
	}
	legend := legend(s)
	foot := paragraphs(append(notes(s), legend...), width, screen.Look)

	const fixed = 4 // an empty line, headings, a rule and the total
	room := screen.Height - len(out) - fixed - len(foot)
	power := graph(s.History, screen.Every, width, screen.Look)
	lines := rows(s, min(room-len(power)-1, mostRows), screen.Look)
	if room-len(power)-1 < min(fewestRows, len(slices.Concat(rows(s, mostRows, screen.Look)...))) {
		power, lines = nil, rows(s, min(room, mostRows), screen.Look)
	}
	if !slices.ContainsFunc(lines[0], func(l line) bool { return strings.Contains(l.label.indent, part) }) {
		foot = foot[:len(foot)-len(legend)]
	}

	out = append(out, "")
	out = append(out, ruled(s, lines, width, screen.Look)...)
	if len(power) > 0 {
		out = append(append(out, ""), power...)
	}
	return crop(append(out, foot...), width, screen.Height)
}

const (
	mostRows   = 24
	fewestRows = 4
)

// ruled is the table with the total below the rows that it sums.
func ruled(s tally.Snapshot, lines []section, width int, look Look) []string {
	all := slices.Clone([]line(lines[0]))
	above := len(all)
	if len(s.Hosts) > 0 {
		all = append(all, line{label: label{name: "total"}, amount: s.Total, method: methodOf(s.Total), style: look.strong})
	}
	for _, more := range lines[1:] {
		all = append(all, more...)
	}
	heading := "DEVICE"
	if len(s.Hosts) == 0 {
		heading = ""
	}
	out := table(all, heading, width, look)
	if len(s.Hosts) == 0 {
		return out
	}
	widest := 0
	for _, l := range out {
		widest = max(widest, ansi.StringWidth(l))
	}
	return slices.Insert(out, above+1, look.faint.Render(strings.Repeat("─", widest)))
}

func head(s tally.Snapshot, screen Screen, width int) []string {
	const hint = "Ctrl-C stops and prints a summary"
	title := screen.Title
	if len(s.Hosts) == 1 && s.Hosts[0].Name != "" {
		title += " on " + s.Hosts[0].Name
	}
	since := duration(s.At.Sub(s.Started))
	left := title + "  " + since
	if len(s.Hosts) > 1 {
		left += fmt.Sprintf("  %d hosts", len(s.Hosts))
	}
	text := screen.Look.strong.Render(ansi.Truncate(left, width, "…"))
	if space := width - ansi.StringWidth(left) - ansi.StringWidth(hint); space >= 2 {
		text += strings.Repeat(" ", space) + screen.Look.faint.Render(hint)
	}
	out := []string{text}
	if origin := origin(s); origin != "" {
		out = append(out, screen.Look.faint.Render(ansi.Truncate(origin, width, "…")))
	}
	return out
}

// origin says where the intensity of the total comes from, or of whatever is shown without a total.
func origin(s tally.Snapshot) string {
	of := s.Total
	if len(of.Booked) == 0 {
		of = everything(s)
	}
	var words []string
	for _, part := range []struct {
		name string
		of   func(tally.Provenance) string
	}{
		{"zone", func(p tally.Provenance) string { return p.Zone }},
		{"quality", func(p tally.Provenance) string { return p.Quality }},
		{"source", func(p tally.Provenance) string { return p.Source }},
		{"boundary", func(p tally.Provenance) string { return p.Boundary }},
	} {
		if names := shares(of.Shares(part.of)); names != "" {
			words = append(words, part.name+" "+names)
		}
	}
	return strings.Join(words, " · ")
}

func everything(s tally.Snapshot) tally.Amount {
	var rows []tally.Row
	for _, h := range s.Hosts {
		rows = slices.Concat(rows, h.Readings, h.Devices, h.Inner)
	}
	return tally.Sum(slices.Concat(rows, s.Workloads, s.Others))
}

// distinct returns the values that the grams have, largest share first, leaving out what is not said.
func distinct(a tally.Amount, of func(tally.Provenance) string) []string {
	var names []string
	for _, share := range a.Shares(of) {
		if share.Name != "" {
			names = append(names, share.Name)
		}
	}
	return names
}

// notes are what a reader must know about the numbers above, and how to get better ones.
func notes(s tally.Snapshot) []string {
	var out []string
	all := everything(s)
	if slices.Contains(distinct(all, zoneOf), "WORLD") {
		out = append(out, worldNote)
	}
	if all.Metered && len(all.Booked) == 0 {
		out = append(out, "no emissions came with this energy: is carbonintensity in the pipeline?")
	}
	if u := s.Total.Unconverted; u > 0 && len(s.Total.Booked) > 0 {
		out = append(out, withUnit(energyUnits, u)+" came without emissions")
	}
	out = append(out, mixtures(s.Total)...)
	for _, name := range slices.Sorted(maps.Keys(s.Total.Alternatives)) {
		out = append(out, fmt.Sprintf("%s emissions: %s, not added to the above", name, withUnit(massUnits, s.Total.Alternatives[name])))
	}
	if grid := gridNow(s.Grid); grid != "" {
		out = append(out, grid)
	}
	if s.Skipped[tally.Limit] > 0 {
		out = append(out, limitNote(s))
	}
	if reasons := otherSkips(s.Skipped); reasons != "" {
		out = append(out, "points left out: "+reasons)
	}
	return out
}

// legend explains the mark of parts, in at most one line.
func legend(s tally.Snapshot) []string {
	switch {
	case slices.ContainsFunc(s.Hosts, func(h tally.HostTotal) bool { return h.Whole() && len(h.Devices) > 0 }):
		return []string{part + "part of the host's own reading, not added to it"}
	case slices.ContainsFunc(s.Hosts, func(h tally.HostTotal) bool { return len(h.Inner) > 0 }):
		return []string{part + "part of a device, not added to it"}
	default:
		return nil
	}
}

const worldNote = "world average; set CARBON_ZONE to your grid (e.g. CARBON_ZONE=DE) for your own"

func limitNote(s tally.Snapshot) string {
	return fmt.Sprintf("totals are incomplete: %s beyond max_streams (%d) left out", plural(s.Skipped[tally.Limit], "point"), s.Limit)
}

func mixtures(total tally.Amount) []string {
	var out []string
	for _, kind := range []struct {
		name string
		of   func(tally.Provenance) string
	}{
		{"boundaries", func(p tally.Provenance) string { return p.Boundary }},
		{"gases", func(p tally.Provenance) string { return p.Gas }},
	} {
		if names := distinct(total, kind.of); len(names) > 1 {
			out = append(out, "the total adds different "+kind.name+": "+strings.Join(names, ", "))
		}
	}
	return out
}

func gridNow(grid []tally.Intensity) string {
	const most = 4
	var words []string
	for i, g := range grid {
		if i == most {
			words = append(words, fmt.Sprintf("+%d more", len(grid)-most))
			break
		}
		word := cmp.Or(g.Zone, "grid") + " " + intensity(g.GramsPerKWh)
		if g.Quality != "" {
			word += " " + g.Quality
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return ""
	}
	return "grid now, g/kWh: " + strings.Join(words, ", ")
}

func otherSkips(skipped map[tally.Reason]int64) string {
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		if n := skipped[reason]; n > 0 && reason != tally.Limit {
			words = append(words, fmt.Sprintf("%d for their %s", n, reason))
		}
	}
	return strings.Join(words, ", ")
}

// paragraphs wraps notes below an empty line.
func paragraphs(notes []string, width int, look Look) []string {
	if len(notes) == 0 {
		return nil
	}
	out := []string{""}
	for _, n := range notes {
		for l := range strings.SplitSeq(ansi.Wrap(n, width, ""), "\n") {
			out = append(out, look.warn.Render(l))
		}
	}
	return out
}

func crop(lines []string, width, height int) []string {
	lines = lines[:min(len(lines), max(height, 1))]
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, width, "…")
	}
	return lines
}

func methodOf(a tally.Amount) string {
	switch names := slices.Collect(maps.Keys(a.ByMethod)); len(names) {
	case 0:
		return dash
	case 1:
		return methodName(names[0])
	default:
		return mixed
	}
}
