// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// kept are the settings with which totals survive.
func kept(t *testing.T) []string {
	t.Helper()
	return []string{
		"yaml:extensions::file_storage: {directory: " + t.TempDir() + "}",
		"yaml:service::extensions: [file_storage]",
		"yaml:receivers::nvmlenergy::storage: file_storage",
	}
}

func (c *collector) kill() {
	c.tb.Helper()
	require.NoError(c.tb, c.cmd.Process.Kill())
	<-c.exited
}

// A collector that is killed again and again tells what one would have told that had run all the time. The driver
// counts on.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	const kills, watts, begin = 50, 300, 10 * time.Second
	epoch := time.Now()
	gpu := fakenvml.GPU{UUID: uuid(1), Name: h100, Initial: 126_272_101_025, Power: pulse(t, watts, begin, time.Hour)}
	scenario := fakenvml.Scenario{Epoch: epoch, GPUs: []fakenvml.GPU{gpu}}
	g := startScenario(t, scenario, append(kept(t), "yaml:receivers::nvmlenergy::processes::enabled: true", "yaml:processors::carbonintensity::storage: file_storage")...)
	g.read(uuid(1))
	require.Less(t, time.Since(epoch), begin, "nothing is used before the first reading")

	joules, grams := newSeries(t, "hw_energy_joules_total"), newSeries(t, "hw_emissions_grams_total")
	watch := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(lookEach) {
			families := scrape(t, g.prometheus)
			joules.take(families)
			grams.take(families)
		}
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range kills {
		watch(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
		g.kill()
		g.again()
	}
	end := time.Since(epoch).Truncate(time.Second) + 8*time.Second
	scenario.GPUs[0].Power = pulse(t, watts, begin, end)
	require.NoError(t, scenario.WriteFile(g.scenario))
	g.kill()
	g.again()
	require.Less(t, time.Since(epoch), end)
	watch(end + 4*time.Second - time.Since(epoch)) // the parts are told two seconds later
	require.Zero(t, g.stop())

	used := fakenvml.Energy(scenario.GPUs[0].Power, end)
	points := g.cumulative("hw.energy", uuid(1))
	g.assertMonotonic(t, uuid(1))
	assert.InDelta(t, used, points[len(points)-1].value, 1e-6)
	for _, p := range points {
		assert.LessOrEqual(t, p.value, fakenvml.Energy(scenario.GPUs[0].Power, p.time.Sub(epoch))+1e-6, "more than was used, at %v", p.time.Sub(epoch))
	}
	parts := map[string]float64{}
	for _, p := range g.cumulative("workload.energy", uuid(1)) {
		parts[p.attributes["workload.kind"]+p.start.String()] = p.value
	}
	var told float64
	for _, joules := range parts {
		told += joules
	}
	assert.InDelta(t, used, told, 1e-6, "the parts: %v", parts)
	assert.InEpsilon(t, used, joules.increase(t), 1e-4, "as Prometheus sees it")
	assert.Zero(t, joules.falls)

	// What is read and not yet sent when it is killed is missing in the grams. Nothing is in them twice.
	emitted := map[time.Time]float64{}
	for _, p := range g.cumulative("hw.emissions", uuid(1)) {
		emitted[p.start] = max(emitted[p.start], p.value)
	}
	total := 0.0
	for _, grams := range emitted {
		total += grams
	}
	want := used * intensityDE / 3.6e6
	assert.LessOrEqual(t, total, want*(1+1e-9))
	assert.Greater(t, total, 0.9*want)
	assert.LessOrEqual(t, grams.increase(t), want*(1+1e-4))
	t.Logf("%.2f %% of the grams are missing after %d kills", 100*(1-total/want), kills)
}

// samples are what a Prometheus has scraped of the energy of a GPU.
type samples struct {
	metric      string
	storage     *teststorage.TestStorage
	labels      labels.Labels
	first, last time.Time
	value       float64
	falls       int
	tb          testing.TB
}

func newSeries(t *testing.T, metric string) *samples {
	t.Helper()
	return &samples{metric: metric, storage: teststorage.New(t), labels: labels.FromStrings(model.MetricNameLabel, "energy"), tb: t}
}

func (s *samples) take(families map[string]*dto.MetricFamily) {
	s.tb.Helper()
	now := time.Now()
	for _, m := range families[s.metric].GetMetric() {
		value := m.GetCounter().GetValue()
		if value < s.value {
			s.falls++
		}
		appender := s.storage.Appender(s.tb.Context())
		_, err := appender.Append(0, s.labels, now.UnixMilli(), value)
		require.NoError(s.tb, err)
		require.NoError(s.tb, appender.Commit())
		if s.first.IsZero() {
			s.first = now
		}
		s.last, s.value = now, value
	}
}

// increase is what PromQL makes of all samples. It is exact as long as nothing is used near both ends.
func (s *samples) increase(t *testing.T) float64 {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	window := s.last.UnixMilli() - s.first.UnixMilli() + 1 // which does not have its begin
	query, err := engine.NewInstantQuery(t.Context(), s.storage, nil, fmt.Sprintf("increase(energy[%dms])", window), s.last)
	require.NoError(t, err)
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	require.NoError(t, err)
	require.Len(t, vector, 1)
	return vector[0].F
}

// What was used while the collector was down is told at the next start, with the time it belongs to.
func TestRestart(t *testing.T) {
	t.Parallel()
	const down, up = 5 * time.Second, 8 * time.Second
	flat := fakenvml.Const{Watts: 100}
	for name, tc := range map[string]struct {
		boot, driver string        // at the second start
		initial      uint64        // mJ, what the counter shows at time 0
		want         time.Duration // of which the energy is told
	}{
		"nothing has changed":       {"first", "1", 1e9, up},
		"the machine has booted":    {"second", "1", 0, down + up},
		"the driver was updated":    {"first", "2", 0, down + up},
		"the counter has restarted": {"first", "1", 0, down + up},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			boot := filepath.Join(root, "proc/sys/kernel/random/boot_id")
			require.NoError(t, os.MkdirAll(filepath.Dir(boot), 0o750))
			require.NoError(t, os.WriteFile(boot, []byte("first\n"), 0o600))
			const gramsPerJoule = intensityDE / 3.6e6
			s := fakenvml.Scenario{Clock: newClock(t), Driver: "1", GPUs: []fakenvml.GPU{{UUID: uuid(1), Name: h100, Power: flat, Initial: 1e9}}}
			g := startScenario(t, s, append(kept(t), "yaml:receivers::nvmlenergy::root_path: "+root, "yaml:processors::carbonintensity::storage: file_storage")...)
			start := g.read(uuid(1)).start
			require.NoError(t, g.clock.Set(down))
			require.InDelta(t, fakenvml.Energy(flat, down), g.read(uuid(1)).value, 0.001)
			require.Zero(t, g.stop())

			told := g.cumulative("hw.energy", uuid(1))
			before := told[len(told)-1]
			require.NoError(t, os.WriteFile(boot, []byte(tc.boot+"\n"), 0o600))
			s.Driver, s.GPUs[0].Initial = tc.driver, tc.initial
			require.NoError(t, s.WriteFile(g.scenario))
			require.NoError(t, g.clock.Set(up))
			g.again()
			assert.InDelta(t, fakenvml.Energy(flat, tc.want), g.read(uuid(1)).value, 0.001)
			require.Zero(t, g.stop())

			after := g.cumulative("hw.energy", uuid(1))[len(told):]
			assert.Equal(t, start, after[0].start)
			assert.InDelta(t, before.value, after[0].value, 0, "the first point is the last one before")
			assert.Equal(t, before.time, after[0].time)
			grams := g.cumulative("hw.emissions", uuid(1))
			last := grams[len(grams)-1]
			assert.InDelta(t, fakenvml.Energy(flat, tc.want)*gramsPerJoule, last.value, 1e-6)
			assert.Equal(t, start, last.start, "emissions go on as well")
			g.assertMonotonic(t, uuid(1))
		})
	}
}

// Storage that is not there is a mistake in the config.
func TestStorageIsMissing(t *testing.T) {
	t.Parallel()
	g := prepare(t, fakenvml.Scenario{}, nil, "yaml:receivers::nvmlenergy::storage: file_storage")
	g.run()
	assert.Equal(t, 1, g.exitCode())
	assert.Contains(t, g.output.String(), `storage: there is no extension "file_storage"; list it under extensions and service::extensions`)
}
