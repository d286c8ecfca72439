// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"context"
	"errors"
	"maps"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// memory is a storage extension that a test can look into and break.
type memory struct {
	component.StartFunc
	component.ShutdownFunc
	storage.Client

	mu      sync.Mutex
	content map[string][]byte
	full    bool
	open    int
}

func (m *memory) fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

var errFull = errors.New("no space left on device")

func (m *memory) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	m.open++
	return m, nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) { return m.content[key], nil }

func (m *memory) Set(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return errFull
	}
	if m.content == nil {
		m.content = map[string][]byte{}
	}
	m.content[key] = value
	return nil
}

func (m *memory) Close(context.Context) error {
	m.open--
	return nil
}

// copy is what a process that is killed now leaves behind.
func (m *memory) copy() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{content: maps.Clone(m.content)}
}

// hostWith is a collector with extensions.
type hostWith struct {
	component.Host

	extensions map[component.ID]component.Component
}

func (h hostWith) GetExtensions() map[component.ID]component.Component { return h.extensions }

func hostOf(m component.Component) component.Host {
	return hostWith{componenttest.NewNopHost(), map[component.ID]component.Component{fileStorage: m}}
}
