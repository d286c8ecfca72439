// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:generate go tool mdatagen metadata.yaml

// Package gridintensityextension knows what a kilowatt-hour carries, zone by zone and interval by interval,
// from services that the user names.
package gridintensityextension
