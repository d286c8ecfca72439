// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package cache keeps what providers said, so that neither a restart nor each collector of a site asks
// them again: in Redis for all collectors of a site, and in a storage extension for this one.
package cache

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

// Cache is safe for concurrent use. It never fails: while Redis or the storage cannot be used, providers
// are asked more often, which is counted and logged.
type Cache struct {
	shared *shared // nil if not configured
	local  *local  // nil if not configured
	closed sync.Once
}

// Key is what an entry is the answer to.
type Key struct {
	// Provider tells apart all that must not be shared: the service, where it is, and what of.
	Provider string
	// Zone is the provider's id.
	Zone string
	// What was asked for: the latest values, a day, a forecast.
	What string
}

// Layer is where something is kept.
type Layer string

// The layers, the first one asked first.
const (
	Redis   Layer = "redis"
	Storage Layer = "storage"
)

// How long after it was fetched an entry is of use.
const (
	redisTTL   = time.Hour
	storageTTL = 24 * time.Hour
)

// Reason why a layer was of no use.
type Reason string

// The reasons, as they are counted.
const (
	// Unavailable: no answer in time, or the layer is left alone after that.
	Unavailable Reason = "unavailable"
	// Refused: Redis answers with an error, such as a wrong password.
	Refused Reason = "refused"
	// Malformed: an entry is not what a collector would have written.
	Malformed Reason = "malformed"
	// TooLarge: an entry of more than 4 MiB is not kept.
	TooLarge Reason = "too_large"
	// Clock: an entry is from the future.
	Clock Reason = "clock"
)

// New makes no connection before the first use. The configuration of Redis and the storage may be nil;
// the storage is closed with the cache. Each use of a layer that fails is counted. The error names the
// file of the TLS configuration that cannot be read.
func New(ctx context.Context, redis *RedisConfig, client storage.Client, logger *zap.Logger, count func(Layer, Reason)) (*Cache, error) {
	return open(ctx, redis, client, logger, count, time.Now)
}

func open(ctx context.Context, redis *RedisConfig, client storage.Client, logger *zap.Logger, count func(Layer, Reason), now func() time.Time) (*Cache, error) {
	c := &Cache{}
	if redis != nil {
		var err error
		if c.shared, err = newShared(ctx, redis, now, newHealth(Redis, logger, count)); err != nil {
			return nil, fmt.Errorf("redis: tls: %w", err)
		}
	}
	if client != nil {
		c.local = openLocal(ctx, client, now, newHealth(Storage, logger, count))
	}
	return c, nil
}

// Get returns the newest entry that a layer has, and which. It waits for Redis no longer than its timeout.
func (c *Cache) Get(ctx context.Context, key Key) (Entry, Layer, bool) {
	theirs, inRedis := c.shared.get(ctx, key)
	ours, inStorage := c.local.get(ctx, key)
	switch {
	case inRedis && (!inStorage || !ours.Fetched.After(theirs.Fetched)):
		c.local.put(ctx, key, theirs) // for the time when Redis is gone
		return theirs, Redis, true
	case inStorage:
		return ours, Storage, true
	default:
		return Entry{}, "", false
	}
}

// Put keeps an entry in all layers, but where there is one that was fetched later.
func (c *Cache) Put(ctx context.Context, key Key, e Entry) {
	c.shared.put(ctx, key, e)
	c.local.put(ctx, key, e)
}

// Lock reports whether the caller is the one of the site that should ask the provider. That is so
// without Redis as well. A lock that is not released ends after LockTTL. Release is never nil, and may be
// called twice.
func (c *Cache) Lock(ctx context.Context, key Key) (release func(), ok bool) {
	return c.shared.lock(ctx, key)
}

// Close ends the connections to Redis and closes the storage. A second call does nothing.
func (c *Cache) Close(ctx context.Context) (err error) {
	c.closed.Do(func() { err = errors.Join(c.shared.close(), c.local.close(ctx)) })
	return err
}

// String is the name that the key has in a layer. No two keys have the same: a colon is escaped.
func (k Key) String() string {
	parts := []string{k.Provider, k.Zone, k.What}
	for i := range parts {
		parts[i] = url.QueryEscape(parts[i])
	}
	return version + ":" + strings.Join(parts, ":")
}
