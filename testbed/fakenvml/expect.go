// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"
)

// Counter is what the energy counter of a GPU shows at a time, in mJ, with the reloads of the driver.
func (s Scenario) Counter(gpu int, t time.Duration) uint64 {
	g := s.GPUs[gpu]
	var events []Event
	for _, r := range s.Reloads {
		events = append(events, Event{At: r.At, Kind: Reset})
	}
	g.Events = append(events, g.Events...)
	return g.Counter(t)
}

// Counter is what the energy counter shows at a time, in mJ: the integral since the last reset, as
// of the last update, rounded down, with the faults of the counter.
func (g GPU) Counter(t time.Duration) uint64 {
	t = max(t, 0)
	initial, counted := g.Initial, interval{}
	var missed []interval
	frozen := time.Duration(-1)
	for _, e := range slices.SortedStableFunc(slices.Values(g.Events), func(a, b Event) int { return int(a.At - b.At) }) {
		if e.At > t {
			break
		}
		var mJ uint64
		if n, _ := fmt.Sscanf(string(e.Kind), "glitch %d", &mJ); n == 1 && t < e.At+g.update() {
			return mJ
		}
		switch e.Kind {
		case Reset:
			initial, counted.from, missed, frozen = 0, e.At, nil, -1
		case Stuck:
			if frozen < 0 {
				frozen = e.At
			}
		case Unstuck:
			frozen = -1
		case Resume:
			if frozen >= 0 {
				missed = append(missed, interval{max(g.published(frozen), counted.from), max(g.published(e.At), counted.from)})
			}
			frozen = -1
		}
	}
	if frozen >= 0 {
		t = frozen
	}
	counted.to = max(g.published(t), counted.from)
	energy := g.counted(counted)
	for _, i := range missed {
		energy.Sub(energy, g.counted(i))
	}
	if g.CounterGain != 0 {
		energy.Mul(energy, big.NewRat(int64(math.Round(g.CounterGain*1e6)), 1e6))
	}
	return initial + new(big.Int).Quo(energy.Num(), new(big.Int).Mul(energy.Denom(), big.NewInt(1e9))).Uint64()
}

// SMSeconds is the time for which the process had all SMs of what it runs on, or twice that with half of
// them, in s.
func (p Process) SMSeconds(from, to time.Duration) float64 {
	var share Waveform = Const{float64(p.SMPercent)}
	if p.SM != nil {
		share = p.SM
	}
	end := p.End
	if p.On != nil {
		end = min(end, p.On.End)
	}
	from, to = max(from, p.Start, 0), min(to, end)
	if from >= to {
		return 0
	}
	return (Energy(share, to) - Energy(share, from)) / 100
}

// interval is a span of time.
type interval struct{ from, to time.Duration }

// published is the last update at or before a time.
func (g GPU) published(t time.Duration) time.Duration { return t.Truncate(g.update()) }

func (g GPU) utilPeriod() time.Duration {
	if g.UtilPeriod == 0 {
		return time.Second
	}
	return g.UtilPeriod
}

// counted is what the counter counts in an interval, in pJ.
func (g GPU) counted(i interval) *big.Rat {
	w := g.Power
	if g.CountsModule {
		w = g.Module
	}
	until := w.energy
	if g.CountsSensor {
		until = func(t time.Duration) *big.Rat { return g.seen(w, t) }
	}
	return new(big.Rat).Sub(until(i.to), until(i.from))
}

// seen is what the sensor takes for the energy over [0, t]: its mean over the end of each update period
// stands for the period.
func (g GPU) seen(w Waveform, t time.Duration) *big.Rat {
	sum := new(big.Rat)
	for end := g.update(); end-g.update() < t; end += g.update() {
		mean := new(big.Rat).Sub(w.energy(end), w.energy(end-g.Sensor))
		mean.Quo(mean, new(big.Rat).SetInt64(int64(g.Sensor)))
		sum.Add(sum, mean.Mul(mean, new(big.Rat).SetInt64(int64(min(end, t)-(end-g.update())))))
	}
	return new(big.Rat).SetInt(new(big.Int).Quo(sum.Num(), sum.Denom()))
}
