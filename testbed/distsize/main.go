// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Command distsize prints, as a Markdown table, what the components of the distribution cost: the packages and
// the compile time that nothing else in it needs, and how much smaller the binary is without them.
//
//	go run ./testbed/distsize [flags] [component[+component]...]
//
// Each argument is one row; components joined by + are left out together, because each alone frees little of a
// library that they share. Without arguments each component is a row. No file of the tree changes: the reduced
// list is laid over the committed one.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// cost is a row of the table.
type cost struct {
	name     string
	packages int
	seconds  float64 // of CPU time
	bytes    int64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "distsize:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	components := flag.String("components", committed, "the list of components, as the collector builder generates it")
	tags := flag.String("tags", "", "build tags")
	actions := flag.String("actiongraph", "", "output of a cold `go build -debug-actiongraph`; without it compile time is 0")
	flag.Parse()

	compile, err := readActionGraph(*actions)
	if err != nil {
		return err
	}
	all, err := readList(*components)
	if err != nil {
		return err
	}
	groups, err := all.groups(flag.Args())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "distsize-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	measure := func(l list) (c cost, err error) {
		packages, size, err := builder{dir: dir, tags: *tags}.build(ctx, l)
		for _, pkg := range packages {
			c.seconds += compile[pkg]
		}
		c.packages, c.bytes = len(packages), size
		return c, err
	}
	fmt.Fprintln(os.Stderr, "building the whole list")
	whole, err := measure(all)
	if err != nil {
		return err
	}
	whole.name = "**whole binary**"
	var costs []cost
	for i, group := range groups {
		name := strings.Join(group, " + ")
		fmt.Fprintf(os.Stderr, "%d of %d: without %s\n", i+1, len(groups), name)
		rest, err := measure(all.without(group))
		if err != nil {
			return err
		}
		costs = append(costs, cost{name, whole.packages - rest.packages, whole.seconds - rest.seconds, whole.bytes - rest.bytes})
	}
	slices.SortStableFunc(costs, func(a, b cost) int { return cmp.Compare(b.bytes, a.bytes) })
	fmt.Println("| component | packages | compile, CPU s | MB |\n|---|--:|--:|--:|")
	for _, c := range append(costs, whole) {
		fmt.Printf("| %s | %d | %.1f | %.1f |\n", c.name, c.packages, c.seconds, float64(c.bytes)/1e6)
	}
	return nil
}

// readActionGraph returns the seconds of CPU time that each package took to compile.
func readActionGraph(file string) (map[string]float64, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var actions []struct {
		Mode, Package   string
		CmdUser, CmdSys time.Duration
	}
	if err := json.Unmarshal(text, &actions); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	seconds := map[string]float64{}
	for _, action := range actions {
		if action.Mode != "link" {
			seconds[action.Package] += (action.CmdUser + action.CmdSys).Seconds()
		}
	}
	return seconds, nil
}
