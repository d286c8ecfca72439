// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"math/bits"
	"time"
)

// offset is a time in ns since the ledger began.
type offset int64

// clock relates times to offsets by one time that is known in both.
type clock struct {
	offset offset
	at     time.Time
}

// farthest keeps sums and differences of offsets in range. It is 146 years.
const farthest = math.MaxInt64 / 2

func (l *Ledger) since(t time.Time) offset {
	distance := offset(max(min(t.Sub(l.clock.at), farthest), -farthest))
	return max(min(l.clock.offset+distance, farthest), -farthest)
}

// saw is since, of a time that has come.
func (l *Ledger) saw(t time.Time) offset {
	at := l.since(t)
	l.latest = max(l.latest, at)
	return at
}

// amount is energy in mJ by method.
type amount [methods]uint64

func (a *amount) add(b amount) {
	for m := range a {
		a[m] += b[m]
	}
}

func (a *amount) sub(b amount) {
	for m := range a {
		a[m] -= b[m]
	}
}

func (a amount) total() (sum uint64) {
	for _, n := range a {
		sum = plus(sum, n)
	}
	return sum
}

// portion is the part/whole of it, rounded down; part is below whole.
func (a amount) portion(part, whole uint64) (p amount) {
	for m, n := range a {
		hi, lo := bits.Mul64(n, part)
		p[m], _ = bits.Div64(hi, lo, whole)
	}
	return p
}

// plus and times stop at the largest value.
func plus(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return math.MaxUint64
}

func times(a, b uint64) uint64 {
	if hi, lo := bits.Mul64(a, b); hi == 0 {
		return lo
	}
	return math.MaxUint64
}
