// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package kubernetes tests deploy/kubernetes without a cluster: everything is rendered by Helm, decoded strictly into the types
// of the API, and each collector config is checked by the built binary.
package kubernetes

//go:generate go test -count=1 -run=TestManifests|TestOperator|TestValuesOf -update .
