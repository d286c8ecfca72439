// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package cuda puts load on a GPU through the CUDA driver, without the CUDA toolkit: libcuda.so.1 is loaded
// at run time, and compiles the kernels itself.
package cuda
