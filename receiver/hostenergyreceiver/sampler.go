// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"time"
)

// startSampler reads the counters between scrapes, so that none can wrap unseen at whatever
// collection interval.
func (s *hostScraper) startSampler() {
	s.sampling.Do(func() {
		if s.stopping.Err() == nil {
			s.goroutine.Go(s.sample)
		}
	})
}

func (s *hostScraper) sample() {
	for {
		select {
		case <-s.stopping.Done():
			return
		case <-time.After(s.samplingInterval()):
		}
		s.mu.Lock()
		now := time.Now()
		for _, st := range s.streams {
			if !st.start.IsZero() { // a first reading belongs to a scrape, which reports it
				s.observe(s.stopping, st, now)
			}
		}
		s.mu.Unlock()
	}
}

// samplingInterval is a quarter of the shortest time in which one of the counters can wrap.
func (s *hostScraper) samplingInterval() time.Duration {
	const (
		longest  = time.Minute            // while no range is known
		shortest = 100 * time.Millisecond // against a range that is nonsense
	)
	s.mu.Lock()
	defer s.mu.Unlock()
	interval := longest
	for _, st := range s.streams {
		if c := st.sensor.(*raplCounter); c.counter.Range > 0 {
			wrap := wrapSeconds(c.counter.Range, st.scope.maxPower())
			interval = min(interval, time.Duration(wrap/4*float64(time.Second)))
		}
	}
	return max(interval, shortest)
}
