// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// cost is what measuring costs the load, and the machine.
type cost struct {
	Who         string            `json:"who"`
	Hertz       float64           `json:"hz"`
	Iterations  float64           `json:"iterations_per_s"`
	Launch      *analysis.Summary `json:"launch_us"`
	Allocate    *analysis.Summary `json:"allocate_us"`
	CPU         float64           `json:"cpu_share_of_a_core"`
	ResidentMiB float64           `json:"resident_mib,omitempty"`
	Call        analysis.Summary  `json:"call_us"`
}

// overhead is T8: what it costs to be measured at 1, 10 and 100 Hz.
func (c *check) overhead() error {
	out, err := newTable(c.out, "T8-overhead.csv", "who", "hz", "iterations_per_s", "launch_p50_us", "launch_p99_us", "allocate_p50_us", "allocate_p99_us", "cpu_share", "resident_mib", "call_p99_us")
	if err != nil {
		return err
	}
	return closing(c.withLoad(func(l *loader) error {
		var costs []cost
		measure := func(who string, hertz float64) (cost, error) {
			c.step("%s at %v Hz", who, hertz)
			measured, err := c.cost(l, who, hertz)
			if err != nil {
				return measured, err
			}
			costs = append(costs, measured)
			out.add(measured.Who, measured.Hertz, measured.Iterations, measured.Launch.P50, measured.Launch.P99, measured.Allocate.P50,
				measured.Allocate.P99, measured.CPU, measured.ResidentMiB, measured.Call.P99)
			return measured, nil
		}
		first, err := measure("nobody", 0)
		if err != nil {
			return err
		}
		observers := []string{"loop"}
		if c.collector != "" {
			observers = append(observers, "collector")
		}
		var observed []cost
		for _, who := range observers {
			for _, hertz := range []float64{1, 10, 100} {
				o, err := measure(who, hertz)
				if err != nil && who == "collector" {
					c.report.Without("T8.collector", "the collector", fail, err.Error())
					break
				}
				if err != nil {
					return err
				}
				observed = append(observed, o)
			}
		}
		last, err := measure("nobody", 0)
		if err != nil {
			return err
		}
		c.report.Figures["T8.cost"] = costs
		for _, o := range observed {
			c.judgeCost(o, first, last)
		}
		return nil
	}), out)
}

// judgeCost compares with what was before and after: they differ by what the machine does by itself.
func (c *check) judgeCost(o, first, last cost) {
	id, item := fmt.Sprintf("T8.%s.%vHz", o.Who, o.Hertz), fmt.Sprintf("%s at %v Hz", o.Who, o.Hertz)
	free := (first.Iterations + last.Iterations) / 2
	noise := math.Abs(first.Iterations-last.Iterations) / free
	loss := 1 - o.Iterations/free
	judgement, limit := info, ""
	if o.Hertz == 1 {
		judgement, limit = within(loss <= 0.001), "at most 0.1 %"
		if noise > 0.001 && judgement == fail {
			judgement = info
		}
	}
	c.report.Judge(id+".throughput", item+", throughput lost", judgement, 100*loss, "%", limit, fmt.Sprintf("without, it varies by %s %%", short(100*noise)))
	judgement, limit = info, ""
	if o.Hertz == 10 {
		judgement, limit = within(o.CPU < 0.005), "below 0.5 %"
	}
	c.report.Judge(id+".cpu", item+", CPU", judgement, 100*o.CPU, "% of a core", limit, "")
	c.report.Judge(id+".launch", item+", launch p99", info, o.Launch.P99, "us", "", "without "+short(first.Launch.P99))
}

// cost runs the load while somebody measures: nobody, a loop in this process like the receiver's, or the collector.
func (c *check) cost(l *loader, who string, hertz float64) (cost, error) {
	o := cost{Who: who, Hertz: hertz}
	var calls []float64
	stop, stopped := make(chan struct{}), make(chan struct{})
	usage := ownCPU
	switch who {
	case "loop":
		go func() { calls = c.loop(hertz, stop); close(stopped) }()
	case "collector":
		running, err := c.startCollector(hertz)
		if err != nil {
			return o, err
		}
		usage = running.cpu
		defer func() { running.stop() }()
		go func() { <-stop; o.ResidentMiB = running.residentMiB(); close(stopped) }()
	default:
		close(stopped)
	}
	before, began := usage(), monotonic()
	work, err := l.run(order{Kind: "bursts", For: c.seconds(5.5), Period: 0.2, Duty: 1})
	o.CPU = (usage() - before) / (monotonic() - began)
	if err == nil {
		o.Iterations = work.Iterations / (work.To - work.From)
		work, err = l.run(order{Kind: "latency", For: c.seconds(3)})
		o.Launch, o.Allocate = work.Launch, work.Allocate
	}
	close(stop)
	<-stopped
	o.Call = analysis.Summarize(calls)
	return o, err
}

// loop reads as the receiver does: counter and power each time, processes once a second.
func (c *check) loop(hertz float64, stop <-chan struct{}) (took []float64) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / hertz))
	defer tick.Stop()
	fields := []driver.Field{{ID: driver.FieldAverage}}
	var since uint64
	for i := 0; ; i++ {
		select {
		case <-stop:
			return took
		case <-tick.C:
		}
		before := monotonic()
		_, _ = c.device.Counter() // only the time counts
		_ = c.device.Fields(fields)
		if i%int(max(hertz, 1)) == 0 {
			_, _ = c.device.ComputeProcesses()
			samples, _ := c.device.ProcessUtilization(since)
			for _, s := range samples {
				since = max(since, s.At)
			}
		}
		took = append(took, 1e6*(monotonic()-before))
	}
}

// ownCPU is the CPU time of this process, in s.
func ownCPU() float64 {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // cannot fail
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
