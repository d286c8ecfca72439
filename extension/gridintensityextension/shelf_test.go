// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// What is said last of a time holds, also if it is of a longer interval than before.
func TestWhatIsSaidLastHolds(t *testing.T) {
	at := time.Now().Truncate(time.Hour)
	said := func(from, until int, g float64) grid.Value {
		return grid.Value{
			Start: at.Add(time.Duration(from) * time.Minute), End: at.Add(time.Duration(until) * time.Minute),
			Intensity: grid.Intensity{GramsPerKWh: g, Quality: grid.Measured, Provenance: grid.Provenance{Zone: "DE", Source: "a"}},
		}
	}
	s := shelf{}
	s.put([]grid.Value{said(0, 15, 100), said(15, 30, 500)})
	s.put([]grid.Value{said(0, 30, 200)})
	timeline := grid.NewTimeline(s.since(at.Add(-time.Hour)), 2, nil, at)
	for _, minute := range []time.Duration{10, 20} {
		i, _ := timeline.At(at.Add(minute * time.Minute).UnixNano())
		require.InDelta(t, 200, i.GramsPerKWh, 0)
	}
}
