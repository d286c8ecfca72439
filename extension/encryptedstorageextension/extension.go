// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package encryptedstorageextension

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

type encryptedStorage struct {
	component.ShutdownFunc

	id     component.ID
	config *Config
	keys   *keyring
	inner  storage.Extension
}

var (
	_ storage.Extension               = (*encryptedStorage)(nil)
	_ extensioncapabilities.Dependent = (*encryptedStorage)(nil)
)

// Dependencies are started before.
func (e *encryptedStorage) Dependencies() []component.ID { return []component.ID{e.config.Storage} }

// Start reads the keys. To use others, restart.
func (e *encryptedStorage) Start(_ context.Context, host component.Host) error {
	wrapped, ok := host.GetExtensions()[e.config.Storage]
	if !ok {
		return fmt.Errorf("storage: there is no extension %q; list it under extensions and service::extensions", e.config.Storage)
	}
	e.inner, ok = wrapped.(storage.Extension)
	if !ok || e.config.Storage == e.id {
		return fmt.Errorf("storage: %q is no storage extension that can be wrapped; file_storage is one", e.config.Storage)
	}
	var err error
	e.keys, err = newKeyring(e.config.Keys)
	return err
}

// GetClient fails if there is a record that the keys do not open. A queue would begin anew over it.
func (e *encryptedStorage) GetClient(ctx context.Context, kind component.Kind, owner component.ID, name string) (storage.Client, error) {
	if e.keys == nil {
		return nil, fmt.Errorf("%s has not been started: list it before %s in service::extensions", e.id, owner)
	}
	inner, err := e.inner.GetClient(ctx, kind, owner, name)
	if err != nil {
		return nil, err
	}
	c := &client{inner: inner, keys: e.keys, place: place{kind, owner, name}}
	if err := c.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", e.id, err), inner.Close(ctx))
	}
	if walker, ok := inner.(storage.Walker); ok {
		return &walkingClient{client: c, walker: walker}, nil
	}
	return c, nil
}
