// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

// unit is a step of a scale: it is used from least base units on.
type unit struct {
	name  string
	size  float64
	least float64
}

const (
	wattHour     = 3600.0 // J
	kilowattHour = 3.6e6  // J
)

var (
	powerUnits = []unit{{"W", 1, 0}, {"kW", 1e3, 1e3}, {"MW", 1e6, 1e6}}
	// kJ only until there are 10 Wh: from there on hours say more.
	energyUnits = []unit{
		{"J", 1, 0},
		{"kJ", 1e3, 1e3},
		{"Wh", wattHour, 10 * wattHour},
		{"kWh", kilowattHour, kilowattHour},
		{"MWh", 1e3 * kilowattHour, 1e3 * kilowattHour},
	}
	massUnits = []unit{{"mg", 1e-3, 0}, {"g", 1, 1}, {"kg", 1e3, 1e3}, {"t", 1e6, 1e6}}
)

// scale writes the numbers of a column: one unit and one number of decimals for all of them, set by
// the largest, so that they can be compared at a glance.
type scale struct {
	unit     unit
	decimals int
}

func scaleFor(units []unit, largest float64) scale {
	chosen := units[0]
	for _, u := range units[1:] {
		if largest >= u.least {
			chosen = u
		}
	}
	return scale{chosen, decimals(largest / chosen.size)}
}

// decimals gives 3 to 4 significant digits.
func decimals(v float64) int {
	switch {
	case v < 10:
		return 3
	case v < 100:
		return 2
	case v < 1000:
		return 1
	default:
		return 0
	}
}

func (s scale) format(v float64) string {
	text := strconv.FormatFloat(v/s.unit.size, 'f', s.decimals, 64)
	if v > 0 && !strings.ContainsAny(text, "123456789") {
		// Not zero, yet too small for the column.
		return "<" + text[:len(text)-1] + "1"
	}
	return text
}

// withUnit writes a number that stands alone.
func withUnit(units []unit, v float64) string {
	s := scaleFor(units, v)
	return s.format(v) + " " + s.unit.name
}

func intensity(gramsPerKWh float64) string {
	if gramsPerKWh >= 100 {
		return strconv.FormatFloat(gramsPerKWh, 'f', 0, 64)
	}
	return strconv.FormatFloat(gramsPerKWh, 'f', 1, 64)
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

func duration(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h >= 24:
		return fmt.Sprintf("%dd %02dh %02dm", h/24, h%24, m)
	case h > 0:
		return fmt.Sprintf("%dh %02dm %02ds", h, m, s)
	case m > 0:
		return fmt.Sprintf("%dm %02ds", m, s)
	default:
		return fmt.Sprintf("%ds", s)
	}
}

// shares writes the parts of the grams: the name alone if it is the only one.
func shares(parts []tally.Share) string {
	const most = 3
	if len(parts) == 1 {
		return parts[0].Name
	}
	words := make([]string, 0, most)
	for i, p := range parts {
		if i == most-1 && len(parts) > most {
			words = append(words, fmt.Sprintf("+%d", len(parts)-i))
			break
		}
		words = append(words, orDash(p.Name)+" "+percent(p.Part))
	}
	return strings.Join(words, ", ")
}

// percent never rounds a part to nothing or to all.
func percent(part float64) string {
	switch p := math.Round(part * 100); {
	case p == 0 && part > 0:
		return "<1%"
	case p == 100 && part < 1:
		return ">99%"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	}
}

// zoneOf, qualityOf and methodName name what the data does not say with a dash.
func zoneOf(p tally.Provenance) string    { return orDash(p.Zone) }
func qualityOf(p tally.Provenance) string { return orDash(p.Quality) }

// estimated is what modelled energy is called wherever a person reads it.
const estimated = "estimated"

// mixed is what was measured or modelled by more than one method, and so may be estimated in part.
const mixed = "mixed"

func methodName(method string) string {
	if method == "model" {
		return estimated
	}
	return orDash(method)
}

const dash = "–"

func orDash(s string) string {
	if s == "" {
		return dash
	}
	return s
}
