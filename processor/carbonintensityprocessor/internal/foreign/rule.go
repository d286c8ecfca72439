// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// The values of energy.method.
const (
	counted    = "counter"
	integrated = "integrated"
	modelled   = "model"
)

// rule is a Rule made ready.
type rule struct {
	rank       int // the lower, the more preferred
	metric     string
	kind       Kind
	scale      float64 // to J or W
	target     Target
	mean       bool
	where      []pair
	attributes []attribute
	host       template
	id, hwType template
}

type pair struct{ key, value string }

type attribute struct {
	key   string
	value template
}

func (r *Rule) compile() (*rule, error) {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if r.Metric == "" {
		refuse("metric: not set: name the metric that is energy or power")
	} else if r.Metric == string(Device) || r.Metric == string(Host) || r.Metric == string(Workload) {
		refuse("metric: %q: is not foreign: it is converted without a rule", r.Metric)
	}
	scale, ok := scales[r.Kind][r.Unit]
	switch {
	case scales[r.Kind] == nil:
		refuse("kind: %q: must be %s (energy) or %s (power)", r.Kind, Counter, Gauge)
	case !ok:
		refuse("unit: %q: a %s must be in one of %s", r.Unit, r.Kind, units(r.Kind))
	}
	must := map[Target][]string{Device: {"hw.id", "hw.type"}, Host: {"hw.id"}, Workload: {"hw.type", "workload.kind"}}
	needed, ok := must[r.Target]
	if !ok {
		refuse("target: %q: must be one of %s, %s, %s", r.Target, Device, Host, Workload)
	}
	for _, key := range needed {
		if r.Attributes[key] == "" {
			refuse("attributes: %s: not set: %s needs it", key, r.Target)
		}
	}
	compiled := &rule{metric: r.Metric, kind: r.Kind, scale: scale, target: r.Target}
	for _, key := range slices.Sorted(maps.Keys(r.Attributes)) {
		value, err := parseTemplate(r.Attributes[key])
		if err != nil {
			refuse("attributes: %s: %w", key, err)
		}
		switch key {
		case "energy.source":
			refuse("attributes: energy.source: is set to the name of the metric: remove it")
		case "energy.method":
			if m := r.Attributes[key]; m != counted && m != integrated && m != modelled {
				refuse("attributes: energy.method: %q: must be %s, %s or %s", m, counted, integrated, modelled)
			}
		case "host.name":
			compiled.host = value
			continue // not an attribute where the resource says it
		case "hw.id":
			compiled.id = value
		case "hw.type":
			compiled.hwType = value
		}
		compiled.attributes = append(compiled.attributes, attribute{key, value})
	}
	compiled.attributes = append(compiled.attributes, attribute{"energy.source", template{{text: r.Metric}}})
	if _, ok := r.Attributes["energy.method"]; !ok {
		compiled.attributes = append(compiled.attributes, attribute{"energy.method", template{{text: compiled.method()}}})
	}
	for _, key := range slices.Sorted(maps.Keys(r.Where)) {
		compiled.where = append(compiled.where, pair{key, r.Where[key]})
	}
	return compiled, errors.Join(errs...)
}

func (r *rule) method() string {
	if r.kind == Gauge {
		return integrated
	}
	return counted
}

func (r *rule) appliesTo(labels pcommon.Map) bool {
	for _, w := range r.where {
		if label(labels, w.key) != w.value {
			return false
		}
	}
	return true
}

// put puts the attributes of the result, and the host unless the resource names it.
func (r *rule) put(to, labels pcommon.Map, resourceHost string) {
	to.EnsureCapacity(len(r.attributes) + 1)
	for _, a := range r.attributes {
		if value := a.value.of(labels); value != "" {
			to.PutStr(a.key, value)
		}
	}
	if host := r.host.of(labels); host != "" && host != resourceHost {
		to.PutStr("host.name", host)
	}
}

// unfit says why a metric cannot be what the rule says, "" if it can.
func (r *rule) unfit(m pmetric.Metric) string {
	switch {
	case m.Type() == pmetric.MetricTypeGauge:
	case r.kind == Counter && m.Type() == pmetric.MetricTypeSum && m.Sum().IsMonotonic() &&
		m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityCumulative:
	default:
		return WrongType
	}
	if m.Unit() == "" {
		return ""
	}
	if scale, ok := scales[r.kind][m.Unit()]; !ok || scale != r.scale {
		return WrongUnit
	}
	return ""
}

// What no device or host has had: 10 kW for 30 years, as drivers and programs say that have no value or
// whose arithmetic underflowed (kepler#897: 9.22e14 J), and a megawatt.
const (
	maxJoules = 1e13
	maxWatts  = 1e6
)

// value is in J or W; false if it cannot be true.
func (r *rule) value(point pmetric.NumberDataPoint) (float64, bool) {
	value := point.DoubleValue()
	if point.ValueType() == pmetric.NumberDataPointValueTypeInt {
		value = float64(point.IntValue())
	}
	value *= r.scale
	most := float64(maxJoules)
	if r.kind == Gauge {
		most = maxWatts
	}
	return value, value >= 0 && value <= most && !math.IsNaN(value) && point.ValueType() != pmetric.NumberDataPointValueTypeEmpty
}

// template is text with labels in it.
type template []part

type part struct {
	text    string
	isLabel bool
}

func parseTemplate(s string) (template, error) {
	var t template
	for rest := s; rest != ""; {
		open, end := strings.IndexByte(rest, '{'), strings.IndexByte(rest, '}')
		if open < 0 && end < 0 {
			return append(t, part{text: rest}), nil
		}
		if open < 0 || end < open+2 {
			return nil, fmt.Errorf("%q: braces must hold the name of a label, such as {UUID}", s)
		}
		if open > 0 {
			t = append(t, part{text: rest[:open]})
		}
		t = append(t, part{rest[open+1 : end], true})
		rest = rest[end+1:]
	}
	return t, nil
}

// of is the text, "" if a label is missing or empty.
func (t template) of(labels pcommon.Map) string {
	if len(t) == 1 {
		if t[0].isLabel {
			return label(labels, t[0].text)
		}
		return t[0].text
	}
	var text strings.Builder
	for _, p := range t {
		value := p.text
		if p.isLabel {
			if value = label(labels, p.text); value == "" {
				return ""
			}
		}
		text.WriteString(value)
	}
	return text.String()
}

func label(of pcommon.Map, key string) string {
	value, ok := of.Get(key)
	if !ok {
		return ""
	}
	return value.AsString()
}
