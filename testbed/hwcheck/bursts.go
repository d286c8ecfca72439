// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
)

// bursts is T3: does the counter see all of the time, or a part of it? Steady power cannot tell; bursts in
// step with the sensor can.
func (c *check) bursts() error {
	out, err := newTable(c.out, "T3-bursts.csv", "period_ms", "phase", "joules", "seconds", "busy_s", "expected_joules", "error")
	if err != nil {
		return err
	}
	err = c.withLoad(func(l *loader) error {
		levels, err := c.levels(l)
		if err != nil {
			return err
		}
		c.report.Figures["T3.levels_w"] = levels
		errors := map[int][]float64{}
		for _, b := range []struct {
			period, phases int // period in ms
			seconds        float64
		}{{20, 1, 4}, {50, 4, 3}, {90, 1, 9}, {100, 4, 3}, {110, 1, 9}, {200, 1, 5}, {400, 1, 5}, {1000, 1, 8}} {
			if c.quick && (b.period == 20 || b.period > 110) {
				continue
			}
			c.step("period %d ms", b.period)
			for phase := range b.phases {
				e, ok, err := c.burst(l, out, levels, float64(b.period)/1e3, float64(phase)/float64(b.phases), c.seconds(b.seconds))
				if err != nil {
					return err
				}
				if ok {
					errors[b.period] = append(errors[b.period], e)
				}
			}
			id, item := "T3."+strconv.Itoa(b.period)+"ms", fmt.Sprintf("counter's error, bursts each %d ms", b.period)
			if len(errors[b.period]) == 0 {
				c.report.Without(id, item, info, "the counter changed less than twice")
				continue
			}
			c.report.Judge(id, item, info, 100*analysis.WorstOf(errors[b.period]), "%", "", fmt.Sprintf("rms %s over %d phases", short(100*analysis.RootMeanSquare(errors[b.period])), len(errors[b.period])))
		}
		c.judgePartTime(errors)
		return nil
	})
	return closing(err, out)
}

// levels are what the counter says of steady work and, after it, of rest with the context open.
func (c *check) levels(l *loader) (analysis.Levels, error) {
	c.step("levels")
	high, err := c.poll(200, func() error {
		_, err := l.run(order{Kind: "bursts", For: c.seconds(8), Period: 0.1, Duty: 1})
		return err
	})
	if err != nil {
		return analysis.Levels{}, err
	}
	low := c.idle(200, c.seconds(6))
	settle := c.seconds(2)
	if len(high.counter) == 0 || len(low.counter) == 0 {
		_, err := c.device.Counter()
		return analysis.Levels{}, errors.Join(err, errors.New("no reading of the counter"))
	}
	wHigh, okHigh := analysis.CounterWindow(high.counter, high.counter[0].T+settle, math.Inf(1))
	wLow, okLow := analysis.CounterWindow(low.counter, low.counter[0].T+settle, math.Inf(1))
	if !okHigh || !okLow {
		return analysis.Levels{}, errors.New("the counter changed less than twice")
	}
	return analysis.Levels{High: wHigh.Watts(), Low: wLow.Watts()}, nil
}

// burst plays one period at one phase, and gives the error of the counter as a fraction.
func (c *check) burst(l *loader, out *table, levels analysis.Levels, period, phase, seconds float64) (e float64, ok bool, err error) {
	var work done
	r, err := c.poll(1000, func() (err error) {
		work, err = l.run(order{Kind: "bursts", For: seconds, Period: period, Duty: 0.5, Phase: phase * period})
		return err
	})
	if err != nil {
		return 0, false, err
	}
	// The first periods are for the power to settle, and the last may be cut.
	settle := min(3*period, seconds/4)
	w, ok := analysis.CounterWindow(r.counter, work.From+settle, work.From+seconds-period/2)
	if !ok {
		return 0, false, nil
	}
	busy := analysis.Busy(work.Bursts, w.From, w.To)
	expected := levels.Energy(w.Seconds(), busy)
	e = analysis.RelativeError(w.Joules, expected)
	out.add(1e3*period, phase, w.Joules, w.Seconds(), busy, expected, e)
	return e, true, nil
}

func (c *check) judgePartTime(errors map[int][]float64) {
	const id, item = "T3.part-time", "counter in step with bursts, beside its error out of step"
	p := analysis.JudgePartTime(errors)
	c.report.Figures[id] = p
	note := fmt.Sprintf("out of step %s %%", short(100*p.Unlocked))
	switch {
	case p.Found:
		c.report.Judge(id, item, fail, 100*p.Locked, "%", "10 %", words("the counter sees a part of the time", note))
	case p.Clear:
		c.report.Judge(id, item, pass, 100*p.Locked, "%", "10 %", words("the counter sees all of the time", note))
	default:
		c.report.Judge(id, item, info, 100*p.Locked, "%", "10 %", words("cannot be told", note))
	}
}
