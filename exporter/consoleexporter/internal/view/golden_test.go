// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/feed"
	"github.com/otelcol-carbon/otelcol-carbon/exporter/consoleexporter/internal/tally"
)

var update = flag.Bool("update", false, "write the golden files")

var begin = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// run lets a scene report every second.
func run(scene *feed.Scene, seconds int) tally.Snapshot {
	t := tally.New(begin, 10_000)
	var s tally.Snapshot
	for i := range seconds {
		now := begin.Add(time.Duration(i+1) * time.Second)
		t.Add(scene.At(now), now)
		s = t.Sample(now)
	}
	return s
}

// cluster has many hosts, one of which measures itself as a whole, on two grids, and workloads.
func cluster(hosts int) *feed.Scene {
	s := &feed.Scene{Start: begin}
	zones := []feed.Attributes{feed.Grid("DE", "entsoe", "measured"), feed.Grid("US-CAL-CISO", "eia", "estimated")}
	for h := range hosts {
		host, grid := feed.Host(fmt.Sprintf("node-%02d", h)), zones[h%2]
		perKWh := []float64{342, 211}[h%2]
		for g := range 2 {
			s.Add("hw", host, feed.Attributes{
				"hw.id": fmt.Sprintf("GPU-%08d", h*10+g), "hw.type": "gpu", "hw.name": "NVIDIA A100", "energy.method": "counter",
			}, feed.Constant(300+float64(10*h+g)), grid, perKWh)
		}
		if h == 0 {
			s.Add("hw.host", host, feed.Attributes{"hw.id": "psu", "energy.method": "integrated"}, feed.Constant(880), grid, perKWh)
		}
	}
	pod := feed.Host("node-01").With(feed.Attributes{"k8s.pod.name": "train-resnet-0"})
	s.Add("workload", pod, feed.Attributes{"hw.id": "GPU-00000010", "hw.type": "gpu", "workload.kind": "container", "energy.method": "counter"},
		feed.Constant(250), zones[1], 211)
	s.Add("workload", feed.Host("node-01"), feed.Attributes{"hw.id": "GPU-00000010", "hw.type": "gpu", "workload.kind": "idle", "energy.method": "counter"},
		feed.Constant(60), zones[1], 211)
	return s
}

// fallback has grams of two qualities, an intensity on its own, alternatives, and trouble.
func fallback() tally.Snapshot {
	t := tally.New(begin, 10)
	at := begin.Add(10 * time.Second)
	gpu := feed.Attributes{"hw.id": "gpu-0", "hw.type": "gpu", "energy.method": "counter"}
	cpu := feed.Attributes{"hw.id": "package-0", "hw.type": "cpu", "energy.method": "model"}
	point := func(metric string, attributes feed.Attributes, value float64) feed.Point {
		return feed.Point{Metric: metric, Resource: feed.Host("n"), Attributes: attributes, Start: begin, At: at, Value: value}
	}
	t.Add(feed.Batch(
		point("hw.energy", gpu, 7.2e6),
		point("hw.emissions", gpu.With(feed.Grid("FR", "entsoe", "measured")), 75),
		point("hw.emissions", gpu.With(feed.Grid("FR", "static", "static").With(feed.Attributes{"carbon.boundary": "direct"})), 25),
		point("hw.emissions.market_based", gpu.With(feed.Grid("FR", "contract", "static")), 3),
		point("hw.energy", cpu, 1.8e6),
		point("hw.energy.inner", cpu.With(feed.Attributes{"hw.id": "core-0", "energy.scope": "core"}), 0.9e6),
		point("hw.energy", feed.Attributes{"hw.id": "bad"}, -1),
		point("grid.carbon_intensity", feed.Grid("FR", "entsoe", "measured"), 48.2),
		point("solar.power", feed.Attributes{"hw.name": "roof"}, 1200),
		point("hw.energy", feed.Attributes{"hw.id": "one too many", "hw.type": "x"}, 1),
		point("hw.energy", feed.Attributes{"hw.id": "two too many", "hw.type": "x"}, 1),
		point("hw.energy", feed.Attributes{"hw.id": "three too many", "hw.type": "x"}, 1),
	), at)
	return t.Sample(at)
}

func foreign() tally.Snapshot {
	t := tally.New(begin, 10)
	t.Add(feed.Batch(feed.Point{Metric: "system.cpu.time"}), begin)
	return t.Snapshot(begin.Add(3 * time.Second))
}

func TestGolden(t *testing.T) {
	workstation := run(feed.Workstation(begin), 123)
	screen := Screen{Title: "otelcol-carbon", Every: time.Second}
	frame := func(s tally.Snapshot, width, height int) string {
		screen.Width, screen.Height = width, height
		lines := Frame(s, screen)
		assert.LessOrEqual(t, len(lines), height)
		for _, l := range lines {
			assert.LessOrEqual(t, ansi.StringWidth(l), width, l)
		}
		return strings.Join(lines, "\n") + "\n"
	}
	for name, got := range map[string]string{
		"workstation_80":    frame(workstation, 80, 30),
		"workstation_140":   frame(workstation, 140, 40),
		"workstation_small": frame(workstation, 80, 12),
		"workstation_50":    frame(workstation, 50, 24),
		"cluster_80":        frame(run(cluster(4), 60), 80, 34),
		"cluster_140":       frame(run(cluster(4), 60), 140, 45),
		"cluster_many":      frame(run(cluster(40), 10), 80, 30),
		"fallback_80":       frame(fallback(), 80, 40),
		"fallback_140":      frame(fallback(), 140, 40),
		"waiting_80":        frame(tally.New(begin, 10).Snapshot(begin.Add(3*time.Second)), 80, 24),
		"waiting_foreign":   frame(foreign(), 80, 24),
		"summary":           Summary(workstation, "otelcol-carbon"),
		"summary_fallback":  Summary(fallback(), "otelcol-carbon"),
		"summary_empty":     Summary(tally.New(begin, 10).Snapshot(begin.Add(3*time.Second)), "otelcol-carbon"),
		"plain":             Plain(workstation, workstation.Batch-1),
		"plain_fallback":    Plain(fallback(), 0),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
		})
	}
}
