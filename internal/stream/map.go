// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package stream // import "github.com/otelcol-carbon/otelcol-carbon/internal/stream"

import (
	"sync"
	"sync/atomic"
)

// Map holds a state of type T for each of a bounded number of streams. At the limit new streams are
// refused; streams that it holds are never evicted to make room. Safe for concurrent use.
type Map[T any] struct {
	limit  int64
	size   atomic.Int64
	shards [shardCount]shard[T]
}

const shardCount = 64

type shard[T any] struct {
	mu     sync.Mutex
	states map[ID]*T
	_      [48]byte // a cache line each: neighbours do not slow one another down
}

// NewMap returns an empty map for at most limit streams.
func NewMap[T any](limit int) *Map[T] {
	m := &Map[T]{limit: int64(limit)}
	for i := range m.shards {
		m.shards[i].states = make(map[ID]*T)
	}
	return m
}

// Do runs f on the stream's state, which is the zero T if the stream is new, and lets no other Do
// or Sweep see it meanwhile. It reports false, without calling f, if the stream is new and the map
// is full.
func (m *Map[T]) Do(id ID, f func(state *T)) bool {
	s := &m.shards[id.lo%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	state, ok := s.states[id]
	if !ok {
		if m.size.Add(1) > m.limit {
			m.size.Add(-1)
			return false
		}
		state = new(T)
		s.states[id] = state
	}
	f(state)
	return true
}

// Len is the number of streams held.
func (m *Map[T]) Len() int { return int(m.size.Load()) }

// Sweep forgets the streams whose state is stale.
func (m *Map[T]) Sweep(stale func(*T) bool) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for id, state := range s.states {
			if stale(state) {
				delete(s.states, id)
				m.size.Add(-1)
			}
		}
		s.mu.Unlock()
	}
}
