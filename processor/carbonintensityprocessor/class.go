// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package carbonintensityprocessor

import (
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelcol-carbon/otelcol-carbon/internal/grid"
)

// class numbers the labels that tell emissions of one provenance from those of another; 0 is none.
type class uint16

// classes are those that have been met. There are as many as providers, zones and qualities make, so they
// are never forgotten.
type classes struct {
	mu     sync.Mutex
	number map[provenance]class
	labels atomic.Pointer[[][]label] // by class
}

// provenance is what of an intensity labels the emissions.
type provenance struct {
	grid.Provenance
	quality grid.Quality
}

type label struct{ key, value string }

func newClasses() *classes {
	c := &classes{number: map[provenance]class{}}
	c.labels.Store(&[][]label{nil})
	return c
}

func (c *classes) of(i *grid.Intensity) class {
	p := provenance{i.Provenance, i.Quality}
	p.Edition = "" // is on the scope
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.number[p]; ok {
		return n
	}
	labels := append(slices.Clone(*c.labels.Load()), labelsOf(i))
	n := class(len(labels) - 1)
	c.number[p] = n
	c.labels.Store(&labels)
	return n
}

// all are the provenances, by class from 1 on.
func (c *classes) all() []indexedClass {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]indexedClass, len(c.number))
	for p, n := range c.number {
		all[n-1] = indexedClass{p.Provenance, p.quality}
	}
	return all
}

func labelsOf(i *grid.Intensity) (labels []label) {
	for _, l := range []label{
		{"carbon.source", i.Source},
		{"carbon.data.quality", string(i.Quality)},
		{"carbon.boundary", string(i.Boundary)},
		{"carbon.basis", string(i.Basis)},
		{"carbon.gas", string(i.Gas)},
		{"grid.zone", i.Zone},
	} {
		if l.value != "" {
			labels = append(labels, l)
		}
	}
	return labels
}

// appendGrams appends a point with the attributes of the energy and of the class.
func (c *classes) appendGrams(out pmetric.NumberDataPointSlice, like pmetric.NumberDataPoint, n class, start, time pcommon.Timestamp, grams float64) {
	point := c.appendPoint(out, like, n, time)
	point.SetStartTimestamp(start)
	point.SetDoubleValue(grams)
}

// appendPoint appends a point without a value.
func (c *classes) appendPoint(out pmetric.NumberDataPointSlice, like pmetric.NumberDataPoint, n class, time pcommon.Timestamp) pmetric.NumberDataPoint {
	labels := (*c.labels.Load())[n]
	point := out.AppendEmpty()
	point.SetTimestamp(time)
	attributes := point.Attributes()
	attributes.EnsureCapacity(like.Attributes().Len() + len(labels))
	like.Attributes().CopyTo(attributes)
	for _, l := range labels {
		attributes.PutStr(l.key, l.value)
	}
	return point
}
