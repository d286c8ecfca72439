// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package foreign makes energy metrics of ours from those of other programs.
package foreign

import (
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// ScopeName is the scope of what is made.
const ScopeName = "github.com/otelcol-carbon/otelcol-carbon/processor/carbonintensityprocessor/internal/foreign"

// Translator adds hw.energy, hw.host.energy and workload.energy, in J, to resources that have foreign metrics of
// energy or power. These pass unchanged. Of all sources of a device one converts at any time: what is ours already, then
// the rules in their order. Safe for concurrent use.
//
// A counter keeps its value and start, so it goes on over a restart of the Translator. What is
// integrated, and what took over from another source, begins anew.
type Translator struct {
	names   map[string]meaning
	cfg     Config
	version string
	skipped Skipped

	mu     sync.Mutex
	claims map[claimKey]*claim
	series map[seriesKey]*series
}

// meaning is what a metric of some name is: ours, or the rules that may apply to it.
type meaning struct {
	ours  Target
	rules []*rule
}

// New returns a translator, or an error that names each key that cannot be. The version is that of its scope.
func New(cfg Config, version string, skipped Skipped) (*Translator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	rules, err := cfg.compile()
	if err != nil {
		return nil, err
	}
	if skipped == nil {
		skipped = func(string, string, int) {}
	}
	t := &Translator{
		names: map[string]meaning{}, cfg: cfg, version: version, skipped: skipped,
		claims: map[claimKey]*claim{}, series: map[seriesKey]*series{},
	}
	for _, r := range rules {
		t.names[string(r.target)] = meaning{ours: r.target} // that they may compete with
		t.names[r.metric] = meaning{rules: append(t.names[r.metric].rules, r)}
	}
	return t, nil
}

// Translate appends a scope with the energy of a resource's foreign metrics, if it has any.
func (t *Translator) Translate(rm pmetric.ResourceMetrics) {
	if !t.concerns(rm) {
		return
	}
	if run := t.run(rm); run != nil {
		run.skips.tell(t.skipped)
	}
}

// run is what there was to translate, nil if nothing.
func (t *Translator) run(rm pmetric.ResourceMetrics) *run {
	var (
		now    = time.Now().Unix()
		host   = resourceHost(rm.Resource())
		result *run
	)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, scope := range rm.ScopeMetrics().All() {
		for _, m := range scope.Metrics().All() {
			meaning, ok := t.names[m.Name()]
			if !ok || meaning.ours != "" && t.yield(m, meaning.ours, host, now) {
				continue
			}
			if result == nil {
				result = newRun(t, rm, host, now)
			}
			if meaning.ours != "" {
				result.skips.add(StreamLimit, m.Name())
			} else {
				result.collect(m, meaning.rules)
			}
		}
	}
	if result != nil {
		result.convert()
	}
	return result
}

// yield claims what a metric of ours reports; false if there is no room to remember all of it.
func (t *Translator) yield(m pmetric.Metric, target Target, host string, now int64) bool {
	var last [2]claimKey
	complete := true
	for _, point := range numbers(m).All() {
		hwType, hwID := label(point.Attributes(), "hw.type"), label(point.Attributes(), "hw.id")
		// A source on localhost may be of any host that ours names: rather too little than twice.
		for i, host := range [...]string{host, thisHost} {
			key := claimOn(target, host, hwType, hwID)
			if key == last[i] {
				continue
			}
			last[i] = key
			if c := t.claim(key); c != nil {
				c.byUs(point.Timestamp(), now)
			} else {
				complete = false
			}
			if key.host == "" {
				break // it is the same on any host
			}
		}
	}
	return complete
}

// claim is nil if there are too many.
func (t *Translator) claim(key claimKey) *claim {
	c := t.claims[key]
	if c == nil && len(t.claims) < t.cfg.MaxStreams {
		c = &claim{}
		t.claims[key] = c
	}
	return c
}

func (t *Translator) concerns(rm pmetric.ResourceMetrics) bool {
	if len(t.names) == 0 {
		return false
	}
	scopes := rm.ScopeMetrics()
	for i := range scopes.Len() {
		metrics := scopes.At(i).Metrics()
		for j := range metrics.Len() {
			if _, ok := t.names[metrics.At(j).Name()]; ok {
				return true
			}
		}
	}
	return false
}

// Streams is the number of streams followed.
func (t *Translator) Streams() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.series)
}

// Sweep forgets the streams and devices that were last heard before a time. A device that others still report is
// not forgotten but free: who takes it over begins anew.
func (t *Translator) Sweep(before time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := before.Unix()
	for key, s := range t.series {
		if s.seen < old {
			delete(t.series, key)
		}
	}
	for key, c := range t.claims {
		if c.seen < old {
			c.released = true
			if c.disputed < old {
				delete(t.claims, key)
			}
		}
	}
}
