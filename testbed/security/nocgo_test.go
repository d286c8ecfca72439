// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package security

const binary = repository + "/bin/otelcol-carbon-nocgo"
