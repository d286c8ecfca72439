// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
	"go.uber.org/zap"
)

// health counts what fails in a layer and logs when that begins and ends.
type health struct {
	layer  Layer
	logger *zap.Logger
	count  func(Layer, Reason)

	mu      sync.Mutex
	failing bool
	odd     map[Reason]bool // what was logged
}

func newHealth(layer Layer, logger *zap.Logger, count func(Layer, Reason)) *health {
	return &health{layer: layer, logger: logger.With(zap.String("cache", string(layer))), count: count, odd: map[Reason]bool{}}
}

func (h *health) failed(err error) {
	h.count(h.layer, reasonOf(err))
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.failing {
		h.failing = true
		h.logger.Warn("The cache cannot be used; until it can, providers are asked more often", zap.Error(err))
	}
}

func (h *health) worked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing {
		h.failing = false
		h.logger.Info("The cache can be used again")
	}
}

// rejected is an entry that is not used, while the layer works. The first of each reason is logged.
func (h *health) rejected(name string, err error) {
	r := Malformed
	switch {
	case errors.Is(err, errTooLarge):
		r = TooLarge
	case errors.Is(err, errFuture):
		r = Clock
	}
	h.count(h.layer, r)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.odd[r] {
		h.odd[r] = true
		h.logger.Warn("The cache does not keep, or has not kept, an answer; further ones are only counted",
			zap.String("key", name), zap.String("reason", string(r)), zap.Error(err))
	}
}

// fresh reports whether an entry is of use still.
func (h *health) fresh(name string, fetched, now time.Time, ttl time.Duration) bool {
	if fetched.Sub(now) > tolerance {
		h.rejected(name, errFuture)
	}
	return !expired(fetched, now, ttl)
}

func reasonOf(err error) Reason {
	if answer := redis.Error(""); errors.As(err, &answer) {
		return Refused
	}
	return Unavailable
}
