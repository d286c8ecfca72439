// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"iter"
	"sync"
	"sync/atomic"
)

// Map holds a state of type T for each of a bounded number of streams. At the limit new streams are
// refused; streams that it holds are never evicted to make room. Safe for concurrent use.
//
// A T without pointers is best: then the garbage collector has nothing to look at, however many
// streams there are.
type Map[T any] struct {
	limit  int64
	size   atomic.Int64
	shards [shardCount]shard[T]
}

const shardCount = 64

type shard[T any] struct {
	mu     sync.Mutex
	index  map[ID]int32 // of the stream's state in states
	states []T
	free   []int32
}

// NewMap returns an empty map for at most limit streams.
func NewMap[T any](limit int) *Map[T] {
	m := &Map[T]{limit: int64(limit)}
	for i := range m.shards {
		m.shards[i].index = make(map[ID]int32)
	}
	return m
}

// Do runs f on the stream's state, which is the zero T if the stream is new, and lets no other Do
// or Sweep see it meanwhile. It reports false, without calling f, if the stream is new and the map
// is full. The state must not be kept beyond f.
//
// The states of a group, such as the points of one metric, lie together: those who come together
// find each other in the processor's cache. A stream must always be named with the same group.
func (m *Map[T]) Do(group, id ID, f func(state *T)) bool {
	s := &m.shards[group.lo%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[id]
	if !ok {
		if m.size.Add(1) > m.limit {
			m.size.Add(-1)
			return false
		}
		i = s.add(id)
	}
	f(&s.states[i])
	return true
}

// Peek runs f on the stream's state as Do does, if there is one.
func (m *Map[T]) Peek(group, id ID, f func(state *T)) {
	s := &m.shards[group.lo%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[id]; ok {
		f(&s.states[i])
	}
}

// Len is the number of streams held.
func (m *Map[T]) Len() int { return int(m.size.Load()) }

// Sweep forgets the streams whose state is stale.
func (m *Map[T]) Sweep(stale func(*T) bool) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for id, i := range s.index {
			if stale(&s.states[i]) {
				s.remove(id, i)
				m.size.Add(-1)
			}
		}
		s.mu.Unlock()
	}
}

func (s *shard[T]) add(id ID) int32 {
	i := int32(len(s.states))
	if last := len(s.free) - 1; last >= 0 {
		i, s.free = s.free[last], s.free[:last]
	} else {
		s.states = append(s.states, *new(T))
	}
	s.index[id] = i
	return i
}

func (s *shard[T]) remove(id ID, i int32) {
	delete(s.index, id)
	s.states[i] = *new(T)
	s.free = append(s.free, i)
}

// Key names a stream's state in the map of another process.
type Key struct {
	Shard  uint64
	Hi, Lo uint64
}

// All runs over the states; one shard at a time is locked.
func (m *Map[T]) All() iter.Seq2[Key, *T] {
	return func(yield func(Key, *T) bool) {
		for shard := range m.shards {
			if !m.shards[shard].all(uint64(shard), yield) {
				return
			}
		}
	}
}

func (s *shard[T]) all(shard uint64, yield func(Key, *T) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, i := range s.index {
		if !yield(Key{shard, id.hi, id.lo}, &s.states[i]) {
			return false
		}
	}
	return true
}

// PeekKey runs f on the state of a stream of another map of this process, if this one has it.
func (m *Map[T]) PeekKey(key Key, f func(state *T)) {
	m.Peek(ID{lo: key.Shard}, ID{key.Hi, key.Lo}, f)
}

// Restore puts a state where All found it. It reports false if the map is full.
func (m *Map[T]) Restore(key Key, state T) bool {
	return m.Do(ID{lo: key.Shard}, ID{key.Hi, key.Lo}, func(s *T) { *s = state })
}
