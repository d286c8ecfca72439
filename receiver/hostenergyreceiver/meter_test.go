// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/internal/joule"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/bmc"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadata"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
)

// Of the time on mains the battery says nothing: what devices used then is not taken off what the machine draws afterwards.
func TestResidualAfterTimeOnMains(t *testing.T) {
	const overhead, cpuWatts = 4, 15
	battery, whole := fake("battery", sensor.Host)
	cpu, package0 := fake("package-0", sensor.Package)
	r, now := newResidual(battery), time.Now()
	look := func(outcome joule.Outcome, err error) (reason metadata.AttributeReason) {
		now = now.Add(time.Second)
		package0.microjoules += cpuWatts * 1e6
		if whole.outcome, whole.err = outcome, err; outcome == joule.Counted {
			whole.microjoules += (overhead + cpuWatts) * 1e6
		}
		reason, _ = battery.observe(now)
		_, _ = cpu.observe(now)
		r.observe([]*device{cpu}, nil, now)
		return reason
	}
	look(joule.First, nil)
	for range 100 {
		look(joule.Counted, nil)
	}
	assert.Equal(t, uint64(100*overhead*1000), r.grown)
	for range 7200 {
		look(joule.Rejected, sensor.ErrOnMains)
	}
	assert.Equal(t, metadata.AttributeReasonGap, look(joule.First, nil))
	for range 100 {
		look(joule.Counted, nil)
	}
	assert.Equal(t, uint64(200*overhead*1000), r.grown)
}

// Nor of the time between the last reading of a source and the first of the one that takes its place.
func TestReplacedSourceHasAGap(t *testing.T) {
	d, _ := fake("psys", sensor.Host)
	now := time.Now()
	for _, outcome := range []joule.Outcome{joule.First, joule.Counted} {
		d.Sensor.(*fakeSensor).outcome = outcome
		reason, err := d.observe(now)
		require.NoError(t, err)
		assert.Zero(t, reason)
	}
	d.replace(sensor.Source{Sensor: &fakeSensor{outcome: joule.First}, ID: "psys", Driver: sensor.Perf})
	reason, err := d.observe(now)
	require.NoError(t, err)
	assert.Equal(t, metadata.AttributeReasonGap, reason)
	assert.Equal(t, 1, d.gaps)
}

// While the BMC has not answered, what else measures the machine does. When it answers, its series begins where the other
// ends, and that one's residual ends as well.
func TestBMCTakesOver(t *testing.T) {
	for _, policy := range []Residual{residualOwn, residualSpread} {
		t.Run(string(policy), func(t *testing.T) {
			root := tree(t, "client")
			newCGroups(t, root).generation("a")
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, root, func(cfg *Config) {
					cfg.Controller.InitialDelay = time.Second
					cfg.Attribution.Enabled, cfg.Attribution.Residual = true, policy
				})
				require.NoError(t, r.Start(t.Context(), nil))
				machine := &fakeSensor{err: bmc.ErrWaiting}
				source := sensor.Source{Sensor: machine, ID: "bmc", Name: "BMC", Scope: sensor.Host, Method: sensor.Integrated, Driver: sensor.Redfish}
				r.scraper.mu.Lock()
				r.scraper.ladder.bmc = &source
				r.scraper.mu.Unlock()
				time.Sleep(time.Second)
				synctest.Wait()
				round := 0
				whole := func() map[string]point {
					round++
					write(t, energyFile(root, "intel-rapl:1"), joulesAt(200, 300*round)) // psys
					write(t, energyFile(root, "intel-rapl:0"), joulesAt(90, 100*round))
					r.sink.Reset()
					time.Sleep(interval)
					synctest.Wait()
					found := map[string]point{}
					for _, metrics := range r.sink.AllMetrics() {
						for _, rm := range metrics.ResourceMetrics().All() {
							for _, sm := range rm.ScopeMetrics().All() {
								for _, m := range sm.Metrics().All() {
									for _, dp := range m.Sum().DataPoints().All() {
										id, _ := dp.Attributes().Get("hw.id")
										if id.Str() == "psys" || id.Str() == "bmc" {
											p := found[m.Name()+" "+id.Str()]
											p.value += dp.DoubleValue()
											p.start, p.at = dp.StartTimestamp().AsTime(), dp.Timestamp().AsTime()
											found[m.Name()+" "+id.Str()] = p
										}
									}
								}
							}
						}
					}
					return found
				}
				before := whole()
				assert.Equal(t, []string{"hw.host.energy psys", "workload.energy psys"}, slices.Sorted(maps.Keys(before)))
				assert.InEpsilon(t, 300, before["hw.host.energy psys"].value, 1e-9)

				r.scraper.mu.Lock()
				machine.err = errors.New("no route to host")
				r.scraper.mu.Unlock()
				whole()
				assert.Equal(t, 1, r.logs.FilterMessageSnippet("no points until it can").Len(), "that the BMC is away is told")
				r.assertSkipped(t, map[string]int64{"unreadable": 1})

				r.scraper.mu.Lock()
				machine.err, machine.outcome = nil, joule.First
				r.scraper.mu.Unlock()
				at := whole()
				assert.InEpsilon(t, 900, at["hw.host.energy psys"].value, 1e-9, "its last")
				assert.Contains(t, at, "workload.energy psys")
				assert.Zero(t, at["hw.host.energy bmc"].value)
				assert.Equal(t, at["hw.host.energy psys"].at, at["hw.host.energy bmc"].start)

				r.scraper.mu.Lock()
				machine.outcome, machine.microjoules = joule.Counted, 350e6
				r.scraper.mu.Unlock()
				after := whole()
				assert.Equal(t, []string{"hw.host.energy bmc", "workload.energy bmc"}, slices.Sorted(maps.Keys(after)))
				assert.InEpsilon(t, 350, after["hw.host.energy bmc"].value, 1e-9)
				assert.InDelta(t, 250, after["workload.energy bmc"].value, 2, "what it draws beyond the package, and 1 GiB of memory")
				assert.Equal(t, at["hw.host.energy bmc"].start, after["workload.energy bmc"].start)

				r.scraper.mu.Lock()
				machine.err = errors.New("rebooting")
				r.scraper.mu.Unlock()
				assert.Empty(t, whole(), "from there on it is the machine's meter: what it missed would count twice")
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}
