// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package usage

// links says that folders have to be listed.
func links(string) uint64 { return 0 }

// fileOf is not known.
func fileOf(string) file { return file{} }

// ownTime is not known.
func ownTime() uint64 { return 0 }

// ownMemory is not known.
func ownMemory() uint64 { return 0 }
