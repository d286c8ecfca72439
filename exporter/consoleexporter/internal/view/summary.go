// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

// Summary says what the whole run came to.
func Summary(s tally.Snapshot, title string) string {
	var b strings.Builder
	entry := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-15s%s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s, summary\n", title)
	entry("duration", "%s", exactDuration(s.At.Sub(s.Started)))
	if s.Empty() {
		entry("energy", "no reading came")
		return b.String()
	}
	total := s.Total
	entry("energy", "%s", summaryEnergy(total))
	grams, reported := total.Grams()
	if !reported {
		entry("emissions", "none reported")
	} else {
		text := withUnit(massUnits, grams) + " CO2e"
		if perKWh, known := total.Intensity(); known {
			text += " (" + intensity(perKWh) + " g/kWh)"
		}
		entry("emissions", "%s", text)
		quality := func(p tally.Provenance) string { return cmp.Or(p.Quality, "not stated") }
		entry("by quality", "%s", split(total.Shares(quality), grams, massUnits))
		entry("by zone", "%s", split(total.Shares(zoneOf), grams, massUnits))
	}
	if total.Metered {
		entry("by method", "%s", methods(total))
	}
	if total.Unconverted > 0 {
		entry("not converted", "%s came without emissions", withUnit(energyUnits, total.Unconverted))
	}
	for _, n := range summaryNotes(s) {
		entry("note", "%s", n)
	}
	return b.String()
}

func summaryEnergy(total tally.Amount) string {
	if !total.Metered {
		return "none reported"
	}
	text := plainNumber(total.Joules/kilowattHour) + " kWh"
	if s := scaleFor(energyUnits, total.Joules); s.unit.name != "kWh" {
		text += " (" + withUnit(energyUnits, total.Joules) + ")"
	}
	return text
}

// split writes the parts of a sum, all in the unit that suits the sum.
func split(parts []tally.Share, whole float64, units []unit) string {
	const most = 8
	scale := scaleFor(units, whole)
	var words []string
	for i, p := range parts {
		if i == most {
			words = append(words, fmt.Sprintf("and %d more", len(parts)-most))
			break
		}
		words = append(words, fmt.Sprintf("%s %s (%s %s)", p.Name, percent(p.Part), scale.format(p.Amount), scale.unit.name))
	}
	return strings.Join(words, ", ")
}

func methods(total tally.Amount) string {
	parts := total.Methods()
	for i, p := range parts {
		parts[i].Name = cmp.Or(p.Name, "not stated")
		if p.Name == "model" {
			parts[i].Name = estimated + " (model)"
		}
	}
	return split(parts, total.Joules, energyUnits)
}

func summaryNotes(s tally.Snapshot) []string {
	out := mixtures(s.Total)
	for _, name := range slices.Sorted(maps.Keys(s.Total.Alternatives)) {
		out = append(out, fmt.Sprintf("%s emissions %s, not added to the above", name, withUnit(massUnits, s.Total.Alternatives[name])))
	}
	if slices.Contains(distinct(s.Total, zoneOf), "WORLD") {
		out = append(out, worldNote)
	}
	if s.Skipped[tally.Limit] > 0 {
		out = append(out, limitNote(s))
	}
	if reasons := otherSkips(s.Skipped); reasons != "" {
		out = append(out, "points left out: "+reasons)
	}
	return out
}

// exactDuration shows tenths for short runs.
func exactDuration(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	return duration(d)
}
