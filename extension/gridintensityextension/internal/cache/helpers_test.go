// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	noon   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	latDE  = Key{Provider: "energycharts|https://api.energy-charts.info|lifecycle|", Zone: "DE", What: "latest"}
	histDE = Key{Provider: latDE.Provider, Zone: "DE", What: "history/2026-11-23"}
)

// entry has one value, which tells it from others.
func entry(fetched time.Time, gramsPerKWh float64) Entry {
	return Entry{Fetched: fetched, Values: []grid.Value{{
		Start: noon.Add(-15 * time.Minute), End: noon,
		Intensity: grid.Intensity{GramsPerKWh: gramsPerKWh, Quality: grid.Measured, Provenance: grid.Provenance{
			Zone: "DE", Source: "energycharts", Boundary: grid.Lifecycle, Basis: grid.Production, Gas: grid.CO2e,
		}},
	}}}
}

// agent is one collector's cache with a clock that stands still.
type agent struct {
	*Cache

	t    *testing.T
	logs *observer.ObservedLogs

	mu       sync.Mutex
	now      time.Time
	failures map[string]int
}

func newAgent(t *testing.T, config *RedisConfig, client storage.Client) *agent {
	t.Helper()
	return newAgentAt(t, noon, config, client)
}

func newAgentAt(t *testing.T, now time.Time, config *RedisConfig, client storage.Client) *agent {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	a := &agent{t: t, logs: logs, now: now, failures: map[string]int{}}
	c, err := open(context.Background(), config, client, zap.New(core), a.count, a.clock)
	require.NoError(t, err)
	a.Cache = c
	t.Cleanup(func() { require.NoError(t, c.Close(context.Background())) })
	return a
}

func (a *agent) count(l Layer, r Reason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures[fmt.Sprintf("%s/%s", l, r)]++
}

func (a *agent) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *agent) wait(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

// failed is how often, since it was last asked.
func (a *agent) failed() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.failures
	a.failures = map[string]int{}
	return f
}

func (a *agent) wants(key Key, e Entry, l Layer) {
	a.t.Helper()
	got, layer, ok := a.Get(context.Background(), key)
	require.True(a.t, ok, "nothing of %s", key)
	assert.Equal(a.t, e, got)
	assert.Equal(a.t, l, layer)
}

func (a *agent) hasNothing(key Key) {
	a.t.Helper()
	got, _, ok := a.Get(context.Background(), key)
	assert.False(a.t, ok, "%s: %v", key, got)
}

func (a *agent) keep(key Key, e Entry) {
	a.t.Helper()
	a.Put(context.Background(), key, e)
}

func config(s *redistest.Server) *RedisConfig {
	return &RedisConfig{Endpoint: s.Addr(), Namespace: "otelcol-carbon", Timeout: 250 * time.Millisecond}
}

func withTLS(c *RedisConfig, authority string) *RedisConfig {
	c.TLS = configoptional.Some(configtls.ClientConfig{Config: configtls.Config{CAFile: authority}})
	return c
}

// raw looks at what is in Redis.
func raw(t *testing.T, s *redistest.Server, command string, arguments ...any) any {
	t.Helper()
	c, err := redis.DialContext(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	defer c.Close()
	answer, err := c.Do(command, arguments...)
	require.NoError(t, err)
	return answer
}

func texts(t *testing.T, answer any) []string {
	t.Helper()
	all, err := redis.Strings(answer, nil)
	require.NoError(t, err)
	return all
}

// memory is a storage that can fail.
type memory struct {
	mu      sync.Mutex
	kept    map[string][]byte
	failing bool
	closed  int
}

var errDisk = errors.New("the disk is gone")

func newMemory() *memory { return &memory{kept: map[string][]byte{}} }

func (m *memory) Get(ctx context.Context, key string) ([]byte, error) {
	o := storage.GetOperation(key)
	err := m.Batch(ctx, o)
	return o.Value, err
}

func (m *memory) Set(ctx context.Context, key string, value []byte) error {
	return m.Batch(ctx, storage.SetOperation(key, value))
}

func (m *memory) Delete(ctx context.Context, key string) error {
	return m.Batch(ctx, storage.DeleteOperation(key))
}

func (m *memory) Batch(ctx context.Context, operations ...*storage.Operation) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing {
		return errDisk
	}
	for _, o := range operations {
		switch o.Type {
		case storage.Get:
			o.Value = m.kept[o.Key]
		case storage.Set:
			m.kept[o.Key] = o.Value
		case storage.Delete:
			delete(m.kept, o.Key)
		}
	}
	return nil
}

func (m *memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed++
	return nil
}

func (m *memory) fail(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = yes
}
