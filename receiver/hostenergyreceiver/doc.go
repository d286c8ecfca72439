// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate go tool mdatagen metadata.yaml

// Package hostenergyreceiver counts the energy of a machine's CPUs and memory with the processor's
// own counters (RAPL), and estimates it, saying so, where they cannot be read.
package hostenergyreceiver
