// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// shared is Redis. Its methods do nothing if there is none.
type shared struct {
	pool    *redis.Pool
	prefix  string
	timeout time.Duration
	now     func() time.Time
	circuit *circuit
	health  *health
}

func newShared(ctx context.Context, config *RedisConfig, now func() time.Time, h *health) (*shared, error) {
	const connections = 8
	options := []redis.DialOption{
		redis.DialUsername(config.Username), redis.DialPassword(string(config.Password)), redis.DialDatabase(config.DB),
		redis.DialConnectTimeout(config.Timeout), redis.DialReadTimeout(config.Timeout), redis.DialWriteTimeout(config.Timeout),
		redis.DialTLSHandshakeTimeout(config.Timeout),
	}
	if config.TLS.HasValue() {
		settings, err := config.TLS.Get().LoadTLSConfig(ctx)
		if err != nil {
			return nil, err
		}
		options = append(options, redis.DialUseTLS(true), redis.DialTLSConfig(settings))
	}
	return &shared{
		pool: &redis.Pool{
			MaxIdle: connections, MaxActive: connections, Wait: true, IdleTimeout: 10 * time.Minute,
			DialContext: func(ctx context.Context) (redis.Conn, error) {
				return redis.DialContext(ctx, "tcp", config.Endpoint, options...)
			},
		},
		prefix: config.Namespace + ":", timeout: config.Timeout,
		now: now, circuit: &circuit{now: now}, health: h,
	}, nil
}

func (s *shared) get(ctx context.Context, key Key) (Entry, bool) {
	if s == nil {
		return Entry{}, false
	}
	var text string
	if !s.do(ctx, func(ctx context.Context, c redis.Conn) (err error) {
		text, err = redis.String(redis.DoContext(c, ctx, "GETRANGE", s.name(key), 0, maxSize)) // what is larger is cut off, and malformed
		if answer := redis.Error(""); errors.As(err, &answer) && strings.HasPrefix(string(answer), "WRONGTYPE") {
			text, err = string(answer), nil // one bad key is no outage
		}
		return err
	}) || text == "" {
		return Entry{}, false
	}
	e, err := decode([]byte(text))
	if err != nil {
		s.health.rejected(key.String(), err)
		return Entry{}, false
	}
	return e, s.health.fresh(key.String(), e.Fetched, s.now(), redisTTL)
}

// keep replaces an entry unless it was fetched later. One from the future, or of another form, is no
// obstacle.
var keep = redis.NewScript(1, `
local key, entry, fetched, future, ttl = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local head = redis.pcall('GETRANGE', key, 0, 42)
local other = type(head) == 'string' and string.match(head, '^{"fetched":"([%d%-T:.]+Z)"$')
if other and #other == #fetched and other >= fetched and other <= future then
  return 0
end
redis.call('SET', key, entry, 'PX', ttl)
return 1`)

func (s *shared) put(ctx context.Context, key Key, e Entry) {
	if s == nil {
		return
	}
	ttl := min(redisTTL, redisTTL-s.now().Sub(e.Fetched))
	if ttl < time.Millisecond {
		return
	}
	text, err := e.encode()
	if err != nil {
		s.health.rejected(key.String(), err)
		return
	}
	s.do(ctx, func(ctx context.Context, c redis.Conn) error {
		_, err := keep.DoContext(ctx, c, s.name(key),
			text, e.Fetched.UTC().Format(moment), s.now().Add(tolerance).UTC().Format(moment), ttl.Milliseconds())
		return err
	})
}

// LockTTL is how long a lock holds that nobody releases: the default timeout of a request to a provider.
const LockTTL = 30 * time.Second

// unlock leaves the lock alone that another has taken when this one had ended.
var unlock = redis.NewScript(1, `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

func (s *shared) lock(ctx context.Context, key Key) (release func(), ok bool) {
	nothing := func() {}
	if s == nil {
		return nothing, true
	}
	name, token, taken := s.name(key)+":lock", rand.Text(), false
	answered := s.do(ctx, func(ctx context.Context, c redis.Conn) error {
		_, err := redis.String(redis.DoContext(c, ctx, "SET", name, token, "NX", "PX", LockTTL.Milliseconds()))
		taken = err == nil
		if errors.Is(err, redis.ErrNil) {
			return nil
		}
		return err
	})
	if !taken {
		return nothing, !answered
	}
	return func() {
		s.do(context.WithoutCancel(ctx), func(ctx context.Context, c redis.Conn) error {
			_, err := unlock.DoContext(ctx, c, name, token)
			return err
		})
	}, true
}

// do reports whether Redis did it.
func (s *shared) do(ctx context.Context, command func(context.Context, redis.Conn) error) bool {
	if !s.circuit.allow() {
		s.health.count(Redis, Unavailable)
		return false
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	c, err := s.pool.GetContext(limited)
	if err == nil {
		err = command(limited, c)
		_ = c.Close() // back to the pool, if it is of use still
	}
	switch {
	case err == nil:
		s.circuit.worked()
		s.health.worked()
	case ctx.Err() != nil: // the caller gave up
		s.circuit.unknown()
	default:
		s.circuit.failed()
		s.health.failed(err)
	}
	return err == nil
}

func (s *shared) name(key Key) string { return s.prefix + key.String() }

func (s *shared) close() error {
	if s == nil {
		return nil
	}
	return s.pool.Close()
}
