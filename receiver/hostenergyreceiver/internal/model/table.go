// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	_ "embed"
	"encoding/csv"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// row is one CPU of data/cpus.csv.
type row struct {
	name, class    string
	tdp            float64 // W of a package
	cores, threads int     // of a package; threads are 0 where not known
	idle, max      float64 // measured, as parts of the TDP; 0 where not
	arm            string  // implementer/part, and what sys_vendor must contain, or after ! must not
	memory         bool    // the TDP contains that of the memory
	source         string
}

type table struct {
	rows   []row
	byName map[string]*row
}

//go:embed data/cpus.csv
var embedded string

// cpus is the embedded table. It is parsed once; that it can be is tested.
var cpus = sync.OnceValue(func() *table {
	t, err := parseTable(embedded)
	if err != nil {
		return &table{}
	}
	return t
})

func parseTable(content string) (*table, error) {
	r := csv.NewReader(strings.NewReader(content))
	r.Comment = '#'
	r.FieldsPerRecord = 10
	records, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	t := &table{byName: make(map[string]*row, len(records))}
	for _, f := range records[1:] {
		tdp, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: tdp: %w", f[0], err)
		}
		c := row{name: f[0], class: f[1], tdp: tdp, arm: f[7], memory: f[8] != "", source: f[9]}
		c.cores, c.threads = number(f[3]), number(f[4])
		if f[5] != "" {
			if c.idle, err = strconv.ParseFloat(f[5], 64); err != nil {
				return nil, fmt.Errorf("%s: idle: %w", f[0], err)
			}
			if c.max, err = strconv.ParseFloat(f[6], 64); err != nil {
				return nil, fmt.Errorf("%s: max: %w", f[0], err)
			}
		}
		t.rows = append(t.rows, c)
	}
	for i := range t.rows {
		t.byName[strings.ToLower(t.rows[i].name)] = &t.rows[i]
	}
	return t, nil
}

// named finds a row by a CPU's own name, or by that in the table.
func (t *table) named(name string) (*row, bool) {
	r, ok := t.byName[strings.ToLower(normalise(name))]
	return r, ok
}

// find the row of a machine's CPU.
func (t *table) find(m Machine) (*row, bool) {
	if !m.ARM {
		return t.named(m.Model)
	}
	for _, anyBoard := range []bool{false, true} {
		for i := range t.rows {
			part, board, _ := strings.Cut(t.rows[i].arm, " ")
			board, but := strings.CutPrefix(board, "!")
			isAny := but || board == ""
			if part == m.Model && isAny == anyBoard && (board == "" || strings.Contains(m.Board, board) != but) {
				return &t.rows[i], true
			}
		}
	}
	return nil, false
}

// decoration of names in /proc/cpuinfo: "AMD EPYC 7763 64-Core Processor", "11th Gen Intel(R) Core(TM) i7-1165G7 @
// 2.80GHz", "AMD Ryzen 7 5800H with Radeon Graphics", "INTEL(R) XEON(R) PLATINUM 8581C CPU @ 2.30GHz".
var decoration = regexp.MustCompile(`(?i)\((R|TM)\)|[®™]|\bwith .*|@.*|\b\d+(st|nd|rd|th) Gen\b|\b\d+-Cores?\b|\b(AMD|Intel|CPU|Processor)\b`)

func normalise(name string) string {
	return strings.Join(strings.Fields(decoration.ReplaceAllString(name, " ")), " ")
}

// typical is what to expect of a CPU of a class: its power for a thread and for a package, and how far the class
// spreads around it (standard deviation of the logarithm of the power for a thread).
type typical struct{ perThread, perPackage, spread float64 }

// typical of a class are medians over threads, not over CPUs: a virtual CPU is more likely one of a large CPU's.
func (t *table) typical(class string) (typical, bool) {
	var members []*row
	for i := range t.rows {
		if r := &t.rows[i]; r.class == class && r.threads > 0 {
			members = append(members, r)
		}
	}
	if len(members) == 0 {
		return typical{}, false
	}
	found := typical{median(members, (*row).perThread), median(members, func(r *row) float64 { return r.tdp }), 0}
	squares, threads := 0.0, 0.0
	for _, r := range members {
		squares += float64(r.threads) * square(math.Log(r.perThread()/found.perThread))
		threads += float64(r.threads)
	}
	found.spread = math.Sqrt(squares / threads)
	return found, true
}

func (r *row) perThread() float64 { return r.tdp / float64(r.threads) }

// median of a value over all threads of CPUs.
func median(members []*row, of func(*row) float64) float64 {
	sorted := slices.SortedFunc(slices.Values(members), func(a, b *row) int { return cmp.Compare(of(a), of(b)) })
	half := 0
	for _, r := range sorted {
		half += r.threads
	}
	half /= 2
	for _, r := range sorted {
		if half -= r.threads; half < 0 {
			return of(r)
		}
	}
	return of(sorted[len(sorted)-1])
}
