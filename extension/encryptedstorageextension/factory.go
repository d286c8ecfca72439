// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package encryptedstorageextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/otelcol-carbon/otelcol-carbon/extension/encryptedstorageextension/internal/metadata"
)

// NewFactory creates the factory of the encrypted_storage extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return &encryptedStorage{config: cfg.(*Config), id: set.ID}, nil
}
