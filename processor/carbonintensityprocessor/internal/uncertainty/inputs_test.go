// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package uncertainty

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestInputsFromConfig(t *testing.T) {
	in, want := Default(), Default()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"method":    map[string]any{"counter": 0.01},
		"timing":    0,
		"pue":       map[string]any{"reported": 0.02},
		"intensity": map[string]any{"stale": map[string]any{"correlation": 0.5}},
	}).Unmarshal(&in))
	want.Method.Counter, want.Timing, want.PUE.Reported, want.Intensity.Stale.Correlation = 0.01, 0, 0.02, 0.5
	assert.Equal(t, want, in, "what is not said keeps its default")
	assert.NoError(t, in.Validate())
}

func TestValidate(t *testing.T) {
	for key, input := range map[string]func(*Inputs) *float64{
		"method::counter":                   func(in *Inputs) *float64 { return &in.Method.Counter },
		"method::integrated":                func(in *Inputs) *float64 { return &in.Method.Integrated },
		"method::model":                     func(in *Inputs) *float64 { return &in.Method.Model },
		"timing":                            func(in *Inputs) *float64 { return &in.Timing },
		"pue::reported":                     func(in *Inputs) *float64 { return &in.PUE.Reported },
		"pue::generic":                      func(in *Inputs) *float64 { return &in.PUE.Generic },
		"intensity::measured::random":       func(in *Inputs) *float64 { return &in.Intensity.Measured.Random },
		"intensity::estimated::correlation": func(in *Inputs) *float64 { return &in.Intensity.Estimated.Correlation },
		"intensity::forecast::systematic":   func(in *Inputs) *float64 { return &in.Intensity.Forecast.Systematic },
		"intensity::stale::random":          func(in *Inputs) *float64 { return &in.Intensity.Stale.Random },
		"intensity::static::systematic":     func(in *Inputs) *float64 { return &in.Intensity.Static.Systematic },
	} {
		for _, tc := range []struct {
			value float64
			said  string
		}{{-0.1, "-0.1"}, {5, "5"}, {math.NaN(), "NaN"}, {math.Inf(1), "+Inf"}} {
			in := Default()
			require.NoError(t, in.Validate())
			*input(&in) = tc.value
			assert.EqualError(t, in.Validate(), key+": "+tc.said+": must be from 0 to 1 (0.05 is 5 %)")
		}
	}
}
