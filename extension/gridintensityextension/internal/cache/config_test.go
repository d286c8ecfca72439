// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// extension is how the configuration is used.
type extension struct {
	Redis *RedisConfig `mapstructure:"redis"`
}

func load(t *testing.T, redis map[string]any) (*RedisConfig, error) {
	t.Helper()
	e := &extension{}
	if err := confmap.NewFromStringMap(map[string]any{"redis": redis}).Unmarshal(e); err != nil {
		return nil, err
	}
	return e.Redis, confmap.Validate(e)
}

func TestConfigDefaults(t *testing.T) {
	c, err := load(t, map[string]any{"endpoint": "redis:6379"})
	require.NoError(t, err)
	assert.Equal(t, "otelcol-carbon", c.Namespace)
	assert.Equal(t, 250*time.Millisecond, c.Timeout)
	assert.Zero(t, c.DB)
	assert.False(t, c.TLS.HasValue())
}

func TestConfig(t *testing.T) {
	c, err := load(t, map[string]any{
		"endpoint": "[::1]:6380", "username": "carbon", "password": "secret", "db": 3, "namespace": "site-a.prod_1",
		"tls": map[string]any{"ca_file": "ca.pem"}, "timeout": "1s",
	})
	require.NoError(t, err)
	assert.Equal(t, "[::1]:6380", c.Endpoint)
	assert.Equal(t, "[REDACTED]", c.Password.String())
	assert.Equal(t, 3, c.DB)
	require.True(t, c.TLS.HasValue())
	assert.Equal(t, "ca.pem", c.TLS.Get().CAFile)

	c, err = load(t, map[string]any{"endpoint": "redis:6379", "tls": nil})
	require.NoError(t, err)
	assert.True(t, c.TLS.HasValue(), "the key alone is enough")
}

func TestConfigRefuses(t *testing.T) {
	for _, tc := range []struct {
		key   string
		value any
		want  string
	}{
		{"endpoint", "", `redis: endpoint: "": must be host:port, such as redis.example.org:6379`},
		{"endpoint", "redis", `endpoint: "redis": must be host:port`},
		{"endpoint", ":6379", `endpoint: ":6379": must be host:port`},
		{"endpoint", "redis:0", `endpoint: "redis:0": must be host:port`},
		{"endpoint", "redis:65536", `endpoint: "redis:65536": must be host:port`},
		{"endpoint", "redis://redis:6379", `endpoint: "redis://redis:6379": must be host:port`},
		{"username", "carbon", `password: not set: the username "carbon" needs one; take it from the environment, as in ${env:NAME}`},
		{"db", -1, "db: -1: must be 0 or more"},
		{"namespace", "", `namespace: "": must be 1 to 64 letters, digits, dots, dashes or underscores`},
		{"namespace", "a:b", `namespace: "a:b": must be`},
		{"timeout", "0s", "timeout: 0s: must be from 10ms to 5s"},
		{"timeout", "6s", "timeout: 6s: must be from 10ms to 5s"},
		{"pool", 3, "pool"},
		{"tls", map[string]any{"min_version": "1.9"}, "tls"},
	} {
		t.Run(tc.key, func(t *testing.T) {
			values := map[string]any{"endpoint": "redis:6379", tc.key: tc.value}
			_, err := load(t, values)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}
