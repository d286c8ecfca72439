// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package storetest has a storage extension for tests.
package storetest

import (
	"context"
	"errors"
	"maps"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Memory is a storage extension that a test can look into and break. The zero value is empty.
type Memory struct {
	component.StartFunc
	component.ShutdownFunc

	mu      sync.Mutex
	content map[string][]byte
	full    bool
	open    int
}

var _ storage.Client = (*Memory)(nil)

// ErrFull is what a Memory without room returns.
var ErrFull = errors.New("no space left on device")

// With returns a Memory that has this content.
func With(content map[string][]byte) *Memory { return &Memory{content: content} }

// Fill says whether there is room.
func (m *Memory) Fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

// Copy is what a process that is killed now leaves behind.
func (m *Memory) Copy() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{content: maps.Clone(m.content)}
}

// Content is what is stored, by key.
func (m *Memory) Content() map[string][]byte { return m.Copy().content }

// Open is how many clients are open.
func (m *Memory) Open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

// GetClient returns m itself: all components share the keys.
func (m *Memory) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	return m, nil
}

// Get returns nil if there is no such key.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.content[key], nil
}

// Set fails if there is no room.
func (m *Memory) Set(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return ErrFull
	}
	if m.content == nil {
		m.content = map[string][]byte{}
	}
	m.content[key] = value
	return nil
}

// Delete removes a key, if it is there.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.content, key)
	return nil
}

// Batch does one operation after the other.
func (m *Memory) Batch(ctx context.Context, operations ...*storage.Operation) (err error) {
	for _, o := range operations {
		switch o.Type {
		case storage.Get:
			o.Value, err = m.Get(ctx, o.Key)
		case storage.Set:
			err = m.Set(ctx, o.Key, o.Value)
		case storage.Delete:
			err = m.Delete(ctx, o.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close closes a client.
func (m *Memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
	return nil
}

// ID is under which Host has its extension.
var ID = component.MustNewID("file_storage")

// Host is a collector with one extension.
func Host(extension component.Component) component.Host {
	return host{componenttest.NewNopHost(), extension}
}

type host struct {
	component.Host

	extension component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{ID: h.extension}
}
