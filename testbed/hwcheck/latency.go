// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// call is one of those whose time counts.
type call struct {
	name string
	make func() error
}

func calls(device *driver.Device) []call {
	fields := func(ids ...uint32) func() error {
		fields := make([]driver.Field, len(ids))
		for i, id := range ids {
			fields[i].ID = id
		}
		return func() error {
			err := device.Fields(fields)
			for _, f := range fields {
				err = errors.Join(err, f.Err)
			}
			return err
		}
	}
	return []call{
		{"TotalEnergyConsumption", func() error { _, err := device.Counter(); return err }},
		{"PowerUsage", func() error { _, err := device.PowerUsage(); return err }},
		{"FieldValues(counter)", fields(driver.FieldCounter)},
		{"FieldValues(counter,instant,average)", fields(driver.FieldCounter, driver.FieldInstant, driver.FieldAverage)},
		{"Samples(power)", func() error { _, err := device.Samples(0, 0); return err }},
		{"ProcessUtilization", func() error { _, err := device.ProcessUtilization(0); return err }},
		{"ComputeRunningProcesses", func() error { _, err := device.ComputeProcesses(); return err }},
	}
}

// latencies is T1: how long calls take, and whether the counter survives that the library is closed.
func (c *check) latencies() error {
	const calling = 2000
	out, err := newTable(c.out, "T1-latencies.csv", "call", "n", "mean_us", "p50_us", "p99_us", "max_us")
	if err != nil {
		return err
	}
	row := func(name string, took []float64) analysis.Summary {
		s := analysis.Summarize(took)
		out.add(name, s.N, s.Mean, s.P50, s.P99, s.Max)
		return s
	}
	summaries := map[string]analysis.Summary{}
	for _, call := range calls(c.device) {
		if err := call.make(); driver.IsNotSupported(err) {
			c.report.Without("T1."+call.name, "latency of "+call.name, notSupported, answer(err))
			continue
		}
		var took []float64
		for until := monotonic() + c.seconds(2); len(took) < calling && monotonic() < until; {
			before := monotonic()
			_ = call.make() // an answer may be that there is nothing
			took = append(took, 1e6*(monotonic()-before))
		}
		s := row(call.name, took)
		summaries[call.name] = s
		c.report.Judge("T1."+call.name, "latency of "+call.name+", p99", info, s.P99, "us", "", fmt.Sprintf("p50 %s, max %s", short(s.P50), short(s.Max)))
	}
	c.report.Figures["T1.latency_us"] = summaries

	var took []float64
	first, began, supported := uint64(0), monotonic(), true
	for i := 0; i < 20 && supported; i++ {
		mJ, err := c.device.Counter()
		supported = err == nil
		if i == 0 {
			first = mJ
		}
		before := monotonic()
		if err := c.reopen(); err != nil {
			return err
		}
		took = append(took, 1e6*(monotonic()-before))
	}
	row("Shutdown and Init", took)
	if last, err := c.device.Counter(); err == nil && supported {
		joules, most := (float64(last)-float64(first))/1e3, 1.5*c.limitWatts()*(monotonic()-began+0.5)
		c.report.Judge("T1.reinit", "counter's growth over 20 shutdowns", within(joules >= 0 && joules <= most), joules, "J",
			fmt.Sprintf("0 to %s J", short(most)), "")
	}
	return out.close()
}

func (c *check) reopen() error {
	if err := errors.Join(c.driver.Shutdown(), c.driver.Init()); err != nil {
		return err
	}
	var err error
	c.device, err = c.driver.Device(c.index)
	return err
}

// limitWatts is the most that the GPU may draw; generous if it does not say.
func (c *check) limitWatts() float64 {
	mW, err := strconv.ParseFloat(c.report.Facts["max_limit_mw"], 64)
	if err != nil || mW <= 0 {
		return 3000
	}
	return mW / 1e3
}

// parallel is T9: whether threads that call at the same time get more done.
func (c *check) parallel() error {
	out, err := newTable(c.out, "T9-parallel.csv", "threads", "calls_per_s")
	if err != nil {
		return err
	}
	if _, err := c.device.Counter(); err != nil {
		return errors.Join(err, out.close())
	}
	rates := map[int]float64{}
	threads := []int{1, 2, 4, 8}
	for _, n := range threads {
		counts := make([]int, n)
		began := monotonic()
		until := began + c.seconds(2)
		var callers []func() error
		for i := range n {
			callers = append(callers, func() error {
				for monotonic() < until {
					if _, err := c.device.Counter(); err != nil {
						return err
					}
					counts[i]++
				}
				return nil
			})
		}
		if err := together(callers...); err != nil {
			return err
		}
		sum := 0
		for _, n := range counts {
			sum += n
		}
		rates[n] = float64(sum) / (monotonic() - began)
		out.add(n, rates[n])
	}
	c.report.Figures["T9.calls_per_s"] = rates
	gain := rates[slices.Max(threads)] / max(rates[1], 1)
	c.report.Judge("T9.gain", "calls/s of 8 threads against 1", info, gain, "times", "", short(rates[1])+" calls/s with one")
	return out.close()
}
