// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

const gpuConfig = `
receivers:
  nvmlenergy:
    collection_interval: 50ms
    initial_delay: 0s
    poll_interval: 20ms
    processes: {enabled: false}
    host_id: h1
    host_name: n1
processors:
  carbonintensity:
    zone: DE
  carbonintensity/delta:
    zone: DE
  cumulative_to_delta:
exporters:
  otlp_grpc:
    endpoint: ${env:SINK}
    tls: {insecure: true}
    sending_queue: {enabled: false}
  prometheus:
    endpoint: ${env:PROMETHEUS}
service:
  telemetry:
    logs: {level: warn, encoding: console}
  pipelines:
    metrics/cumulative:
      receivers: [nvmlenergy]
      processors: [carbonintensity]
      exporters: [otlp_grpc, prometheus]
    metrics/delta:
      receivers: [nvmlenergy]
      processors: [cumulative_to_delta, carbonintensity/delta]
      exporters: [otlp_grpc]
`

// gpus is a collector that measures scripted GPUs.
type gpus struct {
	*collector
	backend    *sink
	prometheus string          // the address of its endpoint
	calls      string          // where the driver counts its calls
	scenario   string          // the file that the driver plays
	clock      *fakenvml.Clock // by which the test sets the time, nil if time is real
	configs    []string
	env        []string
}

// startGPUs starts a collector of GPUs whose time the test sets.
func startGPUs(t *testing.T, devices ...fakenvml.GPU) *gpus {
	t.Helper()
	return startScenario(t, fakenvml.Scenario{Clock: newClock(t), GPUs: devices})
}

func newClock(t *testing.T) *fakenvml.Clock {
	t.Helper()
	clock, err := fakenvml.NewClock(filepath.Join(t.TempDir(), "clock"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, clock.Close()) })
	return clock
}

// startScenario starts a collector that finds the scripted driver where the loader looks for it.
func startScenario(t *testing.T, s fakenvml.Scenario, settings ...string) *gpus {
	t.Helper()
	g := prepare(t, s, nil, settings...)
	g.run()
	return g
}

func prepare(t *testing.T, s fakenvml.Scenario, missing []string, settings ...string) *gpus {
	t.Helper()
	dir := t.TempDir()
	_, err := fakenvml.Build(dir, missing...)
	require.NoError(t, err)
	g := &gpus{
		backend: newSink(t), prometheus: freeAddress(t), clock: s.Clock,
		calls: filepath.Join(dir, "calls"), scenario: filepath.Join(dir, "scenario"),
	}
	require.NoError(t, s.WriteFile(g.scenario))
	g.configs = append([]string{writeFile(t, "config.yaml", gpuConfig)}, settings...)
	g.env = []string{
		"SINK=" + g.backend.address, "PROMETHEUS=" + g.prometheus,
		"LD_LIBRARY_PATH=" + dir, fakenvml.ScenarioEnv + "=" + g.scenario, fakenvml.CallsEnv + "=" + g.calls,
	}
	g.collector = command(t, g.configs, g.env...)
	return g
}

// again starts another process like the one that has ended.
func (g *gpus) again() { g.collector = start(g.tb, g.configs, g.env...) }

func (g *gpus) cumulative(metric, uuid string) []point {
	var found []point
	for _, p := range g.backend.named(metric, "hw.id", uuid) {
		if !p.delta {
			found = append(found, p)
		}
	}
	return found
}

// read waits for a reading of the GPU that was taken after now, and returns it.
func (g *gpus) read(uuid string) point {
	g.tb.Helper()
	now := time.Now()
	var last point
	g.eventually(func() bool {
		if points := g.cumulative("hw.energy", uuid); len(points) > 0 {
			last = points[len(points)-1]
		}
		return last.time.After(now)
	}, "a reading of "+uuid)
	return last
}

// Two GPUs, one reset and one loss: what is exported is the integral of their power, as of the last
// update of their counters.
func TestGPUEnergyIsTheIntegralOfPower(t *testing.T) {
	const (
		update  = 100 * time.Millisecond
		step    = 130 * time.Millisecond // not a multiple of the update, so that they drift apart
		end     = 10 * time.Second
		reset   = 6 * time.Second
		lost    = 4 * time.Second
		back    = 8 * time.Second
		initial = 126_272_101_025 // mJ, a real board's counter
		mJ      = 0.001
	)
	wave := fakenvml.Square{Low: 100, High: 700, Period: 730 * time.Millisecond, Duty: 0.4}
	flat := fakenvml.Const{Watts: 300}
	g := startGPUs(t,
		fakenvml.GPU{
			UUID: "GPU-square", Name: "NVIDIA H100 80GB HBM3", Power: wave, Update: update, Initial: initial,
			Events: []fakenvml.Event{{At: reset, Kind: fakenvml.Reset}},
		},
		fakenvml.GPU{
			UUID: "GPU-const", Name: "NVIDIA H100 80GB HBM3", Power: flat, Update: update, Initial: initial,
			Events: []fakenvml.Event{{At: lost, Kind: fakenvml.Lost}, {At: back, Kind: fakenvml.Back}},
		},
	)
	require.Zero(t, g.read("GPU-square").value)
	require.Zero(t, g.read("GPU-const").value)

	published := func(w fakenvml.Waveform, at time.Duration) float64 { return fakenvml.Energy(w, at.Truncate(update)) }
	var now, before time.Duration // before: the last time read before the reset
	var wentLost, cameBack time.Time
	for now+step <= end {
		now += step
		if cameBack.IsZero() && now >= back {
			cameBack = time.Now()
		}
		require.NoError(t, g.clock.Set(now))

		want := published(wave, now)
		if now < reset {
			before = now
		} else {
			// What was burnt between the last update that was read and the reset, the counter took
			// with it.
			want -= fakenvml.Energy(wave, reset) - published(wave, before)
		}
		assert.InDelta(t, want, g.read("GPU-square").value, mJ, "square at %v", now)

		switch {
		case now < lost || now >= back:
			assert.InDelta(t, published(flat, now), g.read("GPU-const").value, mJ, "const at %v", now)
		case wentLost.IsZero():
			wentLost = time.Now()
		}
	}
	require.Zero(t, g.stop())

	for _, uuid := range []string{"GPU-square", "GPU-const"} {
		g.assertMonotonic(t, uuid)
		g.assertGrams(t, uuid)
	}
	for _, p := range g.cumulative("hw.energy", "GPU-const") {
		assert.False(t, p.time.After(wentLost) && p.time.Before(cameBack), "a point while the GPU was lost")
	}
}

func (g *gpus) assertMonotonic(t *testing.T, uuid string) {
	t.Helper()
	points := g.cumulative("hw.energy", uuid)
	for i, p := range points[1:] {
		assert.GreaterOrEqual(t, p.value, points[i].value)
		assert.Equal(t, points[0].start, p.start, "one start, so one stream")
		assert.Equal(t, map[string]string{
			"host.id": "h1", "host.name": "n1",
			"hw.id": uuid, "hw.type": "gpu", "hw.name": "NVIDIA H100 80GB HBM3", "energy.method": "counter", "energy.scope": "gpu",
		}, p.attributes)
	}
}

// assertGrams checks that each gram belongs to its joules, and that deltas come to the same.
func (g *gpus) assertGrams(t *testing.T, uuid string) {
	t.Helper()
	energy := map[time.Time]float64{}
	var joules float64
	for _, p := range g.cumulative("hw.energy", uuid) {
		energy[p.time], joules = p.value, p.value
	}
	emissions := g.cumulative("hw.emissions", uuid)
	require.Len(t, emissions, len(energy))
	for _, p := range emissions {
		require.Contains(t, energy, p.time)
		assert.InDelta(t, energy[p.time]*intensityDE/3.6e6, p.value, 1e-9*p.value)
	}
	var fromDeltas float64
	for _, p := range g.backend.named("hw.emissions", "hw.id", uuid) {
		if p.delta {
			fromDeltas += p.value
		}
	}
	assert.InEpsilon(t, joules*intensityDE/3.6e6, fromDeltas, 1e-9, "the sum of the deltas")
}

// A driver that is installed later is found without a restart.
func TestGPUsAppearWithTheirDriver(t *testing.T) {
	dir := t.TempDir()
	scenario := filepath.Join(dir, "scenario")
	require.NoError(t, fakenvml.Scenario{GPUs: []fakenvml.GPU{{UUID: "GPU-1", Name: "NVIDIA T4", Power: fakenvml.Const{Watts: 70}}}}.WriteFile(scenario))
	backend := newSink(t)
	c := start(t, []string{
		writeFile(t, "config.yaml", gpuConfig),
		"yaml:receivers::nvmlenergy::library_path: " + filepath.Join(dir, fakenvml.LibraryName),
	}, "SINK="+backend.address, "PROMETHEUS="+freeAddress(t), fakenvml.ScenarioEnv+"="+scenario)
	c.eventually(func() bool { return c.output.String() != "" }, "a word about the missing driver")
	assert.Empty(t, backend.named("hw.energy", "", ""))

	_, err := fakenvml.Build(dir)
	require.NoError(t, err)
	c.eventually(func() bool { return len(backend.named("hw.emissions", "hw.id", "GPU-1")) > 0 }, "the GPU")
}

// Without the counter, energy is integrated from the best power there is.
func TestGPUEnergyWithoutACounter(t *testing.T) {
	t.Parallel()
	counter := []string{"nvmlDeviceGetTotalEnergyConsumption", "field:83", "field:191"}
	for name, tc := range map[string]struct {
		unsupported, missing []string
	}{
		"not supported":                     {unsupported: counter},
		"library lacks it":                  {unsupported: counter[1:], missing: counter[:1]},
		"nor the ring":                      {unsupported: append(counter, "nvmlDeviceGetSamples")},
		"library has the power at best":     {unsupported: counter, missing: []string{"nvmlDeviceGetSamples", "nvmlDeviceGetFieldValues"}},
		"library has neither, nor the ring": {unsupported: counter[1:], missing: []string{counter[0], "nvmlDeviceGetSamples"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := prepare(t, fakenvml.Scenario{Unsupported: tc.unsupported, GPUs: []fakenvml.GPU{{UUID: uuid(1), Name: h100, Power: fakenvml.Const{Watts: 300}}}}, tc.missing)
			g.run()
			var last point
			g.eventually(func() bool {
				points := g.cumulative("hw.energy", uuid(1))
				if len(points) > 0 {
					last = points[len(points)-1]
				}
				return last.time.Sub(last.start) > 4*time.Second
			}, "some seconds of energy")
			assert.Equal(t, "integrated", last.attributes["energy.method"])
			// The ring may be up to a reading late, whose energy is then in the next.
			assert.InDelta(t, 300*last.time.Sub(last.start).Seconds(), last.value, 40)
			assert.Zero(t, g.stop())
			assert.Len(t, streams(g.cumulative("hw.energy", uuid(1))), 1)
		})
	}
}

// What is off costs no call to the driver.
func TestWhatIsOffCostsNothing(t *testing.T) {
	t.Parallel()
	optional := map[string][]string{
		"hw.gpu.utilization":         {"nvmlDeviceGetUtilizationRates", "nvmlDeviceGetEncoderUtilization", "nvmlDeviceGetDecoderUtilization"},
		"hw.temperature":             {"nvmlDeviceGetTemperature"},
		"hw.gpu.memory.usage":        {"nvmlDeviceGetMemoryInfo"},
		"nvidia.gpu.clock.frequency": {"nvmlDeviceGetClockInfo"},
		"nvidia.gpu.throttled":       {"nvmlDeviceGetCurrentClocks"},
		"hw.errors":                  {"nvmlDeviceRegisterEvents", "nvmlEventSetCreate"},
		"processes":                  {"nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetProcessUtilization"},
	}
	for _, on := range []bool{false, true} {
		t.Run(map[bool]string{false: "off", true: "on"}[on], func(t *testing.T) {
			t.Parallel()
			var settings []string
			for name := range optional {
				key := "metrics::" + name
				if name == "processes" {
					key = name
				}
				settings = append(settings, fmt.Sprintf("yaml:receivers::nvmlenergy::%s::enabled: %v", key, on))
			}
			g := startScenario(t, fakenvml.Scenario{GPUs: []fakenvml.GPU{{UUID: uuid(1), Name: h100, Power: fakenvml.Const{Watts: 300}}}}, settings...)
			g.eventually(func() bool { return len(g.cumulative("hw.energy", uuid(1))) > 30 }, "points")
			require.Zero(t, g.stop())
			calls, err := fakenvml.ReadCalls(g.calls)
			require.NoError(t, err)
			assert.NotZero(t, calls["nvmlDeviceGetTotalEnergyConsumption"])
			for name, prefixes := range optional {
				for _, prefix := range prefixes {
					called := slices.ContainsFunc(slices.Collect(maps.Keys(calls)), func(symbol string) bool { return strings.HasPrefix(symbol, prefix) })
					assert.Equal(t, on, called, "%s: %s", name, prefix)
				}
			}
		})
	}
}
