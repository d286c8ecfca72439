// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

// section is a part of the table: what the total sums, then workloads, then others.
type section []line

// rows chooses what is shown in at most budget lines, largest first. What does not fit is summed in a
// line that says how many it stands for.
func rows(s tally.Snapshot, budget int, look Look) []section {
	workloads := list("workloads: shares of the above", s.Workloads, look)
	others := list("others: in no total", s.Others, look)
	devices := tree(s.Hosts, look)
	rest := len(workloads) + len(others)
	mine := max(budget/2, budget-rest)
	if len(s.Hosts) > 1 && len(devices) > mine {
		devices = hostsOnly(s.Hosts, look)
	}
	devices = limit(devices, mine)
	left := budget - len(devices)
	workloads = limit(workloads, max(left/2, left-len(others)))
	return []section{devices, workloads, limit(others, left-len(workloads))}
}

const part = "└ "

// tree has a line per device, below their host where there are several hosts or it has its own reading.
func tree(hosts []tally.HostTotal, look Look) section {
	var out section
	for _, h := range hosts {
		indent, inner := "", part
		if len(hosts) > 1 || len(h.Readings) > 0 {
			out = append(out, hostLine(h, look))
			indent, inner = "  ", "  "+part
		}
		if h.Whole() {
			indent = part
		}
		out = append(out, lines(h.Devices, indent)...)
		out = append(out, lines(h.Inner, inner)...)
	}
	return out
}

func hostsOnly(hosts []tally.HostTotal, look Look) section {
	var out section
	for _, h := range hosts {
		out = append(out, hostLine(h, look))
	}
	return out
}

func hostLine(h tally.HostTotal, look Look) line {
	return line{label: label{kind: "host", name: orDash(h.Name)}, amount: h.Total, method: methodOf(h.Total), style: look.strong}
}

func lines(rows []tally.Row, indent string) section {
	alike := make(map[[2]string]int)
	for _, r := range rows {
		alike[[2]string{r.Kind, r.Name}]++
	}
	var out section
	for _, r := range rows {
		name := r.Name
		if alike[[2]string{r.Kind, r.Name}] > 1 {
			name = apart(name, r)
		}
		out = append(out, line{
			label:  label{indent: indent, kind: r.Kind, name: name},
			amount: r.Amount,
			method: methodName(r.Method),
			inner:  r.Family == tally.Inner,
		})
	}
	return out
}

// apart tells things with the same name apart by the end of their identifier.
func apart(name string, r tally.Row) string {
	const end = 6
	id := []rune(r.ID)
	if r.ID == "" || r.ID == name {
		return name
	}
	if len(id) > end {
		id = id[len(id)-end:]
	}
	return name + " " + string(id)
}

func list(title string, rows []tally.Row, look Look) section {
	if len(rows) == 0 {
		return nil
	}
	return append(section{{title: true}, {title: true, label: label{name: title}, style: look.faint}}, lines(rows, "")...)
}

// limit keeps at most n lines, the last of which sums the ones that are left out.
func limit(all section, n int) section {
	if len(all) <= n {
		return all
	}
	n = max(n, 1)
	var left int
	var whole []tally.Row
	for _, l := range all[n-1:] {
		if l.title {
			continue
		}
		left++
		if !l.inner {
			whole = append(whole, tally.Row{Amount: l.amount})
		}
	}
	sum := tally.Sum(whole)
	return append(all[:n-1:n-1], line{
		label:  label{name: fmt.Sprintf("… and %d more", left)},
		amount: sum,
		method: methodOf(sum),
	})
}
