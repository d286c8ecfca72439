// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package driver is NVML as the hardware check needs it: reading only, each symbol looked up before it is
// called (a call to one that is missing ends the process), each answer counted.
package driver
