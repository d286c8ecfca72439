// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package bmc reads the power of a whole machine from its management controller (BMC), by IPMI DCMI or Redfish.
//
// What a BMC tells is the power at the input of the power supplies, as these measure it: 1 to 5 % for most. It is a mean over a
// time that the vendor chooses, from one second to a minute, and is integrated as if it changed evenly between two
// readings. Counters of energy (Redfish EnergykWh) are not used: most have steps of 0.1 kWh, which is 360 kJ.
package bmc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// ErrWaiting means: the BMC was asked, and has not answered yet.
var ErrWaiting = errors.New("the BMC has not answered yet")

// Meter asks in a goroutine of its own, so that a slow BMC holds nobody up.
type Meter struct {
	service  service
	interval time.Duration

	mu         sync.Mutex
	integrator joule.Integrator
	gap        bool   // since the last Read
	err        error  // of the last question
	what       string // see service

	begun         bool   // it was read
	base, counted uint64 // what the integrator had at the first Read, and what it has had more at the last: in mJ

	stop context.CancelFunc
	done sync.WaitGroup
}

// service is a BMC.
type service interface {
	// power in W, now. After an error it connects again.
	power(ctx context.Context) (float64, error)
	// close ends the session, if there is one.
	close(ctx context.Context)
	driver() sensor.Driver
	// what it is in the BMC that has this power, where it has several things; empty until that is known.
	what() string
}

// maxPower is more than any machine draws that has one BMC, in W.
const maxPower = 200_000

func newMeter(s service, interval time.Duration) *Meter {
	return &Meter{
		service: s, interval: interval, err: ErrWaiting, stop: func() {},
		integrator: joule.Integrator{MaxGap: max(3*interval, 30*time.Second)},
	}
}

// Source of the energy of the whole machine.
func (m *Meter) Source() sensor.Source {
	return sensor.Source{
		Sensor: m, ID: "bmc", Name: "BMC", Scope: sensor.Host, Method: sensor.Integrated, Driver: m.service.driver(),
	}
}

// Start begins to ask.
func (m *Meter) Start() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.done.Go(func() { m.run(ctx) })
}

// Shutdown ends the session. It waits for a question that is under way, at most for its timeout.
func (m *Meter) Shutdown(ctx context.Context) {
	m.stop()
	m.done.Wait()
	m.service.close(ctx)
}

func (m *Meter) run(ctx context.Context) {
	retry := backoff.ExponentialBackOff{InitialInterval: m.interval, Multiplier: 2, RandomizationFactor: 0.2, MaxInterval: 5 * time.Minute}
	for {
		wait := m.interval
		if err := m.ask(ctx); err != nil {
			wait = retry.NextBackOff()
		} else {
			retry.Reset()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (m *Meter) ask(ctx context.Context) error {
	watts, err := m.service.power(ctx)
	now := time.Now()
	switch {
	case err != nil:
	case !(watts > 0):
		err = fmt.Errorf("the BMC says %v W, which is no power of something that runs", watts)
	case watts > maxPower:
		err = fmt.Errorf("the BMC says %v W, more than %d", watts, maxPower)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err = err; err != nil {
		return err
	}
	m.what = m.service.what()
	if m.integrator.Observe(uint32(math.Round(watts*1000)), now) == joule.Gap {
		m.gap = true
	}
	return nil
}

// What it is in the BMC whose power is taken, where that is known and it has several things.
func (m *Meter) What() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.what
}

// Problem is why the last question was not answered; nil if it was, or none was yet.
func (m *Meter) Problem() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.Is(m.err, ErrWaiting) {
		return nil
	}
	return m.err
}

// Read takes what was asked last. The energy counts from the first time.
func (m *Meter) Read(time.Time) (joule.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return joule.Rejected, m.err
	}
	outcome := joule.Counted
	switch {
	case !m.begun:
		m.begun, m.base, outcome = true, m.integrator.Total(), joule.First
	case m.gap:
		outcome = joule.Gap
	}
	m.gap, m.counted = false, m.integrator.Total()-m.base
	return outcome, nil
}

// Microjoules since the first reading, at the last.
func (m *Meter) Microjoules() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counted * 1000
}

// Interval is 0: the BMC is asked anyway.
func (m *Meter) Interval() time.Duration { return 0 }
