// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// vitals are the readings of a GPU that are not energy, as functions that record them.
type vitals struct {
	at      time.Time
	records []func(*metadata.MetricsBuilder, pcommon.Timestamp)
}

// vitals reads what is enabled, once for each collection: a call for each, none for what is off.
func (w *worker) vitals(now time.Time) (v vitals, fresh bool) {
	if !w.vitalsAt.IsZero() && now.Sub(w.vitalsAt) < w.gpu.cfg.Controller.CollectionInterval*9/10 {
		return v, false
	}
	w.vitalsAt, v.at = now, now
	enabled := &w.gpu.cfg.Metrics.Metrics
	id, name := w.gpu.id, w.gpu.name
	if enabled.HwGpuUtilization.Enabled {
		v.utilization(w, metadata.AttributeHwGpuTaskGeneral, func() (uint32, error) {
			u, err := w.device.Utilization()
			return u.GPU, err
		})
		v.utilization(w, metadata.AttributeHwGpuTaskEncoder, w.device.EncoderUtilization)
		v.utilization(w, metadata.AttributeHwGpuTaskDecoder, w.device.DecoderUtilization)
	}
	if enabled.HwTemperature.Enabled {
		read(&v, w, "temperature", w.device.Temperature, func(mb *metadata.MetricsBuilder, at pcommon.Timestamp, celsius uint32) {
			mb.RecordHwTemperatureDataPoint(at, int64(celsius), id, name)
		})
	}
	if enabled.HwGpuMemoryUsage.Enabled || enabled.HwGpuMemoryLimit.Enabled || enabled.HwGpuMemoryUtilization.Enabled {
		read(&v, w, "memory", w.device.Memory, func(mb *metadata.MetricsBuilder, at pcommon.Timestamp, m nvml.Memory) {
			mb.RecordHwGpuMemoryUsageDataPoint(at, int64(m.Used), id, name)
			mb.RecordHwGpuMemoryLimitDataPoint(at, int64(m.Total), id, name)
			if m.Total > 0 {
				mb.RecordHwGpuMemoryUtilizationDataPoint(at, float64(m.Used)/float64(m.Total), id, name)
			}
		})
	}
	if enabled.NvidiaGpuClockFrequency.Enabled {
		for _, clock := range []nvml.Clock{nvml.GraphicsClock, nvml.SMClock, nvml.MemoryClock, nvml.VideoClock} {
			attribute := clocks[clock]
			read(&v, w, attribute.String()+" clock", func() (uint32, error) { return w.device.Clock(clock) },
				func(mb *metadata.MetricsBuilder, at pcommon.Timestamp, megahertz uint32) {
					mb.RecordNvidiaGpuClockFrequencyDataPoint(at, int64(megahertz)*1e6, id, name, attribute)
				})
		}
	}
	if enabled.NvidiaGpuThrottled.Enabled {
		read(&v, w, "throttling", w.device.Throttling, func(mb *metadata.MetricsBuilder, at pcommon.Timestamp, bits uint64) {
			for bit, reason := range throttleReasons {
				mb.RecordNvidiaGpuThrottledDataPoint(at, int64(bits/bit&1), id, name, reason)
			}
		})
	}
	return v, true
}

var clocks = map[nvml.Clock]metadata.AttributeNvidiaGpuClock{
	nvml.GraphicsClock: metadata.AttributeNvidiaGpuClockGraphics,
	nvml.SMClock:       metadata.AttributeNvidiaGpuClockSm,
	nvml.MemoryClock:   metadata.AttributeNvidiaGpuClockMemory,
	nvml.VideoClock:    metadata.AttributeNvidiaGpuClockVideo,
}

// throttleReasons are the bits of nvmlClocksEventReasons in nvml.h that hold clocks down against the user's
// will. The others say that the GPU is idle or that somebody set a limit.
var throttleReasons = map[uint64]metadata.AttributeNvidiaGpuThrottleReason{
	0x04: metadata.AttributeNvidiaGpuThrottleReasonSwPowerCap,
	0x08: metadata.AttributeNvidiaGpuThrottleReasonHwSlowdown,
	0x10: metadata.AttributeNvidiaGpuThrottleReasonSyncBoost,
	0x20: metadata.AttributeNvidiaGpuThrottleReasonSwThermal,
	0x40: metadata.AttributeNvidiaGpuThrottleReasonHwThermal,
	0x80: metadata.AttributeNvidiaGpuThrottleReasonHwPowerBrake,
}

func (v *vitals) utilization(w *worker, task metadata.AttributeHwGpuTask, call func() (uint32, error)) {
	id, name := w.gpu.id, w.gpu.name
	read(v, w, task.String()+" utilization", call, func(mb *metadata.MetricsBuilder, at pcommon.Timestamp, percent uint32) {
		mb.RecordHwGpuUtilizationDataPoint(at, float64(percent)/100, id, name, task)
	})
}

// read makes a call, and keeps how to record its answer.
func read[T any](v *vitals, w *worker, what string, call func() (T, error), record func(*metadata.MetricsBuilder, pcommon.Timestamp, T)) {
	value, err := call()
	w.gpu.diary.note(what, err)
	if err != nil {
		return
	}
	v.records = append(v.records, func(mb *metadata.MetricsBuilder, at pcommon.Timestamp) { record(mb, at, value) })
}
