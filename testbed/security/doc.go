// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package security attacks the built binary, started with the configs that are shipped.
package security
