// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package workload says whom a process works for: a container, a batch job, a unit of systemd.
package workload

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kind is a value of workload.kind.
type Kind string

// What a process works for, the narrowest that is known.
const (
	Container Kind = "container"
	Job       Kind = "job"
	Unit      Kind = "unit"
	Process   Kind = "process"
)

// Workload is what energy is attributed to. Two are the same if their IDs are.
type Workload struct {
	Kind Kind
	// Attributes of its resource, without those of the host. They are not changed after creation.
	Attributes map[string]string
}

// ID is unique per host.
func (w *Workload) ID() string {
	var id strings.Builder
	part := func(s string) {
		id.WriteString(strconv.Itoa(len(s)))
		id.WriteByte(':')
		id.WriteString(s)
	}
	part(string(w.Kind))
	for _, key := range slices.Sorted(maps.Keys(w.Attributes)) {
		part(key)
		part(w.Attributes[key])
	}
	return id.String()
}
