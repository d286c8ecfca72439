// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/redistest"
)

func TestWithoutLayers(t *testing.T) {
	a := newAgent(t, nil, nil)
	a.keep(latDE, entry(noon, 300))
	a.hasNothing(latDE)
	release, ok := a.Lock(t.Context(), latDE)
	assert.True(t, ok)
	release()
	require.NoError(t, a.Close(t.Context()))
	assert.Empty(t, a.failed())
}

func TestTheNewestOfBothLayersIsTaken(t *testing.T) {
	s := redistest.Start(t)
	disk := newMemory()
	one, two := newAgent(t, config(s), disk), newAgent(t, config(s), nil)

	one.keep(latDE, entry(noon, 300))
	one.wants(latDE, entry(noon, 300), Redis)

	two.keep(latDE, entry(noon.Add(time.Second), 310))
	one.wants(latDE, entry(noon.Add(time.Second), 310), Redis)

	newAgent(t, nil, disk).keep(latDE, entry(noon.Add(2*time.Second), 320))
	one = newAgent(t, config(s), disk)
	one.wants(latDE, entry(noon.Add(2*time.Second), 320), Storage)
	assert.Empty(t, one.failed())
}

// Another collector asks, this one only reads, and still knows it after a restart without Redis.
func TestWhatRedisHadIsStored(t *testing.T) {
	s := redistest.Start(t)
	disk := newMemory()
	newAgent(t, config(s), nil).keep(latDE, entry(noon, 300))
	newAgent(t, config(s), disk).wants(latDE, entry(noon, 300), Redis)
	s.Stop()
	newAgent(t, config(s), disk).wants(latDE, entry(noon, 300), Storage)
}

func TestAnOutageOfRedisCostsNothingButItsEntries(t *testing.T) {
	s := redistest.Start(t)
	a := newAgent(t, config(s), newMemory())
	other := newAgent(t, config(s), nil)
	a.keep(latDE, entry(noon, 300))
	s.Stop()

	for range 10 {
		a.wants(latDE, entry(noon, 300), Storage)
	}
	a.keep(latDE, entry(noon.Add(time.Second), 310))
	a.wants(latDE, entry(noon.Add(time.Second), 310), Storage)
	release, ok := a.Lock(t.Context(), latDE)
	assert.True(t, ok, "nobody else can be asked")
	release()
	assert.Equal(t, map[string]int{"redis/unavailable": 13}, a.failed(), "each use counts, but not the release")
	assert.Equal(t, 1, a.logs.FilterMessageSnippet("cannot be used").Len())

	s.Restart()
	a.wants(latDE, entry(noon.Add(time.Second), 310), Storage)
	assert.Equal(t, map[string]int{"redis/unavailable": 1}, a.failed(), "it is left alone for a second")
	a.wait(time.Second)
	a.keep(latDE, entry(noon.Add(2*time.Second), 320))
	other.wants(latDE, entry(noon.Add(2*time.Second), 320), Redis)
	assert.Empty(t, a.failed())
	assert.Equal(t, 1, a.logs.FilterMessageSnippet("can be used again").Len())
	assert.Equal(t, 2, a.logs.Len())
}

func TestARedisThatHangsCostsItsTimeoutOnce(t *testing.T) {
	s := redistest.Start(t)
	a := newAgent(t, config(s), newMemory())
	a.keep(latDE, entry(noon, 300))
	s.Pause()
	defer s.Resume()

	began := time.Now()
	for range 100 {
		a.wants(latDE, entry(noon, 300), Storage)
	}
	assert.GreaterOrEqual(t, time.Since(began), 250*time.Millisecond)
	assert.Less(t, time.Since(began), 2*time.Second, "100 timeouts are 25 s")
	assert.Equal(t, map[string]int{"redis/unavailable": 100}, a.failed())

	s.Resume()
	a.wait(time.Second)
	a.wants(latDE, entry(noon, 300), Redis)
}

func TestACallerThatGivesUpIsNoOutage(t *testing.T) {
	s := redistest.Start(t)
	a := newAgent(t, config(s), newMemory())
	a.keep(latDE, entry(noon, 300))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, ok := a.Get(ctx, latDE)
	assert.False(t, ok)
	a.Put(ctx, latDE, entry(noon.Add(1), 310))
	assert.Empty(t, a.failed())
	a.wants(latDE, entry(noon, 300), Redis)
	assert.Zero(t, a.logs.Len())
}

func TestCloseTwice(t *testing.T) {
	s := redistest.Start(t)
	disk := newMemory()
	a := newAgent(t, config(s), disk)
	a.keep(latDE, entry(noon, 300))
	require.NoError(t, a.Close(t.Context()))
	require.NoError(t, a.Close(t.Context()))
	assert.Equal(t, 1, disk.closed)
}

func TestKey(t *testing.T) {
	assert.Equal(t, "v1:eia%7Chttps%3A%2F%2Fapi.eia.gov:US-CAL-CISO:history%2F2026-11-23",
		Key{Provider: "eia|https://api.eia.gov", Zone: "US-CAL-CISO", What: "history/2026-11-23"}.String())
}

func TestNoTwoKeysHaveOneName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[a:%/+ |3A]{0,4}`)
		one := Key{part.Draw(t, "provider"), part.Draw(t, "zone"), part.Draw(t, "what")}
		two := Key{part.Draw(t, "other provider"), part.Draw(t, "other zone"), part.Draw(t, "other what")}
		if (one == two) != (one.String() == two.String()) {
			t.Fatalf("%+v and %+v: %s", one, two, one)
		}
		if one.String() == contents || one.String() == two.String()+":lock" {
			t.Fatalf("%+v has a name that is taken", one)
		}
	})
}
