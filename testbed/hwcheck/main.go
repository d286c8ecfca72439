// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

// Command hwcheck measures how well the driver of the NVIDIA GPU at hand measures, and how well its energy
// can be attributed. docs/accuracy.md says what it does and why. It changes no setting.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// Exit codes: some item failed its limit; the check could not be made.
const (
	exitFailed = 1
	exitUnable = 2
)

func main() {
	if len(os.Args) > 1 {
		commands := map[string]func([]string) error{"load": runLoad, "probe": runProbe}
		if command, ok := commands[os.Args[1]]; ok {
			if err := command(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, "hwcheck "+os.Args[1]+":", err)
				os.Exit(exitUnable)
			}
			return
		}
	}
	failed, err := runCheck(os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "hwcheck:", err)
		os.Exit(exitUnable)
	case failed:
		os.Exit(exitFailed)
	}
}

// runCheck is the command without a name.
func runCheck(arguments []string) (failed bool, err error) {
	c := &check{log: os.Stdout, report: newReport()}
	var only string
	flags := flag.NewFlagSet("hwcheck", flag.ExitOnError)
	flags.StringVar(&c.out, "out", "hwcheck-results", "directory for CSV files, results.json and trace.csv.gz")
	flags.IntVar(&c.index, "gpu", 0, "index of the GPU, as nvidia-smi has it")
	flags.BoolVar(&c.quick, "quick", false, "less than 2 minutes, and less exact")
	flags.BoolVar(&c.noLoad, "no-load", false, "put no load on the GPU, and leave out what needs it")
	flags.StringVar(&c.collector, "collector", "", "an otelcol-carbon binary whose overhead to measure as well")
	flags.StringVar(&only, "only", "", "the tests to make, as in T0,T3; empty for all")
	flags.Func("scale", "", func(s string) (err error) { c.scale, err = strconv.ParseFloat(s, 64); return err })
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: hwcheck [-out DIR] [-gpu N] [-quick] [-no-load] [-only T0,T3] [-collector BINARY]\n"+
			"       hwcheck load [-duty .5] [-period 100ms] [-for 12s] [-kind bursts|latency|training] [-uuid UUID]\n"+
			"       hwcheck probe [-gpu N]\n\nflags of the first:")
		flags.VisitAll(func(f *flag.Flag) {
			if f.Usage != "" { // -scale is for tests
				fmt.Fprintf(flags.Output(), "  -%-10s %s\n", f.Name, f.Usage)
			}
		})
	}
	_ = flags.Parse(arguments) // exits on errors
	if flags.NArg() > 0 {
		return false, fmt.Errorf("what is %q? The commands are load and probe", flags.Arg(0))
	}
	if c.tests, err = choose(only); err != nil {
		return false, err
	}
	if c.scale == 0 {
		c.scale = 1
		if c.quick {
			c.scale = 0.18
		}
	}
	if c.self, err = os.Executable(); err != nil {
		return false, err
	}
	if err := os.MkdirAll(c.out, 0o750); err != nil {
		return false, err
	}
	if err := c.open(); err != nil {
		return false, err
	}
	c.report.Variant = map[bool]string{true: "quick", false: "full"}[c.quick]
	err = c.run()
	return c.report.Failed() || !c.report.Completed, errors.Join(err, c.close())
}

func (c *check) open() (err error) {
	if c.driver, err = driver.Open(); err != nil {
		return fmt.Errorf("no NVIDIA driver: %w", err)
	}
	count, err := c.driver.Count()
	if err != nil {
		return err
	}
	if c.index < 0 || c.index >= count {
		return fmt.Errorf("-gpu %d: there are %d GPUs, counted from 0", c.index, count)
	}
	for i := range count {
		name := "?"
		if device, err := c.driver.Device(i); err == nil {
			name, _ = device.Name()
		}
		c.report.GPUs = append(c.report.GPUs, name)
	}
	if c.device, err = c.driver.Device(c.index); err != nil {
		return err
	}
	c.report.Software["driver"], c.report.Software["nvml"] = c.driver.Versions()
	c.uuid, err = c.device.UUID()
	return err
}

// close leaves a driver that hangs alone.
func (c *check) close() error {
	if !c.report.Completed {
		return nil
	}
	return c.driver.Shutdown()
}
