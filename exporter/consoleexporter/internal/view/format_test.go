// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/feed"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

func TestNumbers(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{withUnit(powerUnits, 0), "0.000 W"},
		{withUnit(powerUnits, 61.24), "61.24 W"},
		{withUnit(powerUnits, 342.1), "342.1 W"},
		{withUnit(powerUnits, 1240), "1.240 kW"},
		{withUnit(energyUnits, 999), "999.0 J"},
		{withUnit(energyUnits, 35_999), "36.00 kJ"},
		{withUnit(energyUnits, 36_000), "10.00 Wh"},
		{withUnit(energyUnits, 3.6e6), "1.000 kWh"},
		{withUnit(energyUnits, 7.2e9), "2.000 MWh"},
		{withUnit(massUnits, 0.0123), "12.30 mg"},
		{withUnit(massUnits, 12.3), "12.30 g"},
		{withUnit(massUnits, 1234), "1.234 kg"},
		{withUnit(massUnits, 1e-9), "<0.001 mg"},
		{intensity(342.4), "342"},
		{intensity(41.26), "41.3"},
		{duration(59 * time.Second), "59s"},
		{duration(123 * time.Second), "2m 03s"},
		{duration(3*time.Hour + time.Second), "3h 00m 01s"},
		{duration(50*time.Hour + time.Minute), "2d 02h 01m"},
		{percent(0.001), "<1%"},
		{percent(0.999), ">99%"},
		{percent(0), "0%"},
		{percent(1), "100%"},
		{plainNumber(0), "0.000"},
		{plainNumber(12345678), "12345678"},
		{plainNumber(0.00098765), "0.0009877"},
		{methodName("model"), "estimated"},
		{methodName("counter"), "counter"},
		{middle("GPU-5f9c8a1e-2b7d", 12), "GPU-…1e-2b7d"},
		{middle("short", 12), "short"},
	} {
		assert.Equal(t, tt.want, tt.got)
	}
}

func TestScaleOfAColumn(t *testing.T) {
	s := scaleFor(powerUnits, 342.1)
	assert.Equal(t, "342.1", s.format(342.1))
	assert.Equal(t, "61.2", s.format(61.24))
	assert.Equal(t, "<0.1", s.format(0.01))
	assert.Equal(t, "0.0", s.format(0))
}

func TestGraph(t *testing.T) {
	assert.Empty(t, graph(nil, time.Second, 80, Look{}))
	assert.Empty(t, graph([]float64{math.NaN(), math.NaN(), 1}, time.Second, 80, Look{}), "one sample is no course")
	assert.Equal(t, strings.Join([]string{
		"total power, last 4s",
		"400 W ┤█   █",
		"      ┤█   █",
		"      ┤██  █",
		"    0 ┤██  █",
	}, "\n"), strings.Join(graph([]float64{400, 200, math.NaN(), 0, 400}, time.Second, 80, Look{}), "\n"))
	assert.Contains(t, graph(make([]float64, 500), time.Second, 40, Look{})[0], "last 34s", "it shows the latest that fit")
}

// Whatever arrives and whatever the size of the screen: a frame fits it, and says what is estimated, or partly is.
func TestFrameFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := begin.Add(time.Minute)
		counted := tally.New(begin, 100)
		modelled := false
		for range rapid.IntRange(0, 30).Draw(t, "points") {
			method := rapid.SampledFrom([]string{"model", "counter", ""}).Draw(t, "method")
			modelled = modelled || method == "model"
			attributes := feed.Attributes{
				"hw.id":         rapid.String().Draw(t, "id"),
				"hw.type":       rapid.SampledFrom([]string{"gpu", "cpu", ""}).Draw(t, "type"),
				"energy.method": method,
				"grid.zone":     rapid.SampledFrom([]string{"", "DE", "WORLD", "US-CAL-CISO"}).Draw(t, "zone"),
			}
			counted.Add(feed.Batch(feed.Point{
				Metric: rapid.SampledFrom([]string{
					"hw.energy", "hw.host.energy", "hw.energy.inner", "workload.energy", "hw.emissions", "hw.power", "x.energy",
				}).Draw(t, "metric"),
				Resource:   feed.Host(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "host")),
				Attributes: attributes,
				Start:      begin, At: now,
				Value: rapid.Float64Range(0, 1e12).Draw(t, "value"),
			}), now)
		}
		counted.Sample(now)
		screen := Screen{
			Title: "otelcol-carbon", Every: time.Second,
			Width: rapid.IntRange(1, 200).Draw(t, "width"), Height: rapid.IntRange(1, 60).Draw(t, "height"),
		}
		frame := Frame(counted.Sample(now), screen)
		assert.LessOrEqual(t, len(frame), screen.Height)
		for _, l := range frame {
			assert.LessOrEqual(t, ansi.StringWidth(l), screen.Width)
		}
		if modelled && screen.Width >= 80 && screen.Height >= 60 {
			assert.Regexp(t, estimated+"|"+mixed, strings.Join(frame, "\n")) // of one host, say, by more than one method
		}
	})
}

// A narrow table leaves out what is the same everywhere, but not that.
func TestWhatMayBeEstimatedIsShown(t *testing.T) {
	for method, leftOut := range map[string]bool{estimated: false, mixed: false, "counter": true} {
		var row [columns]string
		row[methodColumn] = method
		assert.Equal(t, leftOut, uniform([][columns]string{row, row}, methodColumn), method)
	}
}
