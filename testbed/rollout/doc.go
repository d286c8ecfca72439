// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package rollout tests deploy/rollout without a cluster. The program talks over HTTP to a stub of the Kubernetes API, which has
// the objects of the chart and makes pods of them, and to the API of a real Prometheus engine, which runs the real rules on what
// these pods would expose. Time is simulated.
package rollout
