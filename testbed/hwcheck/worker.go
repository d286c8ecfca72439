// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/cuda"
)

// worker is a load process.
type worker struct {
	gpu *cuda.GPU
	// rate of the burn kernel, in iterations per second.
	rate float64
}

// runLoad is the command "hwcheck load".
func runLoad(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	uuid := flags.String("uuid", "", "the GPU, by NVML's UUID; empty for the first one")
	serve := flags.Bool("serve", false, "take orders from standard input")
	duty := flags.Float64("duty", 1, "share of the time with work, above 0 up to 1")
	period := flags.Duration("period", 100*time.Millisecond, "time from burst to burst")
	length := flags.Duration("for", 10*time.Second, "how long")
	kind := flags.String("kind", "bursts", "bursts, latency or training")
	_ = flags.Parse(arguments) // exits on errors
	if *duty <= 0 || *duty > 1 || *period <= 0 {
		return fmt.Errorf("-duty %v, -period %v: want a duty above 0 and up to 1, and a period above 0", *duty, *period)
	}

	out := json.NewEncoder(os.Stdout)
	w, err := newWorker(*uuid)
	if err != nil {
		_ = out.Encode(ready{Error: err.Error()})
		return err
	}
	defer w.gpu.Close()
	if err := out.Encode(ready{Device: w.gpu.Name(), CUDA: w.gpu.Version(), Multiprocessors: w.gpu.Multiprocessors(), Rate: w.rate}); err != nil {
		return err
	}
	if !*serve {
		return out.Encode(w.obey(order{Kind: *kind, For: length.Seconds(), Period: period.Seconds(), Duty: *duty}))
	}
	// Whoever gives the orders is gone when there are no more: so is the load.
	orders := make(chan order)
	go func() {
		in := json.NewDecoder(bufio.NewReader(os.Stdin))
		for {
			var o order
			if err := in.Decode(&o); err != nil {
				if !errors.Is(err, io.EOF) {
					fmt.Fprintln(os.Stderr, err)
				}
				close(orders)
				time.Sleep(100 * time.Millisecond) // for an idle worker to close its context
				os.Exit(0)
			}
			orders <- o
		}
	}()
	for o := range orders {
		if err := out.Encode(w.obey(o)); err != nil {
			return err
		}
	}
	return nil
}

// newWorker opens the GPU and finds out how fast it is once its clocks are up.
func newWorker(uuid string) (*worker, error) {
	gpu, err := cuda.Open(uuid)
	if err != nil {
		return nil, err
	}
	w := &worker{gpu: gpu}
	iterations, warm := uint64(1000), monotonic()+0.3
	for {
		busy, err := gpu.Run(cuda.Burn, 1, iterations)
		switch {
		case err != nil:
			gpu.Close()
			return nil, err
		case busy < 5*time.Millisecond && iterations < 1<<40:
			iterations *= 2
		case monotonic() > warm:
			w.rate = float64(iterations) / busy.Seconds()
			return w, nil
		}
	}
}

func (w *worker) obey(o order) done {
	var d done
	var err error
	d.From = monotonic()
	switch o.Kind {
	case "bursts":
		err = w.bursts(o, &d)
	case "latency":
		err = w.latency(o, &d)
	case "training":
		err = w.training(o, &d)
	default:
		err = fmt.Errorf("no such kind of work: %q", o.Kind)
	}
	d.To = monotonic()
	if err != nil {
		d.Error = err.Error()
	}
	return d
}

// bursts begin at multiples of the period. One that would begin late by a whole period is left out.
func (w *worker) bursts(o order, d *done) error {
	const longestKernel = 0.01 // so that the GPU can be shared
	on := o.Period * min(o.Duty, 1)
	launches := int(math.Ceil(on / longestKernel))
	perLaunch := w.rate * on / float64(launches)
	for i := 0.0; ; i++ {
		start := d.From + o.Phase + i*o.Period
		if start >= d.From+o.For {
			return nil
		}
		if o.Duty < 1 {
			if late := monotonic() - start; late > o.Period {
				i += math.Floor(late / o.Period)
				continue
			}
			sleepUntil(start)
		} else if monotonic() >= d.From+o.For {
			return nil
		}
		began := monotonic()
		iterations := uint64(max(perLaunch, 1))
		busy, err := w.gpu.Run(cuda.Burn, launches, iterations)
		if err != nil {
			return err
		}
		d.Busy += busy.Seconds()
		d.Iterations += float64(iterations) * float64(launches)
		d.Bursts = append(d.Bursts, analysis.Interval{From: began, To: began + busy.Seconds()})
		if !o.Fixed && busy > 0 {
			perLaunch *= min(max(on/busy.Seconds(), 0.8), 1.25)
		}
	}
}

// latency measures what a program waits for: an empty launch, and memory taken and given back.
func (w *worker) latency(o order, d *done) error {
	var launches, allocations []float64
	for monotonic() < d.From+o.For {
		began := monotonic()
		if _, err := w.gpu.Run(cuda.Burn, 1, 1); err != nil {
			return err
		}
		between := monotonic()
		if err := w.gpu.Allocate(1 << 20); err != nil {
			return err
		}
		launches, allocations = append(launches, 1e6*(between-began)), append(allocations, 1e6*(monotonic()-between))
	}
	launch, allocate := analysis.Summarize(launches), analysis.Summarize(allocations)
	d.Launch, d.Allocate = &launch, &allocate
	return nil
}

// training has the rhythm of a training run: steps of computation, of memory traffic and of waiting for
// the next batch, and a pause for a checkpoint every 10 s.
func (w *worker) training(o order, d *done) error {
	const compute, wait, steps, checkpoint = 0.30, 0.03, 25, 1.5
	for step := 1; monotonic() < d.From+o.For; step++ {
		for _, part := range []struct {
			kernel     cuda.Kernel
			launches   int
			iterations uint64
		}{{cuda.Burn, 30, uint64(w.rate * compute / 30)}, {cuda.Stream, 10, 40}} {
			began := monotonic()
			busy, err := w.gpu.Run(part.kernel, part.launches, max(part.iterations, 1))
			if err != nil {
				return err
			}
			d.Busy += busy.Seconds()
			d.Bursts = append(d.Bursts, analysis.Interval{From: began, To: began + busy.Seconds()})
		}
		pause := wait
		if step%steps == 0 {
			pause = checkpoint
		}
		sleepUntil(min(monotonic()+pause, d.From+o.For))
	}
	return nil
}

// monotonic is CLOCK_MONOTONIC in s: the same in all processes.
func monotonic() float64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail
	return float64(t.Sec) + float64(t.Nsec)/1e9
}

func sleepUntil(at float64) { time.Sleep(time.Duration((at - monotonic()) * 1e9)) }
