// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate go tool mdatagen metadata.yaml

// Package consoleexporter shows energy, power and emissions to a person: a live table in a terminal,
// plain lines elsewhere, and a summary at the end.
package consoleexporter
