// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"math"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// scope finds out whether the counter covers the GPU or, as on a GH200, the whole module. NVML does not say:
// the counter is compared with the power of both (zeus-ml/zeus #172).
type scope struct {
	decided, module bool

	since                 time.Time
	polls                 float64
	counted               float64 // by the counter since then, in mJ
	gpuPower, modulePower float64 // sums of the power at each poll, in mW
}

// comparison is how long they are compared.
const comparison = 5 * time.Second

func scopeOf(module bool) nvml.Scope {
	if module {
		return nvml.Module
	}
	return nvml.GPU
}

// read polls both powers while there is a question.
func (s *scope) read(device nvml.Device, r *Reading) {
	if r.modulePower = anyPower(device, nvml.Module); r.modulePower > 0 {
		r.gpuPower = anyPower(device, nvml.GPU)
	}
}

// anyPower is in mW, 0 if there is none.
func anyPower(device nvml.Device, s nvml.Scope) uint32 {
	for _, call := range []func(nvml.Scope) (uint32, error){device.AveragePower, device.InstantPower} {
		if power, err := call(s); err == nil {
			return power
		}
	}
	return 0
}

func (s *scope) observe(r Reading, counted uint64) {
	switch {
	case s.decided:
	case r.modulePower == 0:
		s.decided = true
	case r.gpuPower == 0:
		s.decided, s.module = true, true
	case s.since.IsZero():
		s.since = r.At
	default:
		s.polls++
		s.counted += float64(counted)
		s.gpuPower += float64(r.gpuPower)
		s.modulePower += float64(r.modulePower)
		if elapsed := r.At.Sub(s.since); elapsed >= comparison {
			power := s.counted / elapsed.Seconds()
			s.decided = true
			s.module = math.Abs(power-s.modulePower/s.polls) < math.Abs(power-s.gpuPower/s.polls)
		}
	}
}
