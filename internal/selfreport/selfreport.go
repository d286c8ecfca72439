// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package selfreport says at the start of a receiver what it found, what it did not, why, and how to get it:
// one table in the log.
package selfreport

import (
	"slices"
	"strings"
	"text/tabwriter"

	"go.uber.org/zap"
)

// Row is one thing that a receiver looked for.
type Row struct {
	// What was looked for: "RAPL (powercap)".
	What string
	// State of it.
	State State
	// Detail is what was found, or why nothing was.
	Detail string
	// Remedy is how to get it, one line; empty if there is nothing to do.
	Remedy string
}

// State of what was looked for.
type State string

const (
	// Used means: it was found and is in use.
	Used State = "used"
	// Spare means: it was found, and something better covers the same.
	Spare State = "spare"
	// Refused means: it is there and cannot be read.
	Refused State = "refused"
	// Absent means: it is not there.
	Absent State = "absent"
	// Off means: it was not asked for.
	Off State = "off"
)

// Log writes the table, as one entry: a warning if something is refused, as then there is something to do.
func Log(logger *zap.Logger, rows []Row) {
	level := zap.InfoLevel
	if slices.ContainsFunc(rows, func(r Row) bool { return r.State == Refused }) {
		level = zap.WarnLevel
	}
	logger.Log(level, "self-report\n"+Table(rows))
}

// Table has a line for each row, and one below it for each remedy.
func Table(rows []Row) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		_, _ = w.Write([]byte("  " + r.What + "\t" + string(r.State) + "\t" + oneLine(r.Detail) + "\n"))
		if r.Remedy != "" {
			_, _ = w.Write([]byte("  \t\t-> " + oneLine(r.Remedy) + "\n"))
		}
	}
	_ = w.Flush()
	return strings.TrimSuffix(text.String(), "\n")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
