// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakenvml

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
)

// Waveform is the power of a GPU over time, in W.
type Waveform interface {
	fmt.Stringer

	// energy is the integral over [0, t] in pJ (mW times ns), by arithmetic of its own: it shares no
	// code with the C library, so that each is a test of the other.
	energy(t time.Duration) *big.Rat
}

// Energy is the integral of the power over [0, t], in J.
func Energy(w Waveform, t time.Duration) float64 {
	joules, _ := new(big.Rat).Mul(w.energy(max(t, 0)), big.NewRat(1, 1e12)).Float64()
	return joules
}

// Const is always the same.
type Const struct{ Watts float64 }

func (w Const) energy(t time.Duration) *big.Rat { return product(w.Watts, t) }

func (w Const) String() string { return "const " + decimal(w.Watts) }

// Square is High during the first Duty (0 to 1) of each Period and Low during the rest.
type Square struct {
	Low, High float64
	Period    time.Duration
	Duty      float64
}

func (w Square) energy(t time.Duration) *big.Rat {
	on := time.Duration(math.Round(float64(w.Period) * w.Duty))
	// Low all the time, and the difference during what was on.
	high := t/w.Period*on + min(t%w.Period, on)
	sum := product(w.Low, t)
	sum.Add(sum, product(w.High, high))
	return sum.Sub(sum, product(w.Low, high))
}

func (w Square) String() string {
	return fmt.Sprintf("square %s %s %s %s", decimal(w.Low), decimal(w.High), milliseconds(w.Period), decimal(w.Duty))
}

// Sine starts half-way between Low and High and rises. Its energy is rounded to the nearest pJ.
type Sine struct {
	Low, High float64
	Period    time.Duration
}

func (w Sine) energy(t time.Duration) *big.Rat {
	mean := new(big.Rat).Add(product(w.Low, t), product(w.High, t))
	mean.Mul(mean, big.NewRat(1, 2))
	// 1 - cos(x) is 2 sin²(x/2).
	half := math.Sin(math.Pi * float64(t%w.Period) / float64(w.Period))
	swing := 1e3 * (w.High - w.Low) * float64(w.Period) / (2 * math.Pi) * half * half
	return mean.Add(mean, new(big.Rat).SetFloat64(math.Round(swing)))
}

func (w Sine) String() string {
	return fmt.Sprintf("sine %s %s %s", decimal(w.Low), decimal(w.High), milliseconds(w.Period))
}

// product is the energy of a constant power, in pJ. Powers have a resolution of 1 mW.
func product(watts float64, t time.Duration) *big.Rat {
	mW := big.NewInt(int64(math.Round(watts * 1e3)))
	return new(big.Rat).SetInt(mW.Mul(mW, big.NewInt(int64(t))))
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func milliseconds(d time.Duration) string { return decimal(float64(d) / float64(time.Millisecond)) }
