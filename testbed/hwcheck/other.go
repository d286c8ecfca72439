// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux || !cgo

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "hwcheck: this binary was built without NVML, which needs Linux and cgo")
	os.Exit(2)
}
