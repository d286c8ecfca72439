// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"fmt"
	"math"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
)

// periods is T2: how often each sensor has something new.
func (c *check) periods() error {
	const hertz = 1000
	out, err := newTable(c.out, "T2-changes.csv", "phase", "sensor", "t_s", "value")
	if err != nil {
		return err
	}
	histogram, err := newTable(c.out, "T2-histogram.csv", "phase", "sensor", "interval_from_s", "count")
	if err != nil {
		return err
	}
	judge := func(phase string, r *readings) {
		r.writeChanges(out, phase)
		for _, s := range r.sensors() {
			id, item := "T2."+phase+"."+s.name, "update period of "+s.name+", "+phase
			p := analysis.UpdatePeriod(s.series)
			for _, bin := range analysis.Histogram(analysis.Intervals(s.series.Changes()), 0.005) {
				histogram.add(phase, s.name, bin.From, bin.Count)
			}
			c.report.Figures[id] = p
			switch {
			case len(s.series) == 0:
				c.report.Without(id, item, notSupported, "")
			case p.Interval.N == 0:
				c.report.Without(id, item, info, "it did not change")
			case s.name == "counter":
				// 10 Hz is the slowest that has been reported.
				c.report.Judge(id, item, within(p.Interval.P50 <= 0.12), 1e3*p.Interval.P50, "ms", "at most 120", fmt.Sprintf("steps of %s J", short(p.Step.P50)))
			default:
				c.report.Judge(id, item, info, 1e3*p.Interval.P10, "ms", "", fmt.Sprintf("a tenth of the changes are closer; half, than %s ms", short(1e3*p.Interval.P50)))
			}
		}
		if lag := analysis.Summarize(r.lag); lag.N > 0 {
			c.report.Figures["T2."+phase+".field_lag_s"] = lag
			c.report.Judge("T2."+phase+".lag", "age of the field's time stamp, "+phase, info, 1e3*lag.P50, "ms", "", fmt.Sprintf("p99 %s; %d polls left out", short(1e3*lag.P99), r.missed))
		}
	}
	c.step("idle")
	judge("idle", c.idle(hertz, c.seconds(10)))
	c.step("load")
	err = c.withLoad(func(l *loader) error {
		r, err := c.poll(hertz, func() error {
			_, err := l.run(order{Kind: "bursts", For: c.seconds(30), Period: 0.73, Duty: 0.6})
			return err
		})
		judge("load", r)
		return err
	})
	return closing(err, out, histogram)
}

// steady is T4: at steady power, all ways to energy must agree.
func (c *check) steady() error {
	out, err := newTable(c.out, "T4-steady.csv", "phase", "source", "joules", "seconds", "watts", "against_counter")
	if err != nil {
		return err
	}
	c.step("idle")
	c.compare(out, "idle", c.idle(100, c.seconds(30)), 0)
	c.step("load")
	err = c.withLoad(func(l *loader) error {
		r, err := c.poll(100, func() error {
			_, err := l.run(order{Kind: "bursts", For: c.seconds(32), Period: 0.1, Duty: 1})
			return err
		})
		// Power and means take a while to get there.
		c.compare(out, "load", r, min(2, c.seconds(4)))
		return err
	})
	return closing(err, out)
}

// compare judges what each source makes of readings, from settle seconds after their beginning.
func (c *check) compare(out *table, phase string, r *readings, settle float64) {
	if len(r.counter) == 0 {
		c.report.Without("T4."+phase, "counter against power, "+phase, notSupported, "no counter")
		return
	}
	w, ok := analysis.CounterWindow(r.counter, r.counter[0].T+settle, math.Inf(1))
	if !ok {
		c.report.Without("T4."+phase, "counter against power, "+phase, info, "the counter changed less than twice")
		return
	}
	out.add(phase, "counter", w.Joules, w.Seconds(), w.Watts(), 0.0)
	if phase == "idle" {
		c.idleWatts = w.Watts()
	}
	c.report.Judge("T4."+phase+".power", "mean power, "+phase, info, w.Watts(), "W", "", "by the counter")
	for _, source := range []struct {
		name      string
		series    analysis.Series
		integrate func(analysis.Series, float64, float64) (float64, float64)
		judged    bool
	}{
		{"instant-100Hz", r.instant, analysis.Trapezoid, phase == "load"},
		{"instant-10Hz", r.instant.Decimate(0.1), analysis.Trapezoid, false},
		{"instant-1Hz", r.instant.Decimate(1), analysis.Trapezoid, false},
		{"average-1Hz", r.average.Decimate(1), analysis.Rectangles, false},
		{"usage-1Hz", r.usage.Decimate(1), analysis.Rectangles, false},
		{"samples", c.ringSince(w), analysis.Trapezoid, false},
	} {
		id, item := "T4."+phase+"."+source.name, "counter against "+source.name+", "+phase
		joules, seconds := source.integrate(source.series, w.From, w.To)
		if seconds == 0 {
			c.report.Without(id, item, notSupported, "fewer than two readings")
			continue
		}
		watts := joules / seconds
		deviation := analysis.RelativeError(w.Watts(), watts)
		out.add(phase, source.name, joules, seconds, watts, deviation)
		judgement, limit := info, ""
		if source.judged {
			judgement, limit = within(math.Abs(deviation) <= 0.02), "2 %"
		}
		c.report.Judge(id, item, judgement, 100*deviation, "%", limit, "")
	}
}

// ringSince are the driver's samples of power within a window, by our clock.
func (c *check) ringSince(w analysis.Window) analysis.Series {
	samples, err := c.device.Samples(0, 0)
	if err != nil {
		return nil
	}
	offset := monotonic() - float64(wallMicros())/1e6
	var s analysis.Series
	for _, sample := range samples {
		if t := float64(sample.At)/1e6 + offset; t >= w.From && t <= w.To {
			s = append(s, analysis.Point{T: t, V: float64(sample.Value) / 1e3})
		}
	}
	return s
}

// steps is T5: how late and how slowly each source follows.
func (c *check) steps() error {
	out, err := newTable(c.out, "T5-steps.csv", "edge", "sensor", "delay_s", "rise_s")
	if err != nil {
		return err
	}
	half := max(c.seconds(2), 0.5) // s at work, and at rest
	delays, rises := map[string][]float64{}, map[string][]float64{}
	err = c.withLoad(func(l *loader) error {
		var work done
		r, err := c.poll(500, func() (err error) {
			sleepUntil(monotonic() + half)
			work, err = l.run(order{Kind: "bursts", For: 10 * half, Period: 2 * half, Duty: 0.5})
			return err
		})
		sources := append(r.sensors(), sensor{"counter's rate", analysis.Rate(r.counter)})[1:]
		for _, burst := range work.Bursts {
			for _, source := range sources {
				for edge, at := range map[string]float64{"up": burst.From, "down": burst.To} {
					step, ok := analysis.StepResponse(source.series, at, at-half, at+half, 10)
					if ok {
						out.add(edge, source.name, step.Delay, step.Rise)
						delays[source.name], rises[source.name] = append(delays[source.name], step.Delay), append(rises[source.name], step.Rise)
					}
				}
			}
		}
		return err
	})
	if err != nil {
		return closing(err, out)
	}
	for _, name := range []string{"instant", "average", "usage", "counter's rate"} {
		delay, rise := analysis.Summarize(delays[name]), analysis.Summarize(rises[name])
		if delay.N == 0 {
			c.report.Without("T5."+name, "delay of "+name, info, "no step was seen")
			continue
		}
		c.report.Figures["T5."+name] = map[string]analysis.Summary{"delay_s": delay, "rise_s": rise}
		c.report.Judge("T5."+name, "delay of "+name, within(delay.P50 <= 2), delay.P50, "s", "at most 2", fmt.Sprintf("rise %s s, %d steps", short(rise.P50), delay.N))
	}
	return closing(nil, out)
}

// closing joins the errors of what was measured and of closing its files.
func closing(err error, tables ...*table) error {
	for _, t := range tables {
		if failed := t.close(); err == nil {
			err = failed
		}
	}
	return err
}
