// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate go tool mdatagen metadata.yaml

// Package nvmlenergyreceiver counts the energy of NVIDIA GPUs with the counter that each of them
// keeps, read through NVML.
package nvmlenergyreceiver
