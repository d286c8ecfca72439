// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate go tool mdatagen metadata.yaml

// Package encryptedstorageextension encrypts what another storage extension keeps: queues of exporters, and the state of
// receivers and processors.
package encryptedstorageextension
