// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package observe

const binary = "../../bin/otelcol-carbon"
