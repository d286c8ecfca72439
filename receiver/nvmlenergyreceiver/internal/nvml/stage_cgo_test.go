// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// buildDir has the library that this process loads. It stays loaded, so there is one for all tests.
var buildDir string

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "nvml"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(buildDir)
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) { return fakenvml.Build(buildDir) })

// stage is a scripted library and the time of its GPUs.
type stage struct {
	library, scenario, calls string
	clock                    *fakenvml.Clock
	driver                   *driver // that plays
}

func newStage(tb testing.TB) *stage {
	tb.Helper()
	library, err := build()
	require.NoError(tb, err)
	return newStageFor(tb, library)
}

func newStageFor(tb testing.TB, library string) *stage {
	tb.Helper()
	dir := tb.TempDir()
	clock, err := fakenvml.NewClock(filepath.Join(dir, "clock"))
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, clock.Close()) })
	s := &stage{library: library, scenario: filepath.Join(dir, "scenario"), calls: filepath.Join(dir, "calls"), clock: clock}
	tb.Setenv(fakenvml.ScenarioEnv, s.scenario)
	tb.Setenv(fakenvml.CallsEnv, s.calls)
	tb.Cleanup(func() { s.end(tb) })
	return s
}

// play begins a scenario, at time 0.
func (s *stage) play(tb testing.TB, play fakenvml.Scenario) *driver {
	tb.Helper()
	s.end(tb)
	s.at(tb, 0)
	play.Clock = s.clock
	require.NoError(tb, play.WriteFile(s.scenario))
	s.driver = New(s.library).(*driver)
	require.NoError(tb, s.driver.Open())
	return s.driver
}

// end closes the driver, unless the test has done so.
func (s *stage) end(tb testing.TB) {
	tb.Helper()
	if s.driver != nil && s.driver.session != nil {
		require.NoError(tb, s.driver.Close())
	}
}

// playOne begins a scenario with one GPU.
func (s *stage) playOne(tb testing.TB, g fakenvml.GPU, unsupported ...string) *device {
	tb.Helper()
	g.UUID = idA
	if g.Name == "" {
		g.Name = "Fake A"
	}
	if g.Power == nil {
		g.Power = fakenvml.Const{Watts: 100}
	}
	d := s.play(tb, fakenvml.Scenario{GPUs: []fakenvml.GPU{g}, Unsupported: unsupported})
	handle, err := d.Device(0, &Watch{})
	require.NoError(tb, err)
	return handle.(*device)
}

func (s *stage) at(tb testing.TB, at time.Duration) {
	tb.Helper()
	require.NoError(tb, s.clock.Set(at))
}

func (s *stage) called(tb testing.TB, symbol string) uint64 {
	tb.Helper()
	calls, err := fakenvml.ReadCalls(s.calls)
	require.NoError(tb, err)
	return calls[symbol]
}

const (
	idA = "GPU-5a3e1d80-0000-4000-8000-00000000000a"
	idB = "GPU-5a3e1d80-0000-4000-8000-00000000000b"
)
