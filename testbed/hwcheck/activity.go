// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// activity is T10: are the activity counters that MIG attribution needs there, and right?
func (c *check) activity() error {
	out, err := newTable(c.out, "T10-activity.csv", "pair_s", "graphics", "sm")
	if err != nil {
		return err
	}
	err = c.withLoad(func(l *loader) error {
		for _, pair := range []float64{0.11, 1} {
			if err := c.pairs(l, out, pair); err != nil {
				return err
			}
		}
		return nil
	})
	memory := []driver.Field{{ID: driver.FieldAverage, Scope: 2}}
	switch failed := c.device.Fields(memory); {
	case failed == nil && memory[0].Err == nil && memory[0].Value > 0:
		c.report.Judge("T10.memory", "power of scope 2, memory", info, float64(memory[0].Value)/1e3, "W", "", "")
	default:
		c.report.Without("T10.memory", "power of scope 2, memory", notSupported, answer(errors.Join(failed, memory[0].Err)))
	}
	return closing(err, out)
}

// pairs compares pairs of samples with a load that works half of the time.
func (c *check) pairs(l *loader, out *table, pair float64) error {
	const duty = 0.5
	seconds := max(c.seconds(8), 3*pair)
	gpm, err := c.device.NewGPM()
	if err != nil {
		return err
	}
	defer gpm.Close()
	var graphics, sm []float64
	var work done
	err = together(
		func() (err error) {
			work, err = l.run(order{Kind: "bursts", For: seconds, Period: 0.037, Duty: duty})
			return err
		},
		func() error {
			for until := monotonic() + seconds; monotonic()+pair <= until; {
				sleepUntil(monotonic() + pair)
				a, err := gpm.Next()
				if err != nil {
					return err
				}
				out.add(pair, a.Graphics, a.SM)
				graphics, sm = append(graphics, a.Graphics), append(sm, a.SM)
			}
			return nil
		})
	if err != nil {
		return err
	}
	want := 100 * work.Busy / (work.To - work.From)
	g, s := analysis.Summarize(graphics), analysis.Summarize(sm)
	c.report.Judge(fmt.Sprintf("T10.gpm.%vs", pair), fmt.Sprintf("GPM graphics activity, pairs of %v s, off by", pair), within(math.Abs(g.Mean-want) <= 10),
		g.Mean-want, "points", "10", fmt.Sprintf("CUDA says %s %% busy, SM activity %s %%", short(want), short(s.Mean)))
	return nil
}
