// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package bmc

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// script is a BMC that answers slowly, and what a test wants.
type script struct {
	answer atomic.Pointer[answer]
	slow   time.Duration
	asked  atomic.Int64
}

type answer struct {
	watts float64
	err   error
}

func (s *script) power(ctx context.Context) (float64, error) {
	s.asked.Add(1)
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(s.slow):
	}
	said := s.answer.Load()
	return said.watts, said.err
}

func (s *script) close(context.Context) {}
func (s *script) driver() sensor.Driver { return sensor.IPMI }
func (s *script) what() string          { return "" }

func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bmc := &script{slow: 3 * time.Second}
		bmc.answer.Store(&answer{watts: 400})
		m := newMeter(bmc, 10*time.Second)
		m.Start()
		_, err := m.Read(time.Now())
		require.ErrorIs(t, err, ErrWaiting, "it does not wait for the BMC")
		time.Sleep(5 * time.Second)
		outcome, err := m.Read(time.Now())
		require.NoError(t, err)
		assert.Equal(t, joule.First, outcome)
		time.Sleep(13 * 10 * time.Second)
		outcome, err = m.Read(time.Now())
		require.NoError(t, err)
		assert.Equal(t, joule.Counted, outcome)
		assert.Equal(t, uint64(130*400_000_000), m.Microjoules())

		bmc.answer.Store(&answer{err: errors.New("rebooting")})
		time.Sleep(time.Minute)
		_, err = m.Read(time.Now())
		require.ErrorContains(t, err, "rebooting")
		asked := bmc.asked.Load()
		time.Sleep(10 * time.Minute)
		assert.LessOrEqual(t, bmc.asked.Load()-asked, int64(6), "it is left in peace")
		bmc.answer.Store(&answer{watts: 400})
		time.Sleep(10 * time.Minute)
		outcome, err = m.Read(time.Now())
		require.NoError(t, err)
		assert.Equal(t, joule.Gap, outcome, "what was drawn meanwhile is not known")
		outcome, _ = m.Read(time.Now())
		assert.Equal(t, joule.Counted, outcome, "that is said once")

		bmc.answer.Store(&answer{watts: 300_000})
		time.Sleep(time.Minute)
		_, err = m.Read(time.Now())
		require.ErrorContains(t, err, "more than 200000")
		m.Shutdown(t.Context())
	})
}

// The energy is that since the first time that somebody looked, not since the BMC was first asked: the first point is 0.
func TestMeterCountsFromTheFirstRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bmc := &script{slow: 3 * time.Second}
		bmc.answer.Store(&answer{watts: 400})
		m := newMeter(bmc, 10*time.Second)
		m.Start()
		time.Sleep(time.Minute) // it has answered four times
		assert.Zero(t, m.Microjoules())
		outcome, err := m.Read(time.Now())
		require.NoError(t, err)
		assert.Equal(t, joule.First, outcome)
		assert.Zero(t, m.Microjoules())
		time.Sleep(time.Minute)
		assert.Zero(t, m.Microjoules(), "what is told between two readings does not change")
		outcome, err = m.Read(time.Now())
		require.NoError(t, err)
		assert.Equal(t, joule.Counted, outcome)
		assert.InDelta(t, 60*400, float64(m.Microjoules())/1e6, 13*400)
		m.Shutdown(t.Context())
	})
}

// A gap before the first reading is nobody's.
func TestMeterBeginsAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bmc := &script{}
		m := newMeter(bmc, time.Second)
		for _, wait := range []time.Duration{time.Second, time.Minute} {
			bmc.answer.Store(&answer{watts: 400})
			require.NoError(t, m.ask(t.Context()))
			time.Sleep(wait)
		}
		require.NoError(t, m.ask(t.Context()))
		outcome, err := m.Read(time.Now())
		require.NoError(t, err)
		assert.Equal(t, joule.First, outcome)
		assert.Zero(t, m.Microjoules())
	})
}

func TestConfig(t *testing.T) {
	load := func(settings map[string]any) (Config, error) {
		cfg := DefaultConfig()
		if err := confmap.NewFromStringMap(settings).Unmarshal(&cfg); err != nil {
			return cfg, err
		}
		return cfg, confmap.Validate(&cfg)
	}
	cfg, err := load(map[string]any{"ipmi": map[string]any{}})
	require.NoError(t, err)
	assert.True(t, cfg.IPMI.HasValue())
	assert.False(t, cfg.Redfish.HasValue())
	assert.Equal(t, 5*time.Second, cfg.IPMI.Get().Timeout)
	type m = map[string]any
	for want, settings := range map[string]m{
		"take one out":                         {"ipmi": m{}, "redfish": m{"endpoint": "https://192.0.2.7"}},
		`endpoint: "192.0.2.7": must be host:`: {"ipmi": m{"endpoint": "192.0.2.7", "username": "u"}},
		"username: not set":                    {"ipmi": m{"endpoint": "192.0.2.7:623"}},
		"timeout: 0s: must be above":           {"ipmi": m{"timeout": "0s"}},
		"endpoint: not set: name the service":  {"redfish": m{}},
		"interval: 1ms: must be from 1s":       {"interval": "1ms"},
		"baud":                                 {"ipmi": m{"baud": 9600}},
	} {
		_, err := load(settings)
		require.ErrorContains(t, err, want)
	}
}
