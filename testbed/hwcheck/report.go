// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Judgement is the word of a verdict.
type Judgement string

const (
	pass         Judgement = "PASS"
	fail         Judgement = "FAIL"
	info         Judgement = "INFO" // a figure without a limit, or one that could not be judged
	notSupported Judgement = "NOT SUPPORTED"
)

// Verdict is what the check found on one item.
type Verdict struct {
	// ID is the test and the item, such as T4.load.counter.
	ID        string    `json:"id"`
	Item      string    `json:"item"`
	Judgement Judgement `json:"verdict"`
	Value     *float64  `json:"value,omitempty"`
	Unit      string    `json:"unit,omitempty"`
	// Limit that the value was held against; empty if there is none.
	Limit string `json:"limit,omitempty"`
	// Note says what else is to know, or why there is no value.
	Note string `json:"note,omitempty"`
}

// Report is results.json. It names no host and no user.
type Report struct {
	Format    string                    `json:"format"`
	Variant   string                    `json:"variant"`
	Completed bool                      `json:"completed"`
	Seconds   float64                   `json:"seconds"`
	Software  map[string]string         `json:"software"`
	GPUs      []string                  `json:"gpus"`
	Facts     map[string]string         `json:"facts"`
	Symbols   map[string]bool           `json:"nvml_symbols"`
	Answers   map[string]map[string]int `json:"nvml_answers"`
	Figures   map[string]any            `json:"figures"`
	Verdicts  []Verdict                 `json:"verdicts"`
}

func newReport() *Report {
	return &Report{
		Format:   "otelcol-carbon/hwcheck/1",
		Software: map[string]string{"go": runtime.Version(), "arch": runtime.GOARCH},
		Facts:    map[string]string{},
		Figures:  map[string]any{},
	}
}

// Judge adds a verdict.
func (r *Report) Judge(id, item string, judgement Judgement, value float64, unit, limit, note string) {
	r.Verdicts = append(r.Verdicts, Verdict{id, item, judgement, &value, unit, limit, note})
}

// Without adds a verdict that has no value.
func (r *Report) Without(id, item string, judgement Judgement, why string) {
	r.Verdicts = append(r.Verdicts, Verdict{ID: id, Item: item, Judgement: judgement, Note: strings.ReplaceAll(why, "\n", "; ")})
}

// Failed tells whether any item did.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return v.Judgement == fail })
}

// WriteFile writes results.json into the directory.
func (r *Report) WriteFile(dir string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.json"), append(content, '\n'), 0o600)
}

// Print writes the table of verdicts, one line an item.
func (r *Report) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range r.Verdicts {
		value := ""
		if v.Value != nil {
			value = strings.TrimSpace(short(*v.Value) + " " + v.Unit)
		}
		limit := ""
		if v.Limit != "" {
			limit = "(" + v.Limit + ")"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Judgement, v.ID, v.Item, value, limit, v.Note)
	}
	return table.Flush()
}

// short is a number with four digits that count.
func short(x float64) string {
	s := strconv.FormatFloat(x, 'g', 4, 64)
	if strings.Contains(s, "e") {
		s = strconv.FormatFloat(x, 'f', 0, 64)
		if s == "0" || s == "-0" {
			s = strconv.FormatFloat(x, 'g', 2, 64)
		}
	}
	return s
}

// within judges a value by a limit.
func within(ok bool) Judgement {
	if ok {
		return pass
	}
	return fail
}
