// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

const gpu = "hw.energy GPU-1"

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

type emitted struct {
	start, time int // in seconds after noon, -1 for a start that is not known
	joules      float64
	source      string
}

// made sends one resource and returns what was made of GPU-1.
func (h *harness) made(rm pmetric.ResourceMetrics) []emitted {
	var all []emitted
	for _, point := range h.translate(rm)[gpu] {
		e := emitted{-1, int(point.Timestamp().AsTime().Sub(noon).Seconds()), point.DoubleValue(), label(point.Attributes(), "energy.source")}
		if point.StartTimestamp() != 0 {
			e.start = int(point.StartTimestamp().AsTime().Sub(noon).Seconds())
		}
		if point.Flags().NoRecordedValue() {
			e.joules = -1
		}
		all = append(all, e)
	}
	return all
}

const (
	dcgmSource   = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
	powerSource  = "DCGM_FI_DEV_POWER_USAGE"
	keplerSource = "kepler_node_gpu_joules_total"
)

func TestPreferredSourceTakesOver(t *testing.T) {
	h := newHarness(t, withPresets("dcgm", "kepler"))
	assert.Equal(t, []emitted{{-1, 0, 500, keplerSource}}, h.made(resource("kepler", keplerGPU(at(0), 500))))
	assert.Equal(t, []emitted{{-1, 10, 510, keplerSource}}, h.made(resource("kepler", keplerGPU(at(10), 510))))
	assert.Empty(t, h.made(resource("dcgm", dcgmEnergy(at(9), 90_009))), "Kepler has converted that")
	assert.Equal(t, []emitted{{12, 12, 0, dcgmSource}}, h.made(resource("dcgm", dcgmEnergy(at(12), 90_012))))
	assert.Equal(t, []emitted{{12, 20, 8, dcgmSource}}, h.made(resource("dcgm", dcgmEnergy(at(20), 90_020))))
	assert.Empty(t, h.made(resource("kepler", keplerGPU(at(20), 520))))
	assert.Equal(t, map[string]int{"other_source " + keplerSource: 1, "other_source " + dcgmSource: 1}, h.skipped)

	assert.Equal(t, []emitted{{12, 30, -1, dcgmSource}}, h.made(resource("dcgm", sample{
		metric: dcgmSource, time: at(30), gone: true, labels: map[string]string{"UUID": "GPU-1"},
	})), "the end of a stream is passed on")
	assert.Equal(t, []emitted{{31, 31, 0, keplerSource}}, h.made(resource("kepler", keplerGPU(at(31), 531))), "no longer has to wait")
	assert.Equal(t, []emitted{{31, 41, 10, keplerSource}}, h.made(resource("kepler", keplerGPU(at(41), 541))))
	assert.Equal(t, []emitted{{50, 50, 0, dcgmSource}}, h.made(resource("dcgm", dcgmEnergy(at(50), 90_050))), "what Kepler converted is not counted again")
}

func TestSilentSourceIsReplaced(t *testing.T) {
	h := newHarness(t, withPresets("dcgm"))
	assert.Equal(t, []emitted{{-1, 0, 500, dcgmSource}}, h.made(resource("pod-a", dcgmEnergy(at(0), 500))))
	assert.Empty(t, h.made(resource("pod-b", dcgmEnergy(at(300), 800))), "the same exporter scraped twice")
	assert.Equal(t, []emitted{{301, 301, 0, dcgmSource}}, h.made(resource("pod-b", dcgmEnergy(at(301), 801))))
	assert.Empty(t, h.made(resource("pod-a", dcgmEnergy(at(302), 802))))
	assert.Equal(t, []emitted{{301, 310, 9, dcgmSource}}, h.made(resource("pod-b", dcgmEnergy(at(310), 810))))
	assert.Equal(t, []emitted{{320, 320, 0, dcgmSource}}, h.made(resource("pod-b", dcgmEnergy(at(320), 1))), "fell without a start: begins anew")
	assert.Equal(t, 1, h.skipped["restarted "+dcgmSource])
	again := dcgmEnergy(at(340), 7)
	again.start = at(330)
	assert.Equal(t, []emitted{{330, 340, 7, dcgmSource}}, h.made(resource("pod-b", again)), "its own history again")
}

func TestOursConvertsFirst(t *testing.T) {
	h := newHarness(t, withPresets("dcgm", "kepler", "scaphandre"))
	cpu := sample{metric: "scaph_socket_energy_microjoules", time: at(1), value: 1e6, labels: map[string]string{"socket_id": "0"}}
	container := sample{metric: "kepler_container_cpu_joules_total", time: at(1), value: 5, labels: map[string]string{"zone": "package", "container_id": "c", "node_name": "node-1"}}
	host := sample{metric: "scaph_host_power_microwatts", kind: Gauge, time: at(1), value: 5, labels: map[string]string{"value_source": "powercap_rapl_psys"}}
	for name, foreign := range map[string]sample{"hw.energy": cpu, "workload.energy": container, "hw.host.energy": host} {
		one := newHarness(t, withPresets("kepler", "scaphandre"))
		assert.Len(t, one.translate(resource("x", foreign)), 1, "alone")
		assert.Empty(t, one.translate(resource("agent", native(name, at(1), "package-0", "cpu"))))
		foreign.time = at(2)
		assert.Empty(t, one.translate(resource("x", foreign)), name)
		assert.Equal(t, 1, one.skipped["other_source "+foreign.metric])
	}

	h.translate(resource("agent", native("hw.energy", at(0), "GPU-1", "gpu"), dcgmEnergy(at(0), 1)))
	assert.Equal(t, 1, h.skipped["other_source "+dcgmSource], "of one resource too")
	assert.Len(t, h.translate(resource("dcgm", dcgmEnergy(at(3600), 1, "UUID", "GPU-2"))), 1, "another device")
}

func TestHosts(t *testing.T) {
	for name, tc := range map[string]struct {
		attributes map[string]any
		label      string
		same       bool
	}{
		"name":                    {map[string]any{"host.name": "node-1", "server.address": "10.0.0.7"}, "", true},
		"another name":            {map[string]any{"host.name": "node-2"}, "", false},
		"node":                    {map[string]any{"k8s.node.name": "node-1", "service.instance.id": "10.0.0.7:8080"}, "", true},
		"localhost":               {map[string]any{"service.instance.id": "localhost:8080"}, "", true},
		"loopback":                {map[string]any{"service.instance.id": "[::1]:8080"}, "", true},
		"nothing":                 {map[string]any{}, "", true},
		"address":                 {map[string]any{"server.address": "10.0.0.8", "service.instance.id": "10.0.0.8:8080"}, "", false},
		"a label goes before":     {map[string]any{"host.name": "prometheus-0"}, "node-1", true},
		"a label of another host": {map[string]any{"host.name": "node-1"}, "node-2", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, withPresets("ceems"))
			h.translate(resource("agent", native("hw.energy", at(0), "package-0", "cpu")))
			s := sample{metric: "ceems_rapl_package_joules_total", time: at(1), value: 1, labels: map[string]string{"index": "0", "hostname": tc.label}}
			rm := resource("ceems", s)
			require.NoError(t, rm.Resource().Attributes().FromRaw(tc.attributes))
			made := h.translate(rm)
			if tc.same {
				assert.Empty(t, made)
			} else {
				assert.Len(t, made, 1)
			}
		})
	}
}

func TestForgetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, withPresets("dcgm"))
		h.translate(resource("agent", native("hw.energy", at(0), "GPU-1", "gpu")))
		time.Sleep(time.Hour)
		assert.Empty(t, h.made(resource("dcgm", dcgmEnergy(at(3600), 4000))), "ours will recover what it missed")
		h.Sweep(time.Now().Add(-time.Minute))
		taken := dcgmEnergy(at(3610), 4010)
		taken.start = at(1)
		assert.Equal(t, []emitted{{3610, 3610, 0, dcgmSource}}, h.made(resource("dcgm", taken)), "its history may be ours as well")
		assert.Equal(t, 1, h.Streams())

		time.Sleep(time.Hour)
		h.Sweep(time.Now().Add(-time.Minute))
		assert.Zero(t, h.Streams())
		begun := dcgmEnergy(at(7300), 200)
		begun.start = at(7290)
		assert.Equal(t, []emitted{{7290, 7300, 200, dcgmSource}}, h.made(resource("dcgm", begun)), "nobody is known: its own history")
	})
}

func TestIntegration(t *testing.T) {
	h := newHarness(t, withPresets("dcgm"))
	send := func(seconds int, watts float64) []emitted {
		return h.made(resource("dcgm", dcgmPower(at(seconds), watts)))
	}
	assert.Equal(t, []emitted{{0, 0, 0, powerSource}}, send(0, 100))
	assert.Equal(t, []emitted{{0, 10, 2000, powerSource}}, send(10, 300))
	assert.Empty(t, send(10, 300))
	assert.Empty(t, send(5, 300))
	assert.Equal(t, []emitted{{0, 310, 92_000, powerSource}}, send(310, 300), "a gap of max_gap is none")
	assert.Equal(t, []emitted{{0, 611, 92_000, powerSource}}, send(611, 300))
	assert.Equal(t, []emitted{{0, 612, 92_300, powerSource}}, send(612, 300))
	assert.Equal(t, map[string]int{"repeated " + powerSource: 1, "out_of_order " + powerSource: 1, "gap " + powerSource: 1}, h.skipped)

	// A counter appears, with the power: it converts from where the power ended.
	assert.Equal(t, []emitted{{620, 620, 0, dcgmSource}}, h.made(resource("dcgm", dcgmPower(at(620), 300), dcgmEnergy(at(620), 5000))))
	assert.Equal(t, []emitted{{620, 630, 3000, dcgmSource}}, h.made(resource("dcgm", dcgmPower(at(630), 300), dcgmEnergy(at(630), 8000))))
	// And is lost again: what it counted is not integrated once more.
	assert.Equal(t, []emitted{{0, 931, 92_300, powerSource}}, send(931, 300))
	assert.Equal(t, []emitted{{0, 932, 92_600, powerSource}}, send(932, 300))
}

func TestPowerIsNotIntegratedOverWhatACounterCounted(t *testing.T) {
	h := newHarness(t, withPresets("dcgm"))
	h.made(resource("power", dcgmPower(at(0), 100)))
	h.made(resource("counter", dcgmEnergy(at(10), 5000)))
	gone := dcgmEnergy(at(20), 0)
	gone.gone = true
	h.made(resource("counter", gone))
	assert.Equal(t, []emitted{{0, 30, 0, powerSource}}, h.made(resource("power", dcgmPower(at(30), 100))))
	assert.Equal(t, []emitted{{0, 40, 1000, powerSource}}, h.made(resource("power", dcgmPower(at(40), 100))))
}

func TestScrapesThatCameTogether(t *testing.T) {
	h := newHarness(t, withPresets("dcgm"))
	made := h.made(resource("dcgm", dcgmPower(at(20), 100), dcgmPower(at(0), 100), dcgmPower(at(10), 100)))
	assert.Equal(t, []emitted{{0, 0, 0, powerSource}, {0, 10, 1000, powerSource}, {0, 20, 2000, powerSource}}, made)
}

// A GPU's next pod is a new series with a start of its own, of a counter that goes on.
func TestNextPodGoesOn(t *testing.T) {
	h := newHarness(t, withPresets("dcgm"))
	first, second := dcgmEnergy(at(10), 1000, "pod", "a"), dcgmEnergy(at(20), 2000, "pod", "b")
	first.start, second.start = at(-60), at(5)
	assert.Equal(t, []emitted{{-60, 10, 1000, dcgmSource}}, h.made(resource("dcgm", first)))
	gone := sample{metric: dcgmSource, time: at(20), gone: true, labels: first.labels}
	assert.Equal(t, []emitted{{-60, 20, 2000, dcgmSource}}, h.made(resource("dcgm", gone, second)), "one pod's end is not the GPU's")
	assert.Empty(t, h.skipped)

	reset := dcgmEnergy(at(60), 3000, "pod", "b")
	reset.start = at(30)
	assert.Equal(t, []emitted{{30, 60, 3000, dcgmSource}}, h.made(resource("dcgm", reset)), "a driver that was loaded anew")
	assert.Equal(t, []emitted{{-1, 70, 100, dcgmSource}}, h.made(resource("dcgm", dcgmEnergy(at(70), 100, "pod", "b"))), "the account sees it fall")
}

func TestWhatIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*pmetric.Metric, pmetric.NumberDataPoint)
		want   string
	}{
		"negative":              {func(_ *pmetric.Metric, p pmetric.NumberDataPoint) { p.SetDoubleValue(-1) }, BadValue},
		"a blank of DCGM":       {func(_ *pmetric.Metric, p pmetric.NumberDataPoint) { p.SetIntValue(9223372036854775794) }, BadValue},
		"no time":               {func(_ *pmetric.Metric, p pmetric.NumberDataPoint) { p.SetTimestamp(0) }, BadValue},
		"no device":             {func(_ *pmetric.Metric, p pmetric.NumberDataPoint) { p.Attributes().Remove("UUID") }, NoIdentity},
		"another unit":          {func(m *pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetUnit("J") }, WrongUnit},
		"a unit nobody knows":   {func(m *pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetUnit("BTU") }, WrongUnit},
		"its unit":              {func(m *pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetUnit("mJ") }, ""},
		"an integer":            {func(_ *pmetric.Metric, p pmetric.NumberDataPoint) { p.SetIntValue(7000) }, ""},
		"zero is legal":         {func(_ *pmetric.Metric, p pmetric.NumberDataPoint) { p.SetDoubleValue(0) }, ""},
		"a sum that may fall":   {func(m *pmetric.Metric, _ pmetric.NumberDataPoint) { m.Sum().SetIsMonotonic(false) }, WrongType},
		"a delta":               {func(m *pmetric.Metric, _ pmetric.NumberDataPoint) { m.Sum().SetAggregationTemporality(1) }, WrongType},
		"a histogram":           {func(m *pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetEmptyHistogram() }, WrongType},
		"a series that is gone": {func(_ *pmetric.Metric, p pmetric.NumberDataPoint) { p.SetFlags(p.Flags().WithNoRecordedValue(true)) }, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, withPresets("dcgm"))
			rm := resource("dcgm", dcgmEnergy(at(0), 7))
			m := rm.ScopeMetrics().At(0).Metrics().At(0)
			tc.change(&m, m.Sum().DataPoints().At(0))
			found := h.translate(rm)
			switch tc.want {
			case "":
				assert.Len(t, found, 1)
				assert.Empty(t, h.skipped)
			case "-":
				assert.Empty(t, found, "nobody has seen it begin")
				assert.Empty(t, h.skipped)
			default:
				assert.Empty(t, found)
				assert.Equal(t, map[string]int{tc.want + " " + dcgmSource: 1}, h.skipped)
				assert.Contains(t, Reasons(), tc.want)
				assert.Equal(t, 1, rm.ScopeMetrics().Len())
			}
		})
	}
	h := newHarness(t, withPresets("dcgm"))
	rm := resource("dcgm", dcgmPower(at(0), 7))
	rm.ScopeMetrics().At(0).Metrics().At(0).SetEmptySum().DataPoints().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(noon))
	assert.Empty(t, h.translate(rm))
	assert.Equal(t, map[string]int{"type " + powerSource: 1}, h.skipped, "a sum is no power")
}

func TestLimit(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Presets, c.MaxStreams = []string{"dcgm"}, 2 })
	rm := resource("dcgm", dcgmEnergy(at(0), 1), dcgmEnergy(at(0), 2, "UUID", "GPU-2"), dcgmEnergy(at(0), 3, "UUID", "GPU-3"))
	assert.Len(t, h.translate(rm), 2)
	assert.Equal(t, map[string]int{"stream_limit " + dcgmSource: 1}, h.skipped)
	h.translate(resource("agent", native("hw.energy", at(0), "GPU-4", "gpu")))
	assert.Equal(t, 1, h.skipped["stream_limit hw.energy"])
	assert.Len(t, h.translate(resource("dcgm", dcgmEnergy(at(1), 1))), 1, "those that are there go on")
	h.Sweep(time.Now().Add(time.Minute))
	assert.Len(t, h.translate(resource("dcgm", dcgmEnergy(at(2), 3, "UUID", "GPU-3"))), 1, "and leave their place")

	h = newHarness(t, func(c *Config) { c.Presets, c.MaxStreams = []string{"kepler"}, 1 })
	container := func(id string) sample {
		return sample{metric: "kepler_container_cpu_joules_total", time: at(0), value: 5, labels: map[string]string{"zone": "package", "container_id": id}}
	}
	assert.Len(t, h.translate(resource("kepler", container("a"), container("b")))["workload.energy cpu "], 1, "streams are bounded too")
	assert.Equal(t, map[string]int{"stream_limit kepler_container_cpu_joules_total": 1}, h.skipped)
}

func TestOneLevelOfWorkloads(t *testing.T) {
	rule := func(metric, kind string) Rule {
		return Rule{Metric: metric, Kind: Counter, Unit: "kW.h", Target: Workload, Attributes: map[string]string{
			"hw.type": "cpu", "workload.kind": kind, "container.name": "{name}",
		}}
	}
	h := newHarness(t, func(c *Config) { c.Rules = []Rule{rule("container_kwh", "container"), rule("pod_kwh", "unit")} })
	got := joules(t, h.translate(resource("x",
		sample{metric: "pod_kwh", time: at(0), value: 3, labels: map[string]string{"name": "a"}},
		sample{metric: "container_kwh", time: at(0), value: 1, labels: map[string]string{"name": "b"}},
		sample{metric: "container_kwh", time: at(0), value: 2, labels: map[string]string{"name": "c"}},
	)))
	assert.Equal(t, map[string]float64{"workload.energy cpu b": 3.6e6, "workload.energy cpu c": 7.2e6}, got)
	assert.Equal(t, map[string]int{"other_source pod_kwh": 1}, h.skipped)
}

func TestConcurrency(t *testing.T) {
	h := newHarness(t, withPresets("dcgm"))
	var sources sync.WaitGroup
	for i := range 8 {
		sources.Go(func() {
			uuid := strconv.Itoa(i)
			for second := range 100 {
				h.Translate(resource("dcgm", dcgmEnergy(at(second), 1, "UUID", uuid), dcgmEnergy(at(second), 1, "UUID", "GPU-shared")))
				h.Sweep(time.Now().Add(-time.Minute))
			}
		})
	}
	sources.Wait()
	assert.Equal(t, 9, h.Streams(), "one of each, and one of what they share")
}

func TestNothingByDefault(t *testing.T) {
	h := newHarness(t, func(*Config) {})
	rm := scrape(t, "dcgm.prom", noon)
	require.Empty(t, h.translate(rm))
	require.Equal(t, 1, rm.ScopeMetrics().Len())
	require.Empty(t, h.skipped)
}
