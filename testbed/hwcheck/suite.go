// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// check is one run of the suite on one GPU.
type check struct {
	driver *driver.Driver
	device *driver.Device
	index  int
	uuid   string

	self      string // this program
	collector string // the collector to measure; empty for none
	out       string // directory of the results
	noLoad    bool
	quick     bool
	scale     float64 // of all durations
	tests     []test

	log    io.Writer
	report *Report
	begun  time.Time

	idleWatts float64 // measured by T4; 0 if unknown
}

// test is one of section T of the check; seconds at full length.
type test struct {
	id, name string
	seconds  float64
	run      func(*check) error
}

var tests = []test{
	{"T0", "inventory", 4, (*check).inventory},
	{"T1", "call latencies", 16, (*check).latencies},
	{"T2", "update periods", 42, (*check).periods},
	{"T4", "steady load", 64, (*check).steady},
	{"T3", "bursts", 84, (*check).bursts},
	{"T5", "step response", 24, (*check).steps},
	{"T6", "attribution", 100, (*check).attribution},
	{"T7", "short processes", 14, (*check).shortProcesses},
	{"T8", "overhead", 82, (*check).overhead},
	{"T9", "parallel calls", 8, (*check).parallel},
	{"T10", "activity counters", 19, (*check).activity},
	{"trace", "recording", 66, (*check).record},
}

// choose gives the tests with these IDs, separated by commas; all if there is none.
func choose(ids string) ([]test, error) {
	if ids == "" {
		return tests, nil
	}
	var chosen []test
	wanted := strings.Split(ids, ",")
	for _, t := range tests {
		if slices.Contains(wanted, t.id) {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) != len(wanted) {
		return nil, fmt.Errorf("-only %s: want some of T0 to T10 and trace, separated by commas", ids)
	}
	return chosen, nil
}

// run makes the tests. It returns early, with a report that says so, if the driver hangs.
func (c *check) run() error {
	c.begun = time.Now()
	before := c.device.Settings()
	var left float64
	for _, t := range c.tests {
		left += t.seconds
	}
	for _, t := range c.tests {
		fmt.Fprintf(c.log, "%-5s %-18s %3.0f s, then %s left\n", t.id, t.name, c.seconds(t.seconds), clock(c.seconds(left-t.seconds)))
		if !c.attempt(t) {
			return c.finish(false)
		}
		left -= t.seconds
	}
	after := c.device.Settings()
	if maps.Equal(before, after) {
		c.report.Without("settings", "settings are as they were before", pass, "")
	} else {
		c.report.Without("settings", "settings are as they were before", fail, fmt.Sprintf("before %v, after %v", before, after))
	}
	return c.finish(true)
}

// attempt is false if the test did not come back: a driver call that hangs cannot be ended.
func (c *check) attempt(t test) bool {
	result := make(chan error, 1)
	go func() { result <- t.run(c) }()
	select {
	case err := <-result:
		switch {
		case errors.Is(err, errNoLoad):
			c.report.Without(t.id, t.name, notSupported, err.Error())
		case driver.IsNotSupported(err):
			c.report.Without(t.id, t.name, notSupported, err.Error())
		case err != nil:
			c.report.Without(t.id, t.name, fail, err.Error())
		}
		return true
	case <-time.After(2*c.patience() + time.Duration(3*c.seconds(t.seconds)*float64(time.Second))):
		c.report.Without(t.id, t.name, fail, "gave up waiting; the driver has not answered "+c.driver.InFlight())
		return false
	}
}

func (c *check) finish(completed bool) error {
	r := c.report
	r.Completed = completed
	r.Seconds = time.Since(c.begun).Seconds()
	r.Symbols, r.Answers = c.driver.Present, c.driver.Answers()
	if err := r.WriteFile(c.out); err != nil {
		return err
	}
	fmt.Fprintln(c.log)
	return r.Print(c.log)
}

// seconds is a duration of the full check, as long as it is in this one.
func (c *check) seconds(full float64) float64 { return full * c.scale }

// step says what goes on within a test.
func (c *check) step(format string, arguments ...any) {
	fmt.Fprintf(c.log, "      "+format+"\n", arguments...)
}

// withLoad starts a load process for a function.
func (c *check) withLoad(f func(*loader) error) error {
	l, err := c.startLoad()
	if err != nil {
		return err
	}
	defer l.stop()
	if _, ok := c.report.Figures["load"]; !ok {
		c.report.Figures["load"] = l.ready
	}
	return f(l)
}

// together runs functions at once, and waits for all of them.
func together(functions ...func() error) error {
	errs := make([]error, len(functions))
	var wait sync.WaitGroup
	for i, f := range functions {
		wait.Go(func() { errs[i] = f() })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func clock(seconds float64) string {
	return fmt.Sprintf("%d:%02d", int(seconds)/60, int(seconds)%60)
}

func wallMicros() int64 { return time.Now().UnixMicro() }

// words joins what is not empty.
func words(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "; ")
}

func isRoot() bool { return os.Geteuid() == 0 }
