// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package joule

import (
	"cmp"
	"math/bits"
	"slices"
)

// Split divides an amount by weights and appends one part per weight: each its exact quota rounded
// down, or up for those with the largest remainders (of equal ones, the first). The parts sum to
// the amount exactly if any weight is above 0; they are all 0 if none is.
func Split(amount uint64, weights, parts []uint64) []uint64 {
	var sum wide
	for _, w := range weights {
		sum = sum.plus(w)
	}
	first := len(parts)
	if sum == (wide{}) {
		return append(parts, make([]uint64, len(weights))...)
	}
	type remainder struct {
		of   int
		left wide
	}
	var few [32]remainder // on the stack
	remainders, missing := few[:0], amount
	for i, w := range weights {
		part, left := share(amount, w, sum)
		parts = append(parts, part)
		missing -= part
		remainders = append(remainders, remainder{first + i, left})
	}
	if missing == 0 {
		return parts
	}
	slices.SortFunc(remainders, func(a, b remainder) int {
		return cmp.Or(cmp.Compare(b.left.hi, a.left.hi), cmp.Compare(b.left.lo, a.left.lo), cmp.Compare(a.of, b.of))
	})
	// Remainders are below the sum and add up to missing times the sum: there are more of them than are missing.
	for _, r := range remainders[:missing] {
		parts[r.of]++
	}
	return parts
}

// share is amount x weight / sum, and what is left. The sum is not below the weight, so the
// quotient fits.
func share(amount, weight uint64, sum wide) (quotient uint64, left wide) {
	hi, lo := bits.Mul64(amount, weight)
	if sum.hi == 0 {
		if weight == sum.lo {
			return amount, wide{}
		}
		quotient, rest := bits.Div64(hi, lo, sum.lo)
		return quotient, wide{lo: rest}
	}
	// Division by more than 64 bits: the quotient by the sum's leading 64 bits, from half the
	// product so that it cannot overflow, is right or one too high (Hacker's Delight, 9-5).
	shift := uint(bits.LeadingZeros64(sum.hi))
	leading := sum.hi<<shift | sum.lo>>(64-shift)
	quotient, _ = bits.Div64(hi>>1, lo>>1|hi<<63, leading)
	quotient >>= 63 - shift
	if quotient > 0 {
		quotient--
	}
	left = wide{hi, lo}.minus(sum.times(quotient))
	if !left.less(sum) {
		quotient++
		left = left.minus(sum)
	}
	return quotient, left
}

// wide is an unsigned integer of 128 bits.
type wide struct{ hi, lo uint64 }

func (w wide) plus(n uint64) wide {
	lo, carry := bits.Add64(w.lo, n, 0)
	return wide{w.hi + carry, lo}
}

func (w wide) minus(n wide) wide {
	lo, borrow := bits.Sub64(w.lo, n.lo, 0)
	return wide{w.hi - n.hi - borrow, lo}
}

func (w wide) times(n uint64) wide {
	hi, lo := bits.Mul64(w.lo, n)
	return wide{hi + w.hi*n, lo}
}

func (w wide) less(n wide) bool { return w.hi < n.hi || w.hi == n.hi && w.lo < n.lo }
