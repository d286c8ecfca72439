// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package nvmlenergyreceiver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/store/storetest"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/nvmlenergyreceiver/internal/nvml/nvmltest"
)

// machine is the root of a file system with a proc in it.
type testMachine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) *testMachine {
	t.Helper()
	m := &testMachine{t, t.TempDir()}
	m.write("proc/stat", "btime 1700000000\n")
	m.write("proc/uptime", "100000.00 100000.00\n")
	m.write("proc/1/stat", "1 (init) S 0"+strings.Repeat(" 0", 17)+" 1 0")
	require.NoError(t, os.MkdirAll(filepath.Join(m.root, "proc/self/ns"), 0o700))
	require.NoError(t, os.Symlink("pid:[4026531836]", filepath.Join(m.root, "proc/self/ns/pid")))
	return m
}

func (m *testMachine) write(name, content string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(m.t, os.WriteFile(path, []byte(content), 0o600))
}

// process is one of a unit of systemd.
func (m *testMachine) process(pid int, unit string) {
	m.t.Helper()
	dir := fmt.Sprintf("proc/%d/", pid)
	m.write(dir+"stat", strconv.Itoa(pid)+" (python) S 1"+strings.Repeat(" 0", 17)+" 5000 0")
	m.write(dir+"cgroup", "0::/system.slice/"+unit+"\n")
	m.write(dir+"environ", "")
	m.write(dir+"comm", "python\n")
}

func (m *testMachine) end(pid int) {
	m.t.Helper()
	require.NoError(m.t, os.RemoveAll(filepath.Join(m.root, "proc", strconv.Itoa(pid))))
}

// attributed turns attribution on, on the machine.
func (m *testMachine) attributed(change func(*Config)) func(*Config) {
	return func(c *Config) {
		c.Host.RootPath = m.root
		c.Processes.Enabled = true
		if change != nil {
			change(c)
		}
	}
}

// share of a GPU: who, how, and with which method.
type slice struct{ who, kind, attribution string }

// shares is all energy that was attributed so far, from the last point of each stream.
func (h *harness) shares() map[slice]float64 {
	h.t.Helper()
	found := map[slice]float64{}
	for _, metrics := range h.sink.AllMetrics() {
		for _, rm := range metrics.ResourceMetrics().All() {
			unit, _ := rm.Resource().Attributes().AsRaw()["systemd.unit"].(string)
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					if m.Name() != "workload.energy" {
						continue
					}
					for _, dp := range m.Sum().DataPoints().All() {
						kind, _ := dp.Attributes().Get("workload.kind")
						attribution, _ := dp.Attributes().Get("workload.attribution")
						s := slice{unit, kind.Str(), attribution.Str()}
						require.GreaterOrEqual(h.t, dp.DoubleValue(), found[s])
						found[s] = dp.DoubleValue()
					}
				}
			}
		}
	}
	return found
}

func sum(parts map[slice]float64) (total float64) {
	for _, joules := range parts {
		total += joules
	}
	return total
}

// imbalance is the receiver's own check of the sum.
func (h *harness) imbalance() (values []float64) {
	h.t.Helper()
	got, err := h.telemetry.GetMetric("otelcol_nvmlenergy.attribution.imbalance")
	require.NoError(h.t, err)
	for _, dp := range got.Data.(metricdata.Gauge[float64]).DataPoints {
		values = append(values, dp.Value)
	}
	return values
}

// busyGPU draws 300 W, and its processes are busy in the proportion given, sampled each 200 ms.
func busyGPU(percent map[uint32]uint32) *nvmltest.GPU {
	began := time.Now()
	g := &nvmltest.GPU{ID: "GPU-a", Counter: func() uint64 { return uint64(300 * time.Since(began).Milliseconds()) }}
	for pid := range percent {
		g.Running = append(g.Running, nvml.Process{PID: pid, Memory: 1 << 30})
	}
	for at := began; at.Before(began.Add(10 * time.Minute)); at = at.Add(200 * time.Millisecond) {
		for pid, sm := range percent {
			g.Busy = append(g.Busy, nvml.ProcessSample{At: nvml.Micros(at.UnixMicro()), PID: pid, SM: sm})
		}
	}
	return g
}

func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.process(11, "a.service")
		m.process(12, "b.service")
		g := busyGPU(map[uint32]uint32{11: 60, 12: 20})
		h := run(t, nvmltest.New(g), m.attributed(nil))
		for range 6 {
			h.tick()
		}
		parts := h.shares()
		a, b := parts[slice{"a.service", "unit", "estimated_share"}], parts[slice{"b.service", "unit", "estimated_share"}]
		assert.InDelta(t, 3, a/b, 0.1)
		assert.InEpsilon(t, h.joules()["GPU-a"], sum(parts), 0.1, "but for what waits for samples")
		assert.Equal(t, []float64{0}, h.imbalance())
		require.NoError(t, h.Shutdown(t.Context()))
		assert.InDelta(t, h.joules()["GPU-a"], sum(h.shares()), 1e-9, "%v", h.shares())
	})
}

// A process that works now and then has a sample for that only: none stands for the time in which it did nothing.
func TestIntermittentShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.process(11, "always.service")
		m.process(12, "seldom.service")
		g := busyGPU(map[uint32]uint32{11: 50, 12: 50})
		began := time.Now().UnixMicro()
		g.Busy = slices.DeleteFunc(g.Busy, func(s nvml.ProcessSample) bool { return s.PID == 12 && (int64(s.At)-began)%5e6 != 0 })
		h := run(t, nvmltest.New(g), m.attributed(nil))
		for range 6 {
			h.tick()
		}
		parts := h.shares()
		var always, seldom float64
		for s, joules := range parts {
			switch s.who {
			case "always.service":
				always += joules
			case "seldom.service":
				seldom += joules
			}
		}
		assert.Greater(t, always/seldom, 4.0, "%v", parts)
		assert.NotZero(t, seldom)
	})
}

// What drivers make up changes nothing, and is counted.
func TestSenselessSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.process(11, "a.service")
		m.process(12, "b.service")
		g := busyGPU(map[uint32]uint32{11: 60, 12: 20})
		const each = 3 // samples made up at each time
		for i := 0; i < len(g.Busy); i += 2 + each {
			at := g.Busy[i].At
			g.Busy = slices.Insert(g.Busy, i, nvml.ProcessSample{At: at, PID: 0, SM: 50}, nvml.ProcessSample{At: at, PID: 12, SM: 101}, nvml.ProcessSample{At: at, PID: 1 << 30, SM: 1})
		}
		h := run(t, nvmltest.New(g), m.attributed(nil))
		for range 6 {
			h.tick()
		}
		parts := h.shares()
		assert.InDelta(t, 3, parts[slice{"a.service", "unit", "estimated_share"}]/parts[slice{"b.service", "unit", "estimated_share"}], 0.1)
		got, err := h.telemetry.GetMetric("otelcol_nvmlenergy.samples.rejected")
		require.NoError(t, err)
		points := got.Data.(metricdata.Sum[int64]).DataPoints
		require.Len(t, points, 1)
		cause, _ := points[0].Attributes.Value("cause")
		assert.Equal(t, "invalid", cause.AsString())
		assert.InDelta(t, 60*5*each, points[0].Value, 10*each)
	})
}

// A GPU that has only one at work, and then nobody.
func TestIdleAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.process(11, "a.service")
		g := busyGPU(map[uint32]uint32{11: 90})
		d := nvmltest.New(g)
		h := run(t, d, m.attributed(nil))
		h.tick()
		h.tick()
		d.Set(func() { g.Running, g.Busy = nil, nil })
		m.end(11)
		for range 3 {
			h.tick()
		}
		parts := h.shares()
		worked := parts[slice{"a.service", "unit", "measured_share"}]
		assert.InDelta(t, 6000, worked, 900, "what it used in its 20 s")
		assert.Positive(t, parts[slice{"", "idle", "measured_share"}])
		h.tick()
		assert.InDelta(t, worked, h.shares()[slice{"a.service", "unit", "measured_share"}], 0, "no more of it")
		assert.Zero(t, h.common.tenants.count(), "its place is free")
		assert.Equal(t, []float64{0}, h.imbalance())
		got, err := h.telemetry.GetMetric("otelcol_nvmlenergy.idle.power")
		require.NoError(t, err)
		assert.InDelta(t, 300, got.Data.(metricdata.Gauge[float64]).DataPoints[0].Value, 30)
	})
}

func TestMaxWorkloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		percent := map[uint32]uint32{}
		for pid := range uint32(4) {
			m.process(int(pid)+20, fmt.Sprintf("%d.service", pid))
			percent[pid+20] = 25
		}
		h := run(t, nvmltest.New(busyGPU(percent)), m.attributed(func(c *Config) { c.Processes.MaxWorkloads = 3 }))
		h.tick()
		h.tick()
		kinds := map[string]int{}
		for s := range h.shares() {
			kinds[s.kind]++
		}
		assert.Equal(t, 3, kinds["unit"])
		assert.Equal(t, 1, kinds["other"])
		require.NoError(t, h.Shutdown(t.Context()))
		assert.InDelta(t, h.joules()["GPU-a"], sum(h.shares()), 1e-9)
	})
}

// MIG on Hopper: activity times size. Two instances of 3/7 and 1/7, of which the larger is half as busy.
func TestInstances(t *testing.T) {
	half, full := 0.5, 1.0
	for name, tt := range map[string]struct {
		activity [2]*float64
		kind     string
		ratio    float64
	}{
		"with activity":    {[2]*float64{&half, &full}, "measured_share", 60 * 0.5 / 16},
		"without activity": {[2]*float64{nil, nil}, "estimated_share", 60.0 / 16},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t)
				m.process(11, "a.service")
				m.process(12, "b.service")
				g := busyGPU(nil)
				g.Slices, g.MIGCurrent, g.MIGPending = 7, true, true
				g.Instances = []*nvmltest.Instance{
					{ID: "MIG-1", Slices: 3, Multiprocessors: 60, Running: []nvml.Process{{PID: 11}}, Activity: tt.activity[0]},
					{ID: "MIG-2", Slices: 1, Multiprocessors: 16, Running: []nvml.Process{{PID: 12}}, Activity: tt.activity[1]},
				}
				d := nvmltest.New(g)
				h := run(t, d, m.attributed(nil))
				for range 6 {
					h.tick()
				}
				require.NoError(t, h.Shutdown(t.Context()))
				parts := h.shares()
				a, b := parts[slice{"a.service", "unit", tt.kind}], parts[slice{"b.service", "unit", tt.kind}]
				assert.InDelta(t, tt.ratio, a/b, 0.15)
				assert.InDelta(t, h.joules()["GPU-a"], sum(parts), 1e-9, "%v", parts)
				assert.Zero(t, d.Held(), "what the driver lent is given back")
			})
		})
	}
}

// The last that a GPU used before it was lost is split as well.
func TestSharesOfALostGPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.process(11, "a.service")
		g := busyGPU(map[uint32]uint32{11: 90})
		d := nvmltest.New(g)
		h := run(t, d, m.attributed(func(c *Config) { c.Controller.CollectionInterval = time.Second }))
		h.tick()
		d.Detach(g)
		h.tick()
		require.Equal(t, "failed", h.status("GPU-a"))
		var told float64
		for _, metrics := range h.sink.AllMetrics() {
			for _, dp := range pointsOf(metrics, "hw.energy") {
				told = dp.DoubleValue()
			}
		}
		require.Greater(t, told, 3000.0)
		assert.InDelta(t, told, sum(h.shares()), 1e-9)
	})
}

// Processes that nobody can look up have used energy all the same.
func TestUnknownProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		h := run(t, nvmltest.New(busyGPU(map[uint32]uint32{99: 50})), m.attributed(nil))
		h.tick()
		require.NoError(t, h.Shutdown(t.Context()))
		parts := h.shares()
		assert.InDelta(t, h.joules()["GPU-a"], sum(parts), 1e-9)
		assert.InDelta(t, sum(parts), parts[slice{"", "unattributed", "measured_share"}], 400, "%v", parts)
	})
}

// After a restart the accounts go on, and what was used in between is nobody's.
func TestSharesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.process(11, "a.service")
		g := busyGPU(map[uint32]uint32{11: 90})
		store := &storetest.Memory{}
		first := newHarness(t, newConfig(m.attributed(kept)), nvmltest.New(g))
		require.NoError(t, first.Start(t.Context(), storetest.Host(store)))
		time.Sleep(firstCollection)
		for range 3 {
			first.tick()
		}
		left := store.Copy() // killed
		require.NoError(t, first.Shutdown(t.Context()))
		before := first.shares()[slice{"a.service", "unit", "measured_share"}]
		time.Sleep(time.Minute + 300*time.Millisecond) // collections are between two polls

		second := newHarness(t, newConfig(m.attributed(kept)), nvmltest.New(g))
		require.NoError(t, second.Start(t.Context(), storetest.Host(left)))
		time.Sleep(firstCollection)
		second.tick()
		second.tick()
		require.NoError(t, second.Shutdown(t.Context()))
		parts := second.shares()
		assert.InDelta(t, second.joules()["GPU-a"], sum(parts), 1e-9, "%v", parts)
		assert.Greater(t, parts[slice{"a.service", "unit", "measured_share"}], before-1000)
		assert.InDelta(t, 300*60, parts[slice{"", "unattributed", "measured_share"}], 300*12, "the minute in between, and what was not yet attributed")
		assert.Equal(t, ledger.IdleUnattributed, second.common.cfg.Processes.Idle)
	})
}
