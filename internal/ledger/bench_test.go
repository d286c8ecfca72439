// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// load is a GPU with 4 processes: energy at a rate, processes and their samples once a second.
type load struct {
	*Ledger
	now       time.Time
	rate      int
	ticks     int
	workloads []*workload.Workload
	presence  Presence
	changing  bool // the weights of MIG instances
}

func newLoad(rate int) *load {
	l := &load{Ledger: New(Config{}, birth), now: birth, rate: rate}
	for i := range 4 {
		l.workloads = append(l.workloads, pod(strconv.Itoa(i)))
	}
	l.presence = known(l.workloads...)
	l.SetIdlePower(40_000)
	return l
}

func (l *load) tick() {
	l.now = l.now.Add(time.Second / time.Duration(l.rate))
	l.Energy(l.now, uint64(300_000/l.rate), 0)
	l.Close(l.now)
	if l.ticks++; l.ticks%l.rate == 0 {
		for i, w := range l.workloads {
			l.Sample(w, l.now.Add(-time.Second), l.now, uint32(10+i))
		}
		if l.changing {
			for i := range l.presence.Residents {
				l.presence.Residents[i].Weighted, l.presence.Residents[i].Weight = true, uint64(l.ticks+i)
			}
		}
		l.Presence(l.now, l.presence)
	}
}

func BenchmarkLedger(b *testing.B) {
	for _, rate := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%dHz", rate), func(b *testing.B) {
			l := newLoad(rate)
			b.ReportAllocs()
			for b.Loop() {
				l.tick()
			}
			booked, _ := l.Booked()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)*float64(rate)*8/1e9*100, "%core/8GPUs")
			if l.Imbalance() != 0 || booked == 0 && b.N > 1000 {
				b.Fatal(booked, l.Imbalance())
			}
		})
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, rate := range []int{1, 10, 100} {
		l := newLoad(rate)
		l.changing = rate == 10
		for range 20 * rate {
			l.tick()
		}
		assert.Zero(t, testing.AllocsPerRun(10*rate, l.tick), "%d Hz", rate)
	}
}
