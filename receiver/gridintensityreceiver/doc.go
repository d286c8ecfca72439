// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate go tool mdatagen metadata.yaml

// Package gridintensityreceiver publishes what a gridintensity extension knows of the grid, for people
// and schedulers to look at. Nothing is computed from its metrics.
package gridintensityreceiver
