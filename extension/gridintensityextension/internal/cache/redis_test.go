// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/redistest"
)

func TestRedisKeepsForAnHourFromWhenItWasFetched(t *testing.T) {
	s := redistest.Start(t)
	a := newAgent(t, config(s), nil)
	name := "otelcol-carbon:" + latDE.String()

	a.keep(latDE, entry(noon, 300))
	left := time.Duration(raw(t, s, "PTTL", name).(int64)) * time.Millisecond
	assert.Greater(t, left, 59*time.Minute)
	assert.LessOrEqual(t, left, time.Hour)

	a.keep(histDE, entry(noon.Add(-50*time.Minute), 300))
	left = time.Duration(raw(t, s, "PTTL", "otelcol-carbon:"+histDE.String()).(int64)) * time.Millisecond
	assert.Greater(t, left, 9*time.Minute)
	assert.LessOrEqual(t, left, 10*time.Minute)

	a.wait(time.Hour)
	a.hasNothing(latDE) // though Redis, whose clock has not moved, has it
	a.keep(Key{What: "old"}, entry(noon, 300))
	assert.Equal(t, int64(2), raw(t, s, "DBSIZE"))
	assert.Empty(t, a.failed())
}

func TestNewerReplacesOlderButNotTheOtherWayRound(t *testing.T) {
	s := redistest.Start(t)
	const agents, entries = 4, 50
	newest := noon.Add(agents * entries * time.Millisecond)
	var running sync.WaitGroup
	for i := range agents {
		a := newAgentAt(t, newest, config(s), nil)
		running.Go(func() {
			var last time.Time
			for j := range entries {
				// Each agent's entries come in another order.
				n := (j*37 + i*13) % entries * agents
				a.keep(latDE, entry(noon.Add(time.Duration(n+i)*time.Millisecond), float64(n+i)))
				got, _, ok := a.Get(t.Context(), latDE)
				assert.True(t, ok)
				assert.False(t, got.Fetched.Before(last), "%v after %v", got.Fetched, last)
				last = got.Fetched
			}
			assert.Empty(t, a.failed())
		})
	}
	running.Wait()
	newAgentAt(t, newest, config(s), nil).wants(latDE, entry(noon.Add((agents*entries-1)*time.Millisecond), agents*entries-1), Redis)
}

func TestAnEntryFromTheFutureIsReplaced(t *testing.T) {
	s := redistest.Start(t)
	ahead, right := newAgentAt(t, noon.Add(time.Hour), config(s), newMemory()), newAgent(t, config(s), newMemory())
	ahead.keep(latDE, entry(noon.Add(time.Hour), 300))
	right.hasNothing(latDE)
	assert.Equal(t, map[string]int{"redis/clock": 1}, right.failed())
	assert.Equal(t, 1, right.logs.FilterMessageSnippet("does not keep").Len())

	right.keep(latDE, entry(noon, 310))
	right.wants(latDE, entry(noon, 310), Redis)
}

func TestOthersAreNotTouched(t *testing.T) {
	s := redistest.Start(t)
	a := newAgent(t, config(s), nil)
	a.keep(latDE, entry(noon, 300))

	other := config(s)
	other.Namespace = "site-b"
	newAgent(t, other, nil).hasNothing(latDE)
	other = config(s)
	other.DB = 1
	newAgent(t, other, nil).hasNothing(latDE)

	a.hasNothing(histDE)
	assert.Equal(t, []string{"otelcol-carbon:v1:energycharts%7Chttps%3A%2F%2Fapi.energy-charts.info%7Clifecycle%7C:DE:latest"},
		texts(t, raw(t, s, "KEYS", "*")))
}

// Collectors that write another format share nothing, so that neither fails on the other's.
func TestVersion(t *testing.T) {
	s := redistest.Start(t)
	a := newAgent(t, config(s), nil)
	later := strings.Replace("otelcol-carbon:"+latDE.String(), ":v1:", ":v2:", 1)
	raw(t, s, "SET", later, `{"another":"format"}`)
	a.hasNothing(latDE)
	a.keep(latDE, entry(noon, 300))
	assert.JSONEq(t, `{"another":"format"}`, string(raw(t, s, "GET", later).([]byte)))
	assert.Empty(t, a.failed())
}

func TestGarbageInRedisIsIgnoredAndReplaced(t *testing.T) {
	s := redistest.Start(t)
	name := "otelcol-carbon:" + latDE.String()
	for what, text := range map[string]string{
		"no JSON":         "<html>",
		"cut off":         `{"fetched":"2026-11-23T11:00:00.000000000Z","values":[{"Start"`,
		"not ours":        `{"hello":"world"}`,
		"null":            `null`,
		"impossible time": `{"fetched":"9999-99-99T99:99:99.999999999Z","values":[]}`,
		"negative":        `{"fetched":"2026-11-23T11:00:00.000000000Z","values":[{"Start":"2026-11-23T11:00:00Z","End":"2026-11-23T12:00:00Z","GramsPerKWh":-1,"Quality":"measured","Boundary":"lifecycle","Gas":"co2e"}]}`,
		"too large":       strings.Repeat("x", maxSize+10),
	} {
		t.Run(what, func(t *testing.T) {
			a := newAgent(t, config(s), nil)
			raw(t, s, "SET", name, text)
			a.hasNothing(latDE)
			a.hasNothing(latDE)
			assert.Equal(t, map[string]int{"redis/malformed": 2}, a.failed())
			assert.Equal(t, 1, a.logs.Len(), "the first is logged")
			a.keep(latDE, entry(noon, 300))
			a.wants(latDE, entry(noon, 300), Redis)
		})
	}
	t.Run("a list", func(t *testing.T) {
		a := newAgent(t, config(s), nil)
		raw(t, s, "DEL", name)
		raw(t, s, "LPUSH", name, "x")
		a.hasNothing(latDE)
		assert.Equal(t, map[string]int{"redis/malformed": 1}, a.failed())
		a.keep(latDE, entry(noon, 300))
		a.wants(latDE, entry(noon, 300), Redis)
	})
}

func TestWhatIsTooLargeOrCannotBeIsNotKept(t *testing.T) {
	s := redistest.Start(t)
	a := newAgent(t, config(s), newMemory())
	large := entry(noon, 300)
	for len(large.Values) < 30000 {
		large.Values = append(large.Values, large.Values[0])
	}
	a.keep(latDE, large)
	a.hasNothing(latDE)
	assert.Equal(t, map[string]int{"redis/too_large": 1, "storage/too_large": 1}, a.failed())
	a.keep(latDE, entry(noon, grid.MaxGramsPerKWh+1))
	a.hasNothing(latDE)
	assert.Equal(t, map[string]int{"redis/malformed": 1, "storage/malformed": 1}, a.failed())
}

func TestPassword(t *testing.T) {
	const secret = "hunter2-and-more"
	s := redistest.Start(t, "--requirepass", secret, "--user", "carbon", "on", ">"+secret+"-too", "~otelcol-carbon:*", "+getrange", "+set", "+get", "+del", "+eval", "+evalsha")
	right, named, wrong, without := config(s), config(s), config(s), config(s)
	right.Password, wrong.Password = secret, "not-the-password"
	named.Username, named.Password = "carbon", secret+"-too"

	newAgent(t, right, nil).keep(latDE, entry(noon, 300))
	// These rights are all that is needed.
	a := newAgent(t, named, nil)
	a.wants(latDE, entry(noon, 300), Redis)
	a.keep(latDE, entry(noon.Add(1), 310))
	a.wants(latDE, entry(noon.Add(1), 310), Redis)
	release, ok := a.Lock(t.Context(), latDE)
	assert.True(t, ok)
	release()
	assert.Empty(t, a.failed())
	for _, c := range []*RedisConfig{wrong, without} {
		a := newAgent(t, c, nil)
		a.hasNothing(latDE)
		a.hasNothing(latDE)
		assert.Equal(t, map[string]int{"redis/refused": 1, "redis/unavailable": 1}, a.failed(), "it is not tried at once again")
		require.Equal(t, 1, a.logs.Len())
		assert.NotContains(t, fmt.Sprint(a.logs.All()[0].ContextMap()), "not-the-password")
		assert.NotContains(t, fmt.Sprint(a.logs.All()[0].ContextMap()), secret)
	}
}

func TestTLS(t *testing.T) {
	s, stranger := redistest.StartTLS(t), redistest.StartTLS(t)
	a := newAgent(t, withTLS(config(s), s.CAFile()), nil)
	a.keep(latDE, entry(noon, 300))
	a.wants(latDE, entry(noon, 300), Redis)
	release, ok := a.Lock(t.Context(), latDE)
	assert.True(t, ok)
	release()
	assert.Empty(t, a.failed())

	for _, c := range []*RedisConfig{config(s), withTLS(config(s), stranger.CAFile())} {
		b := newAgent(t, c, nil)
		b.hasNothing(latDE)
		assert.Equal(t, map[string]int{"redis/unavailable": 1}, b.failed())
	}
}

func TestTLSFilesAreReadAtStart(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "ca.pem")
	c := &RedisConfig{Endpoint: "127.0.0.1:6379", Namespace: "n", Timeout: time.Second}
	_, err := New(t.Context(), withTLS(c, missing), nil, zap.NewNop(), func(Layer, Reason) {})
	require.ErrorContains(t, err, "redis: tls: ")
	require.ErrorContains(t, err, missing)
}

func TestLock(t *testing.T) {
	s := redistest.Start(t)
	one, two := newAgent(t, config(s), nil), newAgent(t, config(s), nil)
	name := "otelcol-carbon:" + latDE.String() + ":lock"

	release, ok := one.Lock(t.Context(), latDE)
	require.True(t, ok)
	left := time.Duration(raw(t, s, "PTTL", name).(int64)) * time.Millisecond
	assert.Greater(t, left, 25*time.Second)
	assert.LessOrEqual(t, left, 30*time.Second)

	notMine, ok := two.Lock(t.Context(), latDE)
	assert.False(t, ok)
	notMine()
	_, ok = one.Lock(t.Context(), latDE)
	assert.False(t, ok, "nor twice by the same")
	_, ok = two.Lock(t.Context(), histDE)
	assert.True(t, ok, "it is of one key")

	release()
	release2, ok := two.Lock(t.Context(), latDE)
	require.True(t, ok)

	// The one who held it before, or whose lock has ended, does not release that of another.
	release()
	raw(t, s, "EXPIRE", name, 0)
	release, ok = one.Lock(t.Context(), latDE)
	require.True(t, ok)
	release2()
	_, ok = two.Lock(t.Context(), latDE)
	assert.False(t, ok)
	release()
	assert.Zero(t, raw(t, s, "EXISTS", name))
	assert.Empty(t, one.failed())
	assert.Empty(t, two.failed())
}

func TestOneOfManyGetsTheLock(t *testing.T) {
	s := redistest.Start(t)
	var running sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for range 20 {
		a := newAgent(t, config(s), nil)
		running.Go(func() {
			if _, ok := a.Lock(t.Context(), latDE); ok {
				mu.Lock()
				got++
				mu.Unlock()
			}
		})
	}
	running.Wait()
	assert.Equal(t, 1, got)
}

// What the library would write there, it returns as an error as well, which is logged once.
func TestNothingIsWrittenToStderr(t *testing.T) {
	s := redistest.Start(t)
	s.Stop()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	const stderr = 2
	// The library has taken hold of os.Stderr before any test.
	before, err := unix.Dup(stderr)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, unix.Dup2(before, stderr))
		require.NoError(t, unix.Close(before))
	}()
	require.NoError(t, unix.Dup2(int(file.Fd()), stderr))

	a := newAgent(t, config(s), nil)
	a.hasNothing(latDE)
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.Empty(t, string(text))
	assert.Equal(t, 1, a.logs.Len())
}
