// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

const storedConfig = `
extensions:
  file_storage: {directory: "${env:STATE}"}
  encrypted_storage:
    storage: file_storage
    keys: [KEYS]
receivers:
  nvmlenergy: {collection_interval: 100ms, initial_delay: 0s, processes: {enabled: false}, host_id: a, storage: STORAGE}
processors:
  carbonintensity: {zone: DE, storage: STORAGE}
exporters:
  otlp_grpc:
    endpoint: ${env:SINK}
    tls: {insecure: true}
    retry_on_failure: {initial_interval: 50ms, max_interval: 100ms, max_elapsed_time: 0s}
    sending_queue: {storage: STORAGE, num_consumers: 1}
service:
  extensions: [file_storage, encrypted_storage]
  telemetry:
    logs: {level: error, encoding: console}
  pipelines:
    metrics: {receivers: [nvmlenergy], processors: [carbonintensity], exporters: [otlp_grpc]}
`

// stored is an agent that keeps all it can on disk, in this storage, with these keys.
func stored(t *testing.T, storage, keys string) []string {
	t.Helper()
	config := bytes.ReplaceAll([]byte(storedConfig), []byte("STORAGE"), []byte(storage))
	return []string{writeFile(t, "stored.yaml", string(bytes.ReplaceAll(config, []byte("KEYS"), []byte(keys))))}
}

func newKey(t *testing.T, id string) string {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return "{id: " + id + ", file: " + writeFile(t, "key", base64.StdEncoding.EncodeToString(key)) + "}"
}

// on is what of the plain text is in the files of a folder.
func on(t *testing.T, folder string, plain ...string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, files, 3, "of the queue, the receiver and the processor")
	for _, text := range plain {
		for _, file := range files {
			if text == uuid(7) && strings.HasPrefix(filepath.Base(file), "receiver_") {
				continue // the name of a record, which stays readable
			}
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			if bytes.Contains(content, []byte(text)) {
				found = append(found, text)
				break
			}
		}
	}
	return found
}

// Queues and totals of a killed agent cannot be read on its disk, and are all there for who has the key.
func TestWhatIsOnDiskIsEncrypted(t *testing.T) {
	dir := t.TempDir()
	_, err := fakenvml.Build(dir)
	require.NoError(t, err)
	scenario := filepath.Join(dir, "scenario")
	require.NoError(t, fakenvml.Scenario{GPUs: []fakenvml.GPU{{UUID: uuid(7), Name: h100, Power: fakenvml.Const{Watts: 300}}}}.WriteFile(scenario))
	backend := newSink(t)
	environment := func(state string) []string {
		return []string{"LD_LIBRARY_PATH=" + dir, fakenvml.ScenarioEnv + "=" + scenario, "SINK=" + backend.address, "STATE=" + state}
	}
	secrets := []string{uuid(7), h100, "hw.energy", "hw.emissions", "lifecycle"}
	first, second := newKey(t, "first"), newKey(t, "second")

	// killed lets an agent queue for a while, with the backend away.
	killed := func(state, storage, keys string) {
		backend.away.Store(true)
		c := start(t, stored(t, storage, keys), environment(state)...)
		time.Sleep(2 * time.Second)
		c.kill()
	}
	plain := t.TempDir()
	killed(plain, "file_storage", first)
	assert.Equal(t, secrets, on(t, plain, secrets...), "the test would notice")

	state := t.TempDir()
	killed(state, "encrypted_storage", first)
	assert.Empty(t, on(t, state, secrets...))

	c := start(t, stored(t, "encrypted_storage", second), environment(state)...)
	require.NotZero(t, c.exitCode(), "another key")
	assert.Contains(t, c.output.String(), `key "first" encrypted it, which is not under keys`)
	c = start(t, stored(t, "encrypted_storage", newKey(t, "first")), environment(state)...)
	require.NotZero(t, c.exitCode(), "another key of that name")
	assert.Contains(t, c.output.String(), `key "first" does not open it`)
	c = start(t, stored(t, "encrypted_storage", first), environment(plain)...)
	require.NotZero(t, c.exitCode(), "what was not encrypted")
	assert.Contains(t, c.output.String(), "is not encrypted: it is from before")

	backend.away.Store(false)
	begin := time.Now()
	// runs lets an agent run until its energy has come, and says what the backend has since the test began.
	runs := func() []point {
		c := start(t, stored(t, "encrypted_storage", second+", "+first), environment(state)...)
		since := time.Now()
		c.eventually(func() bool {
			points := backend.named("hw.energy", "hw.id", uuid(7))
			return len(points) > 0 && points[len(points)-1].time.After(since)
		}, "energy")
		require.Zero(t, c.stop())
		return backend.named("hw.energy", "hw.id", uuid(7))
	}
	points := runs()
	assert.True(t, slices.ContainsFunc(points, func(p point) bool { return p.time.Before(begin) }), "what was queued")
	before := points[len(points)-1]
	points = runs()
	after := points[len(points)-1]
	assert.Equal(t, before.start, after.start, "the total goes on over a stop")
	assert.Greater(t, after.value, before.value)
}
