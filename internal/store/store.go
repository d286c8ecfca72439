// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package store finds the storage extension that a component's configuration names.
package store

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Open returns the client of a component; nil if no extension is named.
func Open(ctx context.Context, host component.Host, id *component.ID, kind component.Kind, owner component.ID) (storage.Client, error) {
	if id == nil {
		return nil, nil //nolint:nilnil // nothing is kept, which is no error
	}
	extension, ok := host.GetExtensions()[*id]
	if !ok {
		return nil, fmt.Errorf("storage: there is no extension %q; list it under extensions and service::extensions", id)
	}
	provider, ok := extension.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: %q is no storage extension; file_storage is one", id)
	}
	client, err := provider.GetClient(ctx, kind, owner, "")
	if err != nil {
		return nil, fmt.Errorf("storage: %q: %w", id, err)
	}
	return client, nil
}
