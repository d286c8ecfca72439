// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

func unrelated() pmetric.ResourceMetrics {
	rm := resource("app")
	for i := range 100 {
		m := rm.ScopeMetrics().At(0).Metrics().AppendEmpty()
		m.SetName(fmt.Sprintf("http.server.metric%d", i))
		m.SetEmptyGauge().DataPoints().AppendEmpty()
	}
	return rm
}

func TestNothingIsAllocatedForOthers(t *testing.T) {
	h := newHarness(t, withPresets(Presets()...))
	for _, rm := range []pmetric.ResourceMetrics{unrelated(), workload()} {
		h.Translate(rm)
		assert.Zero(t, testing.AllocsPerRun(100, func() { h.Translate(rm) }))
	}
}

// workload is one of ours, with a share of a socket, its memory and two GPUs.
func workload() pmetric.ResourceMetrics {
	var samples []sample
	for _, hw := range [...][2]string{{"package-0", "cpu"}, {"package-0/dram", "memory"}, {"GPU-1", "gpu"}, {"GPU-2", "gpu"}} {
		samples = append(samples, native("workload.energy", noon, hw[0], hw[1]))
	}
	return resource("agent", samples...)
}

// Of 100 metrics that are not foreign energy.
func BenchmarkOthers(b *testing.B) {
	h := newHarness(b, withPresets(Presets()...))
	rm := unrelated()
	b.ReportAllocs()
	for b.Loop() {
		h.Translate(rm)
	}
}

// Of a workload of ours, while foreign ones might compete.
func BenchmarkOurs(b *testing.B) {
	h := newHarness(b, withPresets(Presets()...))
	rm := workload()
	b.ReportAllocs()
	for b.Loop() {
		h.Translate(rm)
	}
}

// A node of 8 GPUs with 7 MIG instances each: 56 series of the counter, 8 of ours.
func BenchmarkMIG(b *testing.B) {
	h := newHarness(b, withPresets(Presets()...))
	var samples []sample
	for gpu := range 8 {
		for instance := range 7 {
			samples = append(samples, dcgmEnergy(noon, 1, "UUID", fmt.Sprint("GPU-", gpu), "GPU_I_ID", strconv.Itoa(instance), "hostname", "node-1"))
		}
	}
	rm := resource("dcgm", samples...)
	b.ReportAllocs()
	second := 0
	for b.Loop() {
		second++
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			m.Sum().DataPoints().At(0).SetTimestamp(pcommon.NewTimestampFromTime(noon.Add(time.Duration(second) * time.Second)))
		}
		h.Translate(rm)
		made := 0
		rm.ScopeMetrics().RemoveIf(func(pmetric.ScopeMetrics) bool { made++; return made > 1 })
		require.Equal(b, 2, made)
	}
}
