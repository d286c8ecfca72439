// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// A collection between any two readings shows each reading, so that the parts can be compared with the
// whole at the end of each window.
const workloadConfig = `
receivers:
  nvmlenergy:
    collection_interval: 50ms
    initial_delay: 0s
    poll_interval: 100ms
    host_id: h1
    host_name: n1
    calibration: [{gpu: "NVIDIA*", idle_power: 100}]
processors:
  carbonintensity:
    zone: DE
exporters:
  otlp_grpc:
    endpoint: ${env:SINK}
    tls: {insecure: true}
    sending_queue: {enabled: false}
service:
  telemetry:
    logs: {level: info, encoding: console}
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:TELEMETRY_PORT}"}}}}]
  pipelines:
    metrics:
      receivers: [nvmlenergy]
      processors: [carbonintensity]
      exporters: [otlp_grpc]
`

const (
	idleWatts = 100 // as calibrated above
	allWatts  = 300 // of a GPU that a test says nothing of
	h100      = "NVIDIA H100 80GB HBM3"
	forever   = time.Hour
)

// machine is a collector that measures scripted GPUs in real time, and what it tells of itself.
type machine struct {
	*collector
	backend   *sink
	telemetry string
	gpus      []string
}

// startMachine starts a collector under a root_path. GPUs without a name are calibrated, those without a power
// draw allWatts. The scenario begins when the collector opens the driver.
func startMachine(t *testing.T, root string, gpus []fakenvml.GPU, settings ...string) *machine {
	t.Helper()
	dir := t.TempDir()
	_, err := fakenvml.Build(dir)
	require.NoError(t, err)
	m := &machine{backend: newSink(t), telemetry: freeAddress(t)}
	gpus = slices.Clone(gpus)
	for i := range gpus {
		g := &gpus[i]
		if g.Name == "" {
			g.Name = h100
		}
		if g.Power == nil {
			g.Power = fakenvml.Const{Watts: allWatts}
		}
		m.gpus = append(m.gpus, g.UUID)
	}
	scenario := filepath.Join(dir, "scenario")
	require.NoError(t, fakenvml.Scenario{GPUs: gpus}.WriteFile(scenario))

	_, port, err := net.SplitHostPort(m.telemetry)
	require.NoError(t, err)
	configs := []string{writeFile(t, "config.yaml", workloadConfig), "yaml:receivers::nvmlenergy::root_path: " + root}
	for _, setting := range settings {
		configs = append(configs, "yaml:receivers::nvmlenergy::"+setting)
	}
	m.collector = command(t, configs,
		"SINK="+m.backend.address, "TELEMETRY_PORT="+port, "LD_LIBRARY_PATH="+dir, fakenvml.ScenarioEnv+"="+scenario)
	m.cmd.Args = append(m.cmd.Args, "--config=yaml:service::telemetry::metrics::level: normal")
	m.run()
	return m
}

// stream is what the backend has got of one.
type stream struct {
	attributes map[string]string
	points     []point
}

// at is the value at a time: that of the last point until then.
func (s *stream) at(t time.Time) (value float64) {
	for _, p := range s.points {
		if !p.time.After(t) {
			value = p.value
		}
	}
	return value
}

func (s *stream) last() point { return s.points[len(s.points)-1] }

// is reports whether the stream has the labels, each as key=value.
func (s *stream) is(labels ...string) bool {
	for _, label := range labels {
		if key, value, _ := strings.Cut(label, "="); s.attributes[key] != value {
			return false
		}
	}
	return true
}

// streams are those of a metric that have the labels. One that starts anew is another.
func (m *machine) streams(metric, gpu string, labels ...string) []*stream {
	var found []*stream
	known := map[string]*stream{}
	for _, p := range m.backend.named(metric, "hw.id", gpu) {
		id := fmt.Sprint(p.attributes, p.start)
		if known[id] == nil {
			known[id] = &stream{attributes: p.attributes}
			found = append(found, known[id])
		}
		known[id].points = append(known[id].points, p)
	}
	return slices.DeleteFunc(found, func(s *stream) bool { return !s.is(labels...) })
}

// parts are the streams of workload.energy.
func (m *machine) parts(gpu string, labels ...string) []*stream {
	return m.streams("workload.energy", gpu, labels...)
}

func sum(streams []*stream) (total float64) {
	for _, s := range streams {
		total += s.last().value
	}
	return total
}

func sumAt(streams []*stream, at time.Time) (total float64) {
	for _, s := range streams {
		total += s.at(at)
	}
	return total
}

// began is when the GPU was read first.
func (m *machine) began(gpu string) time.Time {
	m.tb.Helper()
	m.eventually(func() bool { return len(m.backend.named("hw.energy", "hw.id", gpu)) > 0 }, "a reading of "+gpu)
	return m.backend.named("hw.energy", "hw.id", gpu)[0].start
}

// until waits until all that the GPU has used in so much time is booked.
func (m *machine) until(gpu string, since time.Duration) {
	m.tb.Helper()
	began := m.began(gpu)
	m.eventually(func() bool {
		points := m.backend.named("workload.energy", "hw.id", gpu)
		return len(points) > 0 && points[len(points)-1].time.Sub(began) >= since
	}, fmt.Sprintf("the first %v of %s to be booked", since, gpu))
}

// used is the energy of the parts with these labels in windows that were closed from when until when, since the
// GPU was read first.
func (m *machine) used(gpu string, from, to time.Duration, labels ...string) float64 {
	m.tb.Helper()
	began, parts := m.began(gpu), m.parts(gpu, labels...)
	return sumAt(parts, began.Add(to)) - sumAt(parts, began.Add(from))
}

// log is for a test that has failed.
func (m *machine) log(t *testing.T, gpu string) {
	t.Helper()
	for _, p := range m.parts(gpu) {
		first, last := p.points[0], p.last()
		t.Logf("%v: %.3f J from %v until %v", p.attributes, last.value, first.time.Sub(m.began(gpu)), last.time.Sub(m.began(gpu)))
	}
}

// finish stops the collector, and asserts what holds for each GPU at any time: that its parts are the whole.
func (m *machine) finish(t *testing.T) {
	t.Helper()
	telemetry := scrape(t, m.telemetry)
	require.Zero(t, m.stop())
	for _, gpu := range m.gpus {
		assert.Equal(t, []float64{0}, gauge(telemetry, "attribution_imbalance", gpu), "%s: the imbalance, of %v", gpu, slices.Sorted(maps.Keys(telemetry)))
		m.assertConserved(t, gpu)
	}
}

func (m *machine) assertConserved(t *testing.T, gpu string) {
	t.Helper()
	whole, parts := m.streams("hw.energy", gpu), m.parts(gpu)
	require.NotEmpty(t, whole, gpu)
	require.NotEmpty(t, parts, gpu)
	assert.InEpsilon(t, sum(whole), sum(parts), 1e-9, "%s: the parts at the end", gpu)

	read := map[time.Time]bool{}
	for _, s := range whole {
		for _, p := range s.points {
			read[p.time] = true
		}
	}
	closed, compared := map[time.Time]bool{}, 0
	for _, s := range parts {
		for i, p := range s.points {
			closed[p.time] = closed[p.time] || p.value > 0
			assert.False(t, i > 0 && p.value < s.points[i-1].value, "%s: %v decreases", gpu, s.attributes)
		}
	}
	for at, isEnd := range closed {
		if isEnd && read[at] {
			compared++
			assert.InEpsilon(t, sumAt(whole, at), sumAt(parts, at), 1e-9, "%s: the parts at %v", gpu, at)
		}
	}
	assert.Greater(t, compared, len(closed)/2, "%s: windows whose end was read and reported", gpu)

	grams := sum(m.streams("hw.emissions", gpu))
	assert.InEpsilon(t, sum(whole)*intensityDE/3.6e6, grams, 1e-9, gpu)
	assert.InEpsilon(t, grams, sum(m.streams("workload.emissions", gpu)), 1e-9, "%s: the emissions of the parts", gpu)
}

// gauge is the value of each series of one of the receiver's own metrics, of a GPU if that is given.
func (m *machine) gauge(name, gpu string) (values []float64) {
	m.tb.Helper()
	return gauge(scrape(m.tb, m.telemetry), name, gpu)
}

func gauge(families map[string]*dto.MetricFamily, name, gpu string) (values []float64) {
	for _, unit := range []string{"", "_joules", "_watts", "_total"} {
		for _, series := range families["otelcol_nvmlenergy_"+name+unit].GetMetric() {
			if gpu == "" || slices.ContainsFunc(series.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == "hw_id" && l.GetValue() == gpu }) {
				values = append(values, series.GetGauge().GetValue()+series.GetCounter().GetValue())
			}
		}
	}
	return values
}

// stays is a process that keeps so much of what it runs on busy.
func stays(pid, smPercent int) fakenvml.Process {
	return fakenvml.Process{PID: pid, SMPercent: smPercent, Memory: 1 << 30, End: forever}
}
