// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package stream gives metric streams an identity and keeps bounded state for them.
package stream

import (
	"encoding/binary"
	"math"

	"github.com/zeebo/xxh3"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// ID is the identity of a metric stream as the OpenTelemetry data model defines it: resource, scope,
// metric and point attributes, the attributes in any order. It is a 128-bit hash, the same in every
// process, so it can be stored. Build it from the outside in: Resource, Scope, Metric, Point.
type ID struct{ hi, lo uint64 }

// The level that a value was hashed at is part of its hash: the same attribute on the resource and
// on the point makes two identities.
const (
	resourceLevel uint64 = iota + 1
	scopeLevel
	metricLevel
	pointLevel
	nestedLevel
)

// Resource is the identity of a resource.
func Resource(r pcommon.Resource) ID {
	return ID{}.attributes(resourceLevel, r.Attributes())
}

// Scope is the identity of a scope within its resource.
func (id ID) Scope(s pcommon.InstrumentationScope) ID {
	return id.str(scopeLevel, s.Name()).str(scopeLevel+8, s.Version()).attributes(scopeLevel, s.Attributes())
}

// Metric is the identity of a metric within its scope.
func (id ID) Metric(m pmetric.Metric) ID {
	kind := uint64(m.Type())
	if m.Type() == pmetric.MetricTypeSum {
		kind |= uint64(m.Sum().AggregationTemporality()) << 8
		if m.Sum().IsMonotonic() {
			kind |= 1 << 16
		}
	}
	return id.str(metricLevel, m.Name()).str(metricLevel+8, m.Unit()).uint(metricLevel+16, kind)
}

// Point is the identity of the stream that a data point with these attributes belongs to.
func (id ID) Point(attributes pcommon.Map) ID { return id.attributes(pointLevel, attributes) }

// attributes adds a hash per attribute: addition commutes, so their order does not matter. Key and
// value are hashed apart (the key seeds the value), so no two pairs run into each other.
func (id ID) attributes(level uint64, attributes pcommon.Map) ID {
	for key, value := range attributes.All() {
		id = id.value(xxh3.HashStringSeed(key, level), value)
	}
	return id
}

func (id ID) value(seed uint64, value pcommon.Value) ID {
	seed += uint64(value.Type()) << 56
	switch value.Type() {
	case pcommon.ValueTypeStr:
		return id.str(seed, value.Str())
	case pcommon.ValueTypeInt:
		return id.uint(seed, uint64(value.Int()))
	case pcommon.ValueTypeDouble:
		return id.uint(seed, math.Float64bits(value.Double()))
	case pcommon.ValueTypeBool:
		if value.Bool() {
			return id.uint(seed, 1)
		}
		return id.uint(seed, 0)
	case pcommon.ValueTypeBytes:
		return id.add(xxh3.Hash128Seed(value.Bytes().AsRaw(), seed))
	case pcommon.ValueTypeMap:
		return id.nested(seed, ID{}.attributes(nestedLevel, value.Map()))
	case pcommon.ValueTypeSlice:
		var elements ID
		for i, element := range value.Slice().All() {
			elements = elements.value(uint64(i), element)
		}
		return id.nested(seed, elements)
	default:
		return id.uint(seed, 0)
	}
}

func (id ID) str(seed uint64, s string) ID { return id.add(xxh3.HashString128Seed(s, seed)) }

func (id ID) uint(seed, v uint64) ID { return id.nested(seed, ID{lo: v}) }

func (id ID) nested(seed uint64, inner ID) ID {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], inner.hi)
	binary.LittleEndian.PutUint64(b[8:], inner.lo)
	return id.add(xxh3.Hash128Seed(b[:], seed))
}

func (id ID) add(h xxh3.Uint128) ID { return ID{id.hi + h.Hi, id.lo + h.Lo} }
