// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/analysis"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/hwcheck/internal/driver"
)

// pair is two load processes, and the PIDs under which the driver knows them: in another PID namespace than
// the driver's, these may not be our own.
type pair struct {
	load [2]*loader
	pid  [2]uint32
}

// attribution is T6: two processes, of which we know who did how much.
func (c *check) attribution() error {
	if _, err := c.device.ProcessUtilization(0); driver.IsNotSupported(err) {
		return err
	}
	out, err := newTable(c.out, "T6-attribution.csv", "phase", "energy_mj", "idle_mj", "a_mj", "b_mj", "others_mj", "unattributed_mj", "share_a", "work_share_a")
	if err != nil {
		return err
	}
	samples, err := newTable(c.out, "T6-samples.csv", "phase", "process", "at_us", "sm", "lag_s")
	if err != nil {
		return err
	}
	return closing(c.withLoad(func(a *loader) error {
		return c.withLoad(func(b *loader) error {
			p := &pair{load: [2]*loader{a, b}}
			var worst float64
			var conserved, sharedPhases int
			var lags, gaps []float64
			limit := 5.0 // points
			if c.quick {
				limit = 10 // in short windows, a sample that falls on an edge counts for much
			}
			phases := []struct {
				name string
				duty [2]float64
				stop float64 // when b ends, as a part of the phase; 0 is with it
			}{{"a alone", [2]float64{0.5, 0}, 0}, {"b alone", [2]float64{0, 0.5}, 0}, {"equal", [2]float64{0.35, 0.35}, 0}, {"3 to 1", [2]float64{0.6, 0.2}, 0}, {"b exits", [2]float64{0.35, 0.35}, 0.5}}
			for _, phase := range phases {
				c.step("%s", phase.name)
				w, err := c.share(p, phase.name, phase.duty, phase.stop)
				if err != nil {
					return err
				}
				w.write(out, samples, p)
				lags, gaps = append(lags, w.lags...), append(gaps, w.gaps(p)...)
				if w.sum() == w.energy {
					conserved++
				}
				if phase.duty[0] == 0 || phase.duty[1] == 0 {
					continue
				}
				sharedPhases++
				off := 100 * (w.shareA - w.workA)
				worst = math.Max(worst, math.Abs(off))
				note := fmt.Sprintf("%s %% of the work, %s %% of the energy", short(100*w.workA), short(100*w.shareA))
				if len(w.weights) == 0 {
					c.report.Without("T6."+phase.name, "share of process A, "+phase.name, notSupported, "the driver gave no sample of any process")
					continue
				}
				c.report.Judge("T6."+phase.name, "share of process A, "+phase.name+", off by", within(math.Abs(off) <= limit), off, "points", short(limit), note)
			}
			c.report.Judge("T6.conserved", "windows whose parts add up to the counter, exactly", within(conserved == len(phases)), float64(conserved), "", fmt.Sprintf("all %d", len(phases)), "")
			c.report.Figures["T6.worst_points"] = worst
			c.sampleTiming(lags, gaps)
			ours := "our PIDs"
			if p.pid[0] != a.pid || p.pid[1] != b.pid {
				ours = "not our PIDs: another PID namespace"
			}
			c.report.Without("T6.pids", "PIDs that the driver gives", info, ours)
			return nil
		})
	}), out, samples)
}

func (c *check) sampleTiming(lags, gaps []float64) {
	if len(lags) == 0 {
		return
	}
	lag, gap := analysis.Summarize(lags), analysis.Summarize(gaps)
	c.report.Figures["T6.lag_s"], c.report.Figures["T6.gap_s"] = lag, gap
	c.report.Judge("T6.lag", "age of a process sample when first seen, p99", within(lag.P99 <= 2), lag.P99, "s", "at most 2", "p50 "+short(lag.P50))
	c.report.Judge("T6.gap", "time between samples of a process, p50", info, gap.P50, "s", "", "p99 "+short(gap.P99))
}

// window is what became of the energy of one phase.
type window struct {
	name          string
	energy, idle  uint64 // mJ
	shares        map[uint32]uint64
	weights       map[uint32]uint64
	seen          []analysis.Utilization
	lags          []float64
	shareA, workA float64
	a, b          uint64
}

func (w *window) sum() uint64 {
	sum := w.idle + w.unattributed()
	for _, share := range w.shares {
		sum += share
	}
	return sum
}

func (w *window) unattributed() uint64 {
	if len(w.shares) > 0 {
		return 0
	}
	return w.energy - w.idle
}

func (w *window) gaps(p *pair) []float64 {
	last, gaps := map[uint32]uint64{}, []float64{}
	for _, s := range w.seen {
		if before := last[s.PID]; before > 0 && s.At > before && (s.PID == p.pid[0] || s.PID == p.pid[1]) {
			gaps = append(gaps, float64(s.At-before)/1e6)
		}
		last[s.PID] = s.At
	}
	return gaps
}

func (w *window) write(out, samples *table, p *pair) {
	var others uint64
	for pid, share := range w.shares {
		if pid != p.pid[0] && pid != p.pid[1] {
			others += share
		}
	}
	out.add(w.name, w.energy, w.idle, w.a, w.b, others, w.unattributed(), w.shareA, w.workA)
	names := map[uint32]string{p.pid[0]: "a", p.pid[1]: "b"}
	for i, s := range w.seen {
		name := names[s.PID]
		if name == "" {
			name = "other"
		}
		samples.add(w.name, name, s.At, int(s.SM), w.lags[i])
	}
}

// share runs a phase, waits for late samples, and shares out what the counter said.
func (c *check) share(p *pair, name string, duty [2]float64, stop float64) (*window, error) {
	const late = 2.0
	w := &window{name: name}
	seconds := c.seconds(15)
	var work [2]done
	var orders []func() error
	for i, d := range duty {
		if d == 0 {
			continue
		}
		length := seconds
		if i == 1 && stop > 0 {
			length *= stop
		}
		orders = append(orders, func() (err error) {
			// Periods that differ, so that the two meet in all ways. Fixed: while they share the GPU, work takes longer.
			work[i], err = p.load[i].run(order{Kind: "bursts", For: length, Period: 0.19 + 0.04*float64(i), Duty: d, Fixed: true})
			if i == 1 && stop > 0 {
				p.load[i].stop()
			}
			return err
		})
	}
	before, err := c.device.Counter()
	if err != nil {
		return nil, err
	}
	clock := c.driverClock()
	from := clock()
	began, finished := monotonic(), make(chan struct{})
	err = together(
		func() error { defer close(finished); return together(orders...) },
		func() error { return c.collect(w, clock, finished, from) })
	after, failed := c.device.Counter()
	to, ended := clock(), monotonic()
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	// What comes late belongs to the window as well.
	done := make(chan struct{})
	timer := time.AfterFunc(time.Duration(max(c.seconds(late), 0.2)*float64(time.Second)), func() { close(done) })
	defer timer.Stop()
	if err := c.collect(w, clock, done, from); err != nil {
		return nil, err
	}

	w.energy = after - before
	w.idle = min(w.energy, uint64(1e3*c.idleWatts*(ended-began)))
	w.weights = analysis.Weights(w.seen, from, to, 2_000_000)
	w.shares = analysis.Split(w.energy-w.idle, w.weights)
	for i := range p.pid {
		if duty[1-i] == 0 {
			p.pid[i] = heaviest(w.weights, p.load[i].pid)
		}
	}
	w.a, w.b = w.shares[p.pid[0]], w.shares[p.pid[1]]
	w.shareA, w.workA = analysis.Share(w.a, w.b), analysis.Share(work[0].Iterations, work[1].Iterations)
	return w, nil
}

// collect polls samples of processes until it is told to stop.
func (c *check) collect(w *window, clock func() uint64, stop <-chan struct{}, from uint64) error {
	since := from
	for _, s := range w.seen {
		since = max(since, s.At)
	}
	tick := time.NewTicker(time.Duration(max(c.seconds(0.5), 0.05) * float64(time.Second)))
	defer tick.Stop()
	for {
		samples, err := c.device.ProcessUtilization(since)
		if driver.IsNotSupported(err) {
			return err
		}
		now := clock()
		for _, s := range samples {
			since = max(since, s.At)
			w.seen = append(w.seen, analysis.Utilization{PID: s.PID, At: s.At, SM: s.SM})
			w.lags = append(w.lags, (float64(now)-float64(s.At))/1e6)
		}
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
	}
}

// driverClock is the clock of the driver's samples, in µs: the time of day, or, on some systems, that since
// boot.
func (c *check) driverClock() func() uint64 {
	wall := func() uint64 { return uint64(wallMicros()) }
	samples, err := c.device.Samples(0, 0)
	if err != nil || len(samples) == 0 {
		return wall
	}
	const day = 86_400_000_000
	if newest := samples[len(samples)-1].At; newest+day < wall() {
		return func() uint64 {
			var t unix.Timespec
			_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // cannot fail
			return uint64(t.Nano() / 1000)
		}
	}
	return wall
}

func heaviest(weights map[uint32]uint64, otherwise uint32) uint32 {
	heaviest := otherwise
	for pid, weight := range weights {
		if weight > weights[heaviest] {
			heaviest = pid
		}
	}
	return heaviest
}
