// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// shortProcesses is T7: who sees processes that live for a fraction of a second?
func (c *check) shortProcesses() error {
	if c.noLoad {
		return errNoLoad
	}
	out, err := newTable(c.out, "T7-short-processes.csv", "process", "lived_s", "in_utilization", "in_list")
	if err != nil {
		return err
	}
	if _, err := c.device.ComputeProcesses(); driver.IsNotSupported(err) {
		return closing(err, out)
	}
	type short struct {
		pid   uint32
		lived float64
	}
	var processes []short
	utilized, listed := map[uint32]bool{}, map[uint32]bool{}
	before := map[uint32]bool{}
	pids, _ := c.device.ComputeProcesses()
	for _, pid := range pids {
		before[pid] = true
	}
	since, finished := c.driverClock()(), make(chan struct{})
	err = together(func() error {
		defer close(finished)
		for range int(max(c.seconds(12), 4)) {
			began := monotonic()
			l, err := c.startLoad()
			if err != nil {
				return err
			}
			_, err = l.run(order{Kind: "bursts", For: 0.1, Period: 0.02, Duty: 0.9})
			l.stop()
			if err != nil {
				return err
			}
			processes = append(processes, short{l.pid, monotonic() - began})
		}
		sleepUntil(monotonic() + max(c.seconds(2), 0.2))
		return nil
	}, func() error {
		for i := 0; ; i++ {
			pids, _ := c.device.ComputeProcesses() // what fails once is missed once
			for _, pid := range pids {
				listed[pid] = listed[pid] || !before[pid]
			}
			if i%10 == 0 {
				samples, _ := c.device.ProcessUtilization(since)
				for _, s := range samples {
					since, utilized[s.PID] = max(since, s.At), true
				}
			}
			select {
			case <-finished:
				return nil
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	var inUtilization, inList int
	var lives []float64
	for i, p := range processes {
		lives = append(lives, p.lived)
		out.add(i, p.lived, strconv.FormatBool(utilized[p.pid]), strconv.FormatBool(listed[p.pid]))
		if utilized[p.pid] {
			inUtilization++
		}
		if listed[p.pid] {
			inList++
		}
	}
	if err == nil {
		note := fmt.Sprintf("of %d that lived %.2g s; polled at 1 Hz and 10 Hz", len(processes), analysis.Summarize(lives).P50)
		c.report.Judge("T7.utilization", "short processes seen by ProcessUtilization", info, float64(inUtilization), "", "", note)
		c.report.Judge("T7.list", "short processes seen in the list", info, float64(inList), "", "", note)
	}
	return closing(err, out)
}
