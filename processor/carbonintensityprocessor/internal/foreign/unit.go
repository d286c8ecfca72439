// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"maps"
	"slices"
	"strings"
)

// scales are the units that can be read, by what they measure, and their factors to J and W. The codes are
// those of UCUM.
var scales = map[Kind]map[string]float64{
	Counter: {
		"J": 1, "mJ": 1e-3, "uJ": 1e-6, "kJ": 1e3, "MJ": 1e6,
		"W.s": 1, "W.h": 3600, "kW.h": 3.6e6, "MW.h": 3.6e9,
	},
	Gauge: {"W": 1, "mW": 1e-3, "uW": 1e-6, "kW": 1e3, "MW": 1e6},
}

func units(of Kind) string {
	return strings.Join(slices.Sorted(maps.Keys(scales[of])), ", ")
}
