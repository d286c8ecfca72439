// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package gridintensityextension

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/extension/gridintensityextension/internal/cache"
	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/redistest"
)

// What one file says is never taken for what another says, nor for what it said before it changed.
func TestAFileIsNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder, memory := t.TempDir(), &storetest.Memory{}
		write := func(name, grams string) string {
			path, begin := filepath.Join(folder, name), time.Now().UTC().Truncate(time.Hour)
			require.NoError(t, os.WriteFile(path, []byte("start,end,g_per_kwh\n"+
				begin.Format(time.RFC3339)+","+begin.Add(2*time.Hour).Format(time.RFC3339)+","+grams+"\n"), 0o600))
			return path
		}
		told := func(path string) holds {
			h := run(t, storetest.Host(memory), func(c *Config) {
				c.Storage = &storetest.ID
				c.Providers = []ProviderConfig{{Type: "file", Name: "file", Boundary: grid.Lifecycle, Options: map[string]string{"path": path}}}
			})
			feed := h.feed("dc")
			synctest.Wait()
			defer func() { require.NoError(t, h.Shutdown(t.Context())) }()
			return now(feed)
		}
		assert.Equal(t, holds{"file", "measured", 100}, told(write("a.csv", "100")))
		assert.Equal(t, holds{"file", "measured", 900}, told(write("b.csv", "900")))
		assert.Equal(t, holds{"file", "measured", 90}, told(write("a.csv", "90")))
	})
}

// Whatever determines an answer is in the key of a cache, and nothing that is secret.
func TestKeysTellApart(t *testing.T) {
	key := func(change func(*source)) string {
		c := ProviderConfig{Type: "electricitymaps", Name: "em", Boundary: grid.Lifecycle, Token: "5ecret"}
		c.ClientConfig.Endpoint = "https://me:5ecret@example.org"
		s := &source{config: &c, provenance: grid.Provenance{Boundary: grid.Lifecycle, Gas: grid.CO2e}}
		change(s)
		return newLink(s, "DE").key("latest").String()
	}
	keys := map[string]string{}
	for what, change := range map[string]func(*source){
		"nothing":  func(*source) {},
		"options":  func(s *source) { s.config.Options = map[string]string{"api_version": "v3"} },
		"endpoint": func(s *source) { s.config.ClientConfig.Endpoint = "https://example.com" },
		"name":     func(s *source) { s.config.Name = "other" },
		"boundary": func(s *source) { s.provenance.Boundary = grid.Direct },
		"basis":    func(s *source) { s.provenance.Basis = grid.Production },
		"gas":      func(s *source) { s.provenance.Gas = grid.CO2 },
		"signal":   func(s *source) { s.provenance.Signal = grid.Marginal },
	} {
		k := key(change)
		assert.Equal(t, k, key(change), what)
		assert.NotContains(t, k, "5ecret")
		assert.Empty(t, keys[k], "%s and %s", what, keys[k])
		keys[k] = what
	}
}

// An answer about the past is taken from a cache only for the time that it covers.
func TestHistoryOfACacheIsNotShorterThanItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := script(t, "a")
		a.step = 5 * time.Minute
		time.Sleep(55 * time.Minute)
		begin := time.Now()
		feed := run(t, storetest.Host(&storetest.Memory{}), func(c *Config) { c.Storage = &storetest.ID }).feed("DE")
		feed.Want(begin.Add(-10 * time.Minute))
		synctest.Wait()
		feed.Want(begin.Add(-50 * time.Minute)) // in the same hour
		synctest.Wait()
		early := begin.Add(-40 * time.Minute)
		require.True(t, feed.Timeline().Settled(early.UnixNano()))
		assert.Equal(t, holds{"a", "measured", 50}, at(feed, early))
	})
}

// While one collector waits for a slow provider, the others of its site wait for what it gets.
func TestASlowProviderIsAskedOnce(t *testing.T) {
	redis := redistest.Start(t)
	a := script(t, "a")
	a.takes = turn + time.Second
	var feeds []*grid.Feed
	for range 3 {
		h := run(t, storetest.Host(nil), func(c *Config) {
			c.Redis = &cache.RedisConfig{Endpoint: redis.Addr(), Namespace: "otelcol-carbon", Timeout: time.Second}
		})
		feeds = append(feeds, h.feed("DE"))
	}
	for _, feed := range feeds {
		require.Eventually(t, func() bool { return now(feed) == holds{"a", "measured", 100} }, 30*time.Second, 20*time.Millisecond)
	}
	assert.Equal(t, 1, a.asked())
}
