// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// An agent has a durable queue, and gives each stream to one of the gateways.
const agentConfig = `
extensions:
  file_storage: {directory: "${env:STATE}"}
receivers:
  nvmlenergy:
    collection_interval: 100ms
    initial_delay: 0s
    poll_interval: 20ms
    processes: {enabled: false}
    host_id: ${env:HOST}
    storage: file_storage
processors:
  carbonintensity: {zone: DE, storage: file_storage}
exporters:
  load_balancing:
    routing_key: streamID
    timeout: 2s
    sending_queue: {enabled: true, storage: file_storage, num_consumers: 1, queue_size: 100000}
    retry_on_failure: {enabled: true, initial_interval: 50ms, max_interval: 500ms, max_elapsed_time: 0s}
    protocol:
      otlp: {timeout: 1s, tls: {insecure: true}, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}
    resolver:
      static: {hostnames: [GATEWAYS]}
service:
  extensions: [file_storage]
  telemetry:
    logs: {level: error, encoding: console}
  pipelines:
    metrics: {receivers: [nvmlenergy], processors: [carbonintensity], exporters: [load_balancing]}
`

// A relay keeps nothing: what a gateway accepts has reached the backend, and what that accepts is stored.
const relayConfig = `
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: ${env:LISTEN}
        keepalive: {server_parameters: {max_connection_age: 5s, max_connection_age_grace: 5s}}
exporters:
  otlp_grpc:
    endpoint: ${env:SINK}
    tls: {insecure: true}
    timeout: 1s
    retry_on_failure: {enabled: false}
    sending_queue: {wait_for_result: true, num_consumers: 4, queue_size: 1000}
service:
  telemetry:
    logs: {level: error, encoding: console}
  pipelines:
    metrics: {receivers: [otlp], exporters: [otlp_grpc]}
`

// fleet is agents, gateways and a backend, each a process. What the backend has answered for is in its storage.
type fleet struct {
	t       *testing.T
	storage *sink
	backend string                // address
	relays  map[string]*collector // gateways and the backend, by address
	agents  []*agent
}

type agent struct {
	*collector
	host   string
	config string
	env    []string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, storage: newSink(t), backend: freeAddress(t), relays: map[string]*collector{}}
	f.open(f.backend)
	return f
}

func (f *fleet) gateway() (address string) {
	address = freeAddress(f.t)
	f.open(address)
	return address
}

func (f *fleet) open(address string) {
	to := f.backend
	if address == f.backend {
		to = f.storage.address
	}
	f.relays[address] = start(f.t, []string{writeFile(f.t, "relay.yaml", relayConfig)}, "LISTEN="+address, "SINK="+to)
}

func (f *fleet) agent(host string, scenario fakenvml.Scenario, gateways ...string) *agent {
	dir := f.t.TempDir()
	_, err := fakenvml.Build(dir)
	require.NoError(f.t, err)
	file := dir + "/scenario"
	require.NoError(f.t, scenario.WriteFile(file))
	a := &agent{host: host, config: writeFile(f.t, "agent.yaml", ""), env: []string{
		"HOST=" + host, "STATE=" + f.t.TempDir(), "LD_LIBRARY_PATH=" + dir, fakenvml.ScenarioEnv + "=" + file,
	}}
	f.write(a, gateways)
	f.run(a)
	f.agents = append(f.agents, a)
	return a
}

func (f *fleet) run(a *agent) { a.collector = start(f.t, []string{a.config}, a.env...) }

func (f *fleet) write(a *agent, gateways []string) {
	list := fmt.Sprintf("%q", gateways)
	content := strings.Replace(agentConfig, "[GATEWAYS]", strings.ReplaceAll(list, " ", ", "), 1)
	require.NoError(f.t, os.WriteFile(a.config, []byte(content), 0o600))
}

// scale tells all agents of other gateways, as an operator does with a config that is reloaded.
func (f *fleet) scale(gateways ...string) {
	for _, a := range f.agents {
		f.write(a, gateways)
		require.NoError(f.t, a.cmd.Process.Signal(syscall.SIGHUP))
	}
}

// total is what the backend knows of a host: the last values of all starts.
func (f *fleet) total(metric, host string) (total float64, latest time.Time) {
	last := map[string]point{}
	for _, p := range f.storage.named(metric, "host.id", host) {
		key := fmt.Sprint(p.start, p.attributes)
		if before, ok := last[key]; !ok || !p.time.Before(before.time) {
			last[key] = p
		}
		if p.time.After(latest) {
			latest = p.time
		}
	}
	for _, p := range last {
		total += p.value
	}
	return total, latest
}

// Gateways come, go and are killed, agents are killed, the backend is killed under load and away for ten minutes of compressed
// time (collections are a hundred times as frequent as by default): it has the energy to the joule, and the grams.
func TestAFleetInTrouble(t *testing.T) {
	t.Parallel()
	const watts = 600
	f := newFleet(t)
	epoch := time.Now()
	const from, until = 12 * time.Second, 33 * time.Second
	scenario := func(i int) fakenvml.Scenario {
		return fakenvml.Scenario{Epoch: epoch, GPUs: []fakenvml.GPU{{UUID: uuid(i), Name: h100, Power: pulse(t, watts, from, until)}}}
	}
	one, two := f.gateway(), f.gateway()
	a, b := f.agent("a", scenario(1), one, two), f.agent("b", scenario(2), one, two)
	told := func() bool {
		_, of := f.total("hw.energy", "a")
		_, and := f.total("hw.energy", "b")
		return time.Since(of) < time.Second && time.Since(and) < time.Second
	}
	a.eventually(told, "energy of both")
	require.Less(t, time.Since(epoch), from, "nothing is used before the first reading")
	time.Sleep(time.Until(epoch.Add(from)))

	three := f.gateway()
	f.scale(one, two, three)
	time.Sleep(2 * time.Second)
	f.relays[two].kill()
	time.Sleep(time.Second)
	b.kill()
	f.run(b)
	f.open(two)
	a.eventually(told, "energy after a gateway was killed")

	f.relays[f.backend].kill()
	time.Sleep(6 * time.Second)
	a.kill()
	f.run(a)
	f.open(f.backend)
	a.eventually(told, "energy after the backend was away")

	f.scale(one, three)
	time.Sleep(time.Second)
	f.relays[two].stop()
	time.Sleep(time.Until(epoch.Add(until + 2*time.Second)))
	a.eventually(told, "the end")
	for i, of := range []*agent{a, b} {
		used := fakenvml.Energy(scenario(i + 1).GPUs[0].Power, until)
		joules, _ := f.total("hw.energy", of.host)
		assert.InDelta(t, used, joules, 1e-6)
		grams, _ := f.total("hw.emissions", of.host)
		want := used * intensityDE / 3.6e6
		t.Logf("host %s: %.3f of %.3f g", of.host, grams, want)
		assert.InEpsilon(t, want, grams, 0.01, "a kill may cost what was read and not yet converted")
		assert.LessOrEqual(t, grams, want*(1+1e-9), "nothing twice")
		require.Zero(t, of.stop())
	}
}
