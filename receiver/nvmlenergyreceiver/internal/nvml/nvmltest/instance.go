// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmltest

import (
	"slices"
	"time"

	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
)

// share is a handle of an instance, with what was true of it when it was taken.
type share struct {
	device                  *device
	instance                *Instance
	id                      string
	slices, multiprocessors int
	last                    time.Time // of the sample
	closed                  bool
}

func newShare(d *device, i *Instance) *share {
	return &share{device: d, instance: i, id: i.ID, slices: i.Slices, multiprocessors: i.Multiprocessors}
}

func (s *share) UUID() string         { return s.id }
func (s *share) GPUInstance() int     { return s.instance.GPUInstance }
func (s *share) Slices() int          { return s.slices }
func (s *share) Multiprocessors() int { return s.multiprocessors }

func (s *share) Processes(buffer []nvml.Process) ([]nvml.Process, error) {
	result, err := call(s.device, nvml.SymbolComputeProcesses, func() ([]nvml.Process, error) {
		if err := s.stale(); err != nil {
			return nil, err
		}
		return append(buffer, s.instance.Running...), nil
	})
	if err != nil {
		return buffer, err
	}
	return result, nil
}

func (s *share) Activity() (float64, error) {
	return call(s.device, nvml.SymbolGPMSample, func() (float64, error) {
		if err := s.stale(); err != nil {
			return 0, err
		}
		if s.instance.Activity == nil {
			return 0, nvml.NotSupported
		}
		if s.closed {
			s.device.driver.misuse("activity of %s was asked for after it was closed", s.id)
			return 0, ErrCrash
		}
		d := s.device.driver
		if d.held == nil {
			d.held = map[*share]struct{}{}
		}
		d.held[s] = struct{}{}
		before, now := s.last, time.Now()
		if !before.IsZero() && now.Sub(before) < 100*time.Millisecond {
			return 0, nvml.NotFound
		}
		s.last = now
		if before.IsZero() {
			return 0, nvml.NotFound
		}
		return *s.instance.Activity, nil
	})
}

// Close is safe after the driver was closed.
func (s *share) Close() {
	d := s.device.driver
	d.mu.Lock()
	defer d.mu.Unlock()
	s.closed = true
	delete(d.held, s)
}

func (s *share) stale() error {
	if !s.device.gpu.MIGCurrent || !slices.Contains(s.device.gpu.Instances, s.instance) {
		return nvml.InvalidArgument
	}
	return nil
}
