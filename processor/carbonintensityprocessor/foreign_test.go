// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
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
