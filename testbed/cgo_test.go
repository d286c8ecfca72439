// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

const (
	binary = "../bin/otelcol-carbon"
	// noGPU is what the collector says of pipeline's GPUs.
	noGPU = "/nonexistent/libnvidia-ml.so.1"
)
