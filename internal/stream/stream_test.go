// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Everything that the data model counts as identity must make a difference, and nothing else.
func TestIdentity(t *testing.T) {
	build := func(change func(pcommon.Resource, pcommon.InstrumentationScope, pmetric.Metric, pcommon.Map)) ID {
		resource, scope, metric, attributes := pcommon.NewResource(), pcommon.NewInstrumentationScope(), pmetric.NewMetric(), pcommon.NewMap()
		resource.Attributes().PutStr("host.id", "h1")
		resource.Attributes().PutStr("host.name", "n1")
		scope.SetName("s")
		metric.SetName("hw.energy")
		metric.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		attributes.PutStr("hw.id", "GPU-1")
		attributes.PutStr("hw.type", "gpu")
		change(resource, scope, metric, attributes)
		return Resource(resource).Scope(scope).Metric(metric).Point(attributes)
	}
	type (
		r = pcommon.Resource
		s = pcommon.InstrumentationScope
		m = pmetric.Metric
		a = pcommon.Map
	)
	same := build(func(r, s, m, a) {})

	seen := map[ID]string{same: "unchanged"}
	for name, change := range map[string]func(r, s, m, a){
		"resource value":         func(r r, _ s, _ m, _ a) { r.Attributes().PutStr("host.id", "h2") },
		"resource key":           func(r r, _ s, _ m, _ a) { r.Attributes().PutStr("host.arch", "h1") },
		"resource to point":      func(r r, _ s, _ m, a a) { r.Attributes().Remove("host.id"); a.PutStr("host.id", "h1") },
		"scope name":             func(_ r, s s, _ m, _ a) { s.SetName("t") },
		"scope version":          func(_ r, s s, _ m, _ a) { s.SetVersion("1") },
		"scope attribute":        func(_ r, s s, _ m, _ a) { s.Attributes().PutStr("x", "y") },
		"name":                   func(_ r, _ s, m m, _ a) { m.SetName("workload.energy") },
		"unit":                   func(_ r, _ s, m m, _ a) { m.SetUnit("J") },
		"monotonic":              func(_ r, _ s, m m, _ a) { m.Sum().SetIsMonotonic(true) },
		"temporality":            func(_ r, _ s, m m, _ a) { m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta) },
		"type":                   func(_ r, _ s, m m, _ a) { m.SetEmptyGauge() },
		"values swapped":         func(_ r, _ s, _ m, a a) { a.PutStr("hw.id", "gpu"); a.PutStr("hw.type", "GPU-1") },
		"boundary moved":         func(_ r, _ s, _ m, a a) { a.Remove("hw.id"); a.PutStr("hw.idGPU", "-1") },
		"attribute gone":         func(_ r, _ s, _ m, a a) { a.Remove("hw.id") },
		"empty string":           func(_ r, _ s, _ m, a a) { a.PutStr("x", "") },
		"empty value":            func(_ r, _ s, _ m, a a) { a.PutEmpty("x") },
		"int":                    func(_ r, _ s, _ m, a a) { a.PutInt("x", 1) },
		"double":                 func(_ r, _ s, _ m, a a) { a.PutDouble("x", 1) },
		"string of the int":      func(_ r, _ s, _ m, a a) { a.PutStr("x", "1") },
		"true":                   func(_ r, _ s, _ m, a a) { a.PutBool("x", true) },
		"false":                  func(_ r, _ s, _ m, a a) { a.PutBool("x", false) },
		"bytes":                  func(_ r, _ s, _ m, a a) { a.PutEmptyBytes("x").FromRaw([]byte("1")) },
		"map":                    func(_ r, _ s, _ m, a a) { a.PutEmptyMap("x").PutStr("y", "1") },
		"other map":              func(_ r, _ s, _ m, a a) { a.PutEmptyMap("x").PutStr("y", "2") },
		"slice":                  func(_ r, _ s, _ m, a a) { require.NoError(t, a.PutEmptySlice("x").FromRaw([]any{"1", "2"})) },
		"slice in another order": func(_ r, _ s, _ m, a a) { require.NoError(t, a.PutEmptySlice("x").FromRaw([]any{"2", "1"})) },
	} {
		id := build(change)
		assert.NotContains(t, seen, id, "%s is the same as %s", name, seen[id])
		seen[id] = name
	}

	for name, change := range map[string]func(r, s, m, a){
		"point order":    func(_ r, _ s, _ m, a a) { a.Remove("hw.id"); a.PutStr("hw.id", "GPU-1") },
		"resource order": func(r r, _ s, _ m, _ a) { r.Attributes().Remove("host.id"); r.Attributes().PutStr("host.id", "h1") },
		"description":    func(_ r, _ s, m m, _ a) { m.SetDescription("d") },
	} {
		assert.Equal(t, same, build(change), name)
	}
}

// The identity is written to disk by later versions: it must not change between processes.
func TestIdentityIsStable(t *testing.T) {
	m := pcommon.NewMap()
	m.PutStr("hw.id", "GPU-1")
	assert.Equal(t, "{883029684655900837 13520539370700730896}", fmt.Sprint(ID{}.Point(m)))
}

func FuzzIdentityTellsPairsApart(f *testing.F) {
	f.Add("a", "bc", "ab", "c")
	f.Add("", "a", "a", "")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		a, b := pcommon.NewMap(), pcommon.NewMap()
		a.PutStr(key1, value1)
		b.PutStr(key2, value2)
		same := key1 == key2 && value1 == value2
		assert.Equal(t, same, ID{}.Point(a) == ID{}.Point(b))
	})
}

func TestMapRefusesBeyondItsLimitAndKeepsWhatItHas(t *testing.T) {
	m := NewMap[int](2)
	count := func(n uint64) bool { return m.Do(ID{}, ID{lo: n}, func(v *int) { *v++ }) }
	assert.True(t, count(1))
	assert.True(t, count(2))
	assert.False(t, count(3))
	assert.True(t, count(1))
	assert.Equal(t, 2, m.Len())

	m.Sweep(func(v *int) bool { return *v == 1 }) // stream 2
	assert.Equal(t, 1, m.Len())
	assert.True(t, count(3))
	assert.True(t, m.Do(ID{}, ID{lo: 3}, func(v *int) { assert.Equal(t, 1, *v, "a new stream begins at zero, also in a place that was used") }))
	assert.True(t, m.Do(ID{}, ID{lo: 1}, func(v *int) { assert.Equal(t, 2, *v) }))
}

func TestMapIsBoundedUnderConcurrency(t *testing.T) {
	m := NewMap[int](100)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for n := range uint64(1000) {
				m.Do(ID{lo: n % 10}, ID{lo: n}, func(v *int) { *v++ })
			}
		})
	}
	workers.Wait()
	held, total := 0, 0
	m.Sweep(func(v *int) bool { held++; total += *v; return true })
	assert.Equal(t, 100, held)
	assert.LessOrEqual(t, total, 800)
	assert.Zero(t, m.Len())
}
