// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/trace"
)

// record writes trace.csv.gz: what the sensors of a real GPU show, for tests to replay.
func (c *check) record() error {
	const hertz = 200
	t := &trace.Trace{About: map[string]string{
		"gpu": c.report.GPUs[c.index], "driver": c.report.Software["driver"], "poll_hz": strconv.Itoa(hertz),
	}}
	start := monotonic()
	add(t, start, "idle", c.idle(hertz, c.seconds(10)))
	err := c.withLoad(func(l *loader) error {
		for _, phase := range []struct {
			name string
			work order
		}{
			{"bursts-100ms", order{Kind: "bursts", For: c.seconds(8), Period: 0.1, Duty: 0.5}},
			{"bursts-1s", order{Kind: "bursts", For: c.seconds(8), Period: 1, Duty: 0.3}},
			{"training", order{Kind: "training", For: c.seconds(34)}},
		} {
			c.step("%s", phase.name)
			r, err := c.poll(hertz, func() error { _, err := l.run(phase.work); return err })
			if err != nil {
				return err
			}
			add(t, start, phase.name, r)
		}
		return nil
	})
	// What was recorded without load is worth keeping.
	file, failed := os.Create(filepath.Join(c.out, "trace.csv.gz"))
	if failed != nil {
		return failed
	}
	failed = errors.Join(t.Write(file), file.Close())
	if failed == nil {
		c.report.Judge("trace", "rows of trace.csv.gz", info, float64(len(t.Rows)), "", "", t.Last().Round(time.Second).String())
	}
	return errors.Join(err, failed)
}

// add appends readings to the trace: a row for each of the counter's, with the power of the same call.
func add(t *trace.Trace, start float64, phase string, r *readings) {
	instant, average := byTime(r.instant), byTime(r.average)
	for _, p := range r.counter {
		at := time.Duration((p.T - start) * 1e9).Truncate(time.Microsecond)
		t.Add(trace.Row{At: at, Counter: milli(p.V), Instant: milli(instant[p.T]), Average: milli(average[p.T]), Phase: phase})
	}
}

func byTime(s analysis.Series) map[float64]float64 {
	values := make(map[float64]float64, len(s))
	for _, p := range s {
		values[p.T] = p.V
	}
	return values
}

// milli undoes the division by 1000 of a reading.
func milli(v float64) uint64 { return uint64(v*1e3 + 0.5) }
