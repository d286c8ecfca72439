// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package uncertainty

import (
	"errors"
	"fmt"
	"slices"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// Inputs are relative standard uncertainties: one standard deviation, 0.05 is 5 %.
type Inputs struct {
	Method Methods `mapstructure:"method"`
	// Timing is that of one hour of a hardware counter: its readings are as old as its update period.
	Timing    float64     `mapstructure:"timing"`
	PUE       PUEs        `mapstructure:"pue"`
	Intensity Intensities `mapstructure:"intensity"`
}

// Methods are by energy.method.
type Methods struct {
	// Counter and Integrated are gains of sensors: each board has its own, and many average out.
	Counter    float64 `mapstructure:"counter"`
	Integrated float64 `mapstructure:"integrated"`
	// Model is an error that all boards share.
	Model float64 `mapstructure:"model"`
}

// PUEs are of a power usage effectiveness that an operator reports, and of an average over sites.
type PUEs struct {
	Reported float64 `mapstructure:"reported"`
	Generic  float64 `mapstructure:"generic"`
}

// Intensities are by carbon.data.quality.
type Intensities struct {
	Measured  Intensity `mapstructure:"measured"`
	Estimated Intensity `mapstructure:"estimated"`
	Forecast  Intensity `mapstructure:"forecast"`
	Stale     Intensity `mapstructure:"stale"`
	Static    Intensity `mapstructure:"static"`
}

// Intensity is the uncertainty of the carbon intensity of an hour: a random part, of which the
// correlation says how alike it is in any two hours (0 averages out over time, 1 does not), and the
// error of the source's method, the same in all hours and qualities.
type Intensity struct {
	Random      float64 `mapstructure:"random"`
	Correlation float64 `mapstructure:"correlation"`
	Systematic  float64 `mapstructure:"systematic"`
}

// Default returns what the literature and comparisons of sources say of each input.
func Default() Inputs {
	return Inputs{
		Method: Methods{
			// ±5 %, rectangular, is 5 %/√3: arXiv 2312.02741 of GPUs. RAPL: 3 % (Khan et al. 2018).
			Counter:    0.029,
			Integrated: 0.035, // the gain, and what sampling at up to 1 s misses (1.5 %)
			Model:      0.30,  // of TDP times load, 20 to 40 % off: Cao et al. 2020, CodeCarbon
		},
		// T/(√6·L)·ΔP/P for an update period T of 0.1 s and L of 60 s.
		Timing: 0.001,
		// The spread of the values that operators disclose.
		PUE: PUEs{Reported: 0.03, Generic: 0.15},
		Intensity: Intensities{
			// One source of settled values against another.
			Measured:  Intensity{Random: 0.05, Correlation: 0, Systematic: 0.10},
			Estimated: Intensity{Random: 0.20, Correlation: 1, Systematic: 0.10},
			// From 10 % at 1 h to 20 % at 24 h ahead, which is not known here. Stale is judged no better.
			Forecast: Intensity{Random: 0.20, Correlation: 1, Systematic: 0.10},
			Stale:    Intensity{Random: 0.20, Correlation: 1, Systematic: 0.10},
			// A yearly average says little of one day (35 to 45 %), whatever it says of the year (11 %).
			Static: Intensity{Random: 0.40, Correlation: 1, Systematic: 0.15},
		},
	}
}

// Validate names each key that cannot be, its value, and what could.
func (in *Inputs) Validate() error {
	var errs []error
	check := func(key string, value float64) {
		if !(value >= 0 && value <= 1) {
			errs = append(errs, fmt.Errorf("%s: %v: must be from 0 to 1 (0.05 is 5 %%)", key, value))
		}
	}
	check("method::counter", in.Method.Counter)
	check("method::integrated", in.Method.Integrated)
	check("method::model", in.Method.Model)
	check("timing", in.Timing)
	check("pue::reported", in.PUE.Reported)
	check("pue::generic", in.PUE.Generic)
	for i, quality := range qualities {
		key, u := "intensity::"+string(quality), in.intensity(i)
		check(key+"::random", u.Random)
		check(key+"::correlation", u.Correlation)
		check(key+"::systematic", u.Systematic)
	}
	return errors.Join(errs...)
}

var qualities = [...]grid.Quality{grid.Measured, grid.Estimated, grid.Forecast, grid.Stale, grid.QualityStatic}

// class is the index of a quality in qualities; one that is not known is as bad as the worst.
func class(q grid.Quality) int {
	if i := slices.Index(qualities[:], q); i >= 0 {
		return i
	}
	return len(qualities) - 1
}

func (in *Inputs) intensity(class int) Intensity {
	i := &in.Intensity
	return [len(qualities)]Intensity{i.Measured, i.Estimated, i.Forecast, i.Stale, i.Static}[class]
}
