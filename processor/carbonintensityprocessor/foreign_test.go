// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
)

// dcgm is a scrape of dcgm-exporter with two MIG instances of one GPU, each with the energy of all of it.
func dcgm(at time.Time, millijoules float64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.instance.id", "node-1:9400")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for _, instance := range []string{"1", "2"} {
		dp := sum.DataPoints().AppendEmpty()
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetDoubleValue(millijoules)
		for k, v := range map[string]string{"UUID": "GPU-5a3e1d80", "gpu": "0", "modelName": "NVIDIA H100", "GPU_I_ID": instance} {
			dp.Attributes().PutStr(k, v)
		}
	}
	return md
}

func TestForeignEnergyIsConvertedOnce(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"intensity": 360, "foreign": map[string]any{"presets": []any{"dcgm"}}})
	at := time.Now()
	r.send(dcgm(at, 1e12))
	md := r.send(dcgm(at.Add(10*time.Second), 1e12+3.6e9))
	got := pointsNamed(t, md, "hw.emissions")
	require.Len(t, got, 1)
	assert.Equal(t, "GPU-5a3e1d80", got[0].device)
	assert.InEpsilon(t, 360.0, got[0].value, 1e-9)
	assert.Len(t, metricsNamed(md, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"), 1, "it passes unchanged")
}

func TestForeignEnergyIsLeftAloneUnasked(t *testing.T) {
	r := newRun(t, nopSettings(), map[string]any{"intensity": 360})
	md := r.send(dcgm(time.Now(), 1e12))
	assert.Equal(t, 1, md.ResourceMetrics().At(0).ScopeMetrics().Len())
}

func dcgmReading(name string, at time.Time, value float64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.instance.id", "node-1:9400")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	var dps pmetric.NumberDataPointSlice
	if name == "DCGM_FI_DEV_POWER_USAGE" {
		dps = m.SetEmptyGauge().DataPoints()
	} else {
		s := m.SetEmptySum()
		s.SetIsMonotonic(true)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		dps = s.DataPoints()
	}
	dp := dps.AppendEmpty()
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	dp.SetDoubleValue(value)
	for k, v := range map[string]string{"UUID": "GPU-5a3e1d80", "gpu": "0", "modelName": "NVIDIA H100"} {
		dp.Attributes().PutStr(k, v)
	}
	return md
}

// A counter that took over from a power counts from there, also after a restart, which knows no more that it did.
func TestTakeoverOverARestart(t *testing.T) {
	m := &storetest.Memory{}
	settings := map[string]any{"intensity": 360, "storage": "file_storage", "foreign": map[string]any{"presets": []any{"dcgm"}}}
	at := time.Now().Add(-time.Hour)
	next := func() time.Time { at = at.Add(10 * time.Second); return at }
	r := newRunOn(t, storetest.Host(m), nopSettings(), settings)
	r.send(dcgmReading("DCGM_FI_DEV_POWER_USAGE", next(), 100))
	r.send(dcgmReading("DCGM_FI_DEV_POWER_USAGE", next(), 100))
	const life = 1e13 // mJ
	r.send(dcgmReading("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", next(), life))
	r.send(dcgmReading("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", next(), life+1e6))
	require.NoError(t, r.p.Shutdown(context.Background()))
	r = newRunOn(t, storetest.Host(m), nopSettings(), settings)
	md := r.send(dcgmReading("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", next(), life+2e6))
	after := pointsNamed(t, md, "hw.emissions")
	assert.Less(t, after[len(after)-1].value, 1.0, "2 kJ are 0.2 g")
}
