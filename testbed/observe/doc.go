// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package observe tests what operators look at and are woken by: rules, alerts, dashboards, routes and the gates of
// rollouts. Prometheus' own engine runs each query, on what the built collector serves.
package observe

//go:generate go test -count=1 -run=TestDashboardsAreFresh -update .
