// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"os"
	"testing"
)

func BenchmarkResolveCached(b *testing.B) {
	r := NewResolver(Config{})
	own := uint32(os.Getpid())
	if _, err := r.Resolve(own); err != nil {
		b.Fatal(err)
	}
	r.known[own].settled = true
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Resolve(own); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolveFirst(b *testing.B) {
	r := NewResolver(Config{})
	own := uint32(os.Getpid())
	b.ReportAllocs()
	for b.Loop() {
		clear(r.known)
		if _, err := r.Resolve(own); err != nil {
			b.Fatal(err)
		}
	}
}
