// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate go tool mdatagen metadata.yaml

// Package carbonintensityprocessor turns joules into grams of CO2e: next to each metric X.energy it
// puts a metric X.emissions.
package carbonintensityprocessor
