// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package testbed

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

// pulse draws a power for a time and nothing before and after, so that it does not matter when exactly the
// first and the last reading are taken.
func pulse(t *testing.T, watts float64, from, until time.Duration) fakenvml.Trace {
	t.Helper()
	return waveform(t, fmt.Sprintf("0,0\n%d,%v\n%d,0\n", from.Milliseconds(), watts, until.Milliseconds()))
}

func waveform(t *testing.T, rows string) fakenvml.Trace {
	t.Helper()
	trace, err := fakenvml.LoadTrace(writeFile(t, "power.csv", rows))
	require.NoError(t, err)
	return trace
}

// state is the hw.state of a GPU, "" before there is one.
func (g *gpus) state(uuid string) string {
	g.tb.Helper()
	for _, m := range scrape(g.tb, g.prometheus)["hw_status"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["hw_id"] == uuid && m.GetGauge().GetValue() == 1 {
			return labels["hw_state"]
		}
	}
	return ""
}

// joules is the energy of a GPU, by method.
func (g *gpus) joules(uuid string) map[string]float64 {
	last := map[string]float64{}
	for _, p := range g.cumulative("hw.energy", uuid) {
		last[p.attributes["energy.method"]] = p.value
	}
	return last
}

// silence is the longest time between two points of a GPU.
func (g *gpus) silence(uuid string) (longest time.Duration) {
	points := g.cumulative("hw.energy", uuid)
	for i := range points[1:] {
		longest = max(longest, points[i+1].time.Sub(points[i].time))
	}
	return longest
}

// Ten GPUs in one process, in real time. Each has a trouble of its own, and all that it used is counted.
func TestGPUsInTrouble(t *testing.T) {
	t.Parallel()
	const watts, begin, end = 300, 2 * time.Second, 25 * time.Second
	events := func(kinds ...any) (all []fakenvml.Event) {
		for i := 0; i < len(kinds); i += 2 {
			all = append(all, fakenvml.Event{At: time.Duration(kinds[i].(int)) * time.Second, Kind: kinds[i+1].(fakenvml.EventKind)})
		}
		return all
	}
	const exact, onePercent, twoPercent = 1e-9, 0.01, 0.02
	troubled := []struct {
		gpu    fakenvml.GPU
		error  float64 // relative
		states []string
		silent bool // it had no points for a while
	}{
		{fakenvml.GPU{UUID: "GPU-detached", Events: events(4, fakenvml.Detach, 8, fakenvml.Attach)}, exact, []string{"failed"}, true},
		{fakenvml.GPU{UUID: "GPU-well"}, exact, nil, false},
		{fakenvml.GPU{UUID: "GPU-hangs", Events: events(4, fakenvml.Hang, 14, fakenvml.Unhang)}, exact, []string{"degraded"}, true},
		{fakenvml.GPU{UUID: "GPU-lost", Events: events(4, fakenvml.Lost, 8, fakenvml.Back)}, exact, []string{"failed"}, true},
		{fakenvml.GPU{UUID: "GPU-glitch", Events: events(4, fakenvml.Glitch(1e15), 6, fakenvml.Glitch(0))}, exact, nil, false},
		{fakenvml.GPU{UUID: "GPU-xid", Events: events(4, fakenvml.Xid(79), 6, fakenvml.Xid(63), 8, fakenvml.Xid(79))}, exact, nil, false},
		{fakenvml.GPU{UUID: "GPU-stuck", Events: events(4, fakenvml.Stuck, 11, fakenvml.Unstuck)}, twoPercent, nil, false},
		{fakenvml.GPU{UUID: "GPU-frozen", Events: events(4, fakenvml.Stuck, 11, fakenvml.Resume)}, twoPercent, nil, false},
		{fakenvml.GPU{UUID: "GPU-pascal", Arch: "pascal"}, onePercent, nil, false},
		{fakenvml.GPU{UUID: "GPU-plugged", Events: events(5, fakenvml.Attach)}, exact, nil, false},
	}
	var all []fakenvml.GPU
	for _, tc := range troubled {
		tc.gpu.Name, tc.gpu.Initial, tc.gpu.Power = h100, 126_272_101_025, pulse(t, watts, begin, end)
		if tc.gpu.UUID == "GPU-plugged" { // which has no energy before it is found
			tc.gpu.Power = pulse(t, watts, end-5*time.Second, end)
		}
		all = append(all, tc.gpu)
	}
	g := startScenario(t, fakenvml.Scenario{GPUs: all})
	g.eventually(func() bool { return g.state("GPU-well") != "" }, "the first GPU")
	began := time.Now()
	seen := map[string][]string{}
	g.eventually(func() bool {
		for _, tc := range troubled {
			if state := g.state(tc.gpu.UUID); state != "" && !slices.Contains(seen[tc.gpu.UUID], state) {
				seen[tc.gpu.UUID] = append(seen[tc.gpu.UUID], state)
			}
		}
		return time.Since(began) > end+time.Second
	}, "the end of the scenario")
	errors := scrape(t, g.prometheus)["hw_errors_total"]
	for _, tc := range troubled {
		assert.Equal(t, "ok", g.state(tc.gpu.UUID), "%s at the end", tc.gpu.UUID)
	}
	require.Zero(t, g.stop())

	for i, tc := range troubled {
		t.Run(tc.gpu.UUID, func(t *testing.T) {
			uuid, joules := tc.gpu.UUID, g.joules(tc.gpu.UUID)
			assert.InEpsilon(t, fakenvml.Energy(all[i].Power, end), joules["counter"]+joules["integrated"], tc.error, "%v", joules)
			assert.Subset(t, seen[uuid], tc.states)
			if tc.silent {
				assert.Greater(t, g.silence(uuid), 3*time.Second)
			} else {
				assert.Less(t, g.silence(uuid), 2*time.Second)
				assert.NotContains(t, seen[uuid], "failed")
			}
		})
	}
	assert.Equal(t, map[string]float64{"63": 1, "79": 2}, byXid(series(errors, "hw_id", "GPU-xid")))
	for _, uuid := range []string{"GPU-stuck", "GPU-frozen"} {
		assert.InDelta(t, watts*10.0, g.joules(uuid)["integrated"], watts*10.0, "%s: from 5 s to 15 s of it by its power", uuid)
		assert.Greater(t, g.trustedSince(uuid), time.Second, "%s: the counter is trusted again", uuid)
	}
	assert.Equal(t, []string{"integrated"}, slices.Collect(maps.Keys(g.joules("GPU-pascal"))))
}

// trustedSince is for how long the counter has been growing at the end while the integral has not.
func (g *gpus) trustedSince(uuid string) time.Duration {
	var changed, last time.Time
	integrated := -1.0
	for _, p := range g.cumulative("hw.energy", uuid) {
		if last = p.time; p.attributes["energy.method"] == "integrated" && p.value != integrated {
			integrated, changed = p.value, p.time
		}
	}
	return last.Sub(changed)
}

func byXid(found map[string]float64) map[string]float64 {
	counts := map[string]float64{}
	for labels, count := range found {
		counts[regexp.MustCompile(`nvidia_xid=(\d+)`).FindStringSubmatch(labels)[1]] = count
	}
	return counts
}

// A call that hangs holds a thread. The next hang takes the same one, for an hour.
func TestHangsTakeNoMoreThreads(t *testing.T) {
	t.Parallel()
	const hangs, every = 20, 3 * time.Minute
	flat := fakenvml.Const{Watts: 1} // which the collector, whose time is real, sees as some hundred
	sick := fakenvml.GPU{UUID: "GPU-sick", Name: h100, Power: flat}
	for i := range hangs {
		at := time.Duration(i+1) * every
		sick.Events = append(sick.Events, fakenvml.Event{At: at, Kind: fakenvml.Hang}, fakenvml.Event{At: at + every/2, Kind: fakenvml.Unhang})
	}
	g := startGPUs(t, sick, fakenvml.GPU{UUID: "GPU-well", Name: h100, Power: flat})
	g.read("GPU-sick") // the base
	require.NoError(t, g.clock.Set(every/2))
	g.read("GPU-sick")
	var settled int
	for i := range hangs {
		at := time.Duration(i+1) * every
		require.NoError(t, g.clock.Set(at))
		for range 3 {
			assert.InDelta(t, fakenvml.Energy(flat, at), g.read("GPU-well").value, 0.001)
		}
		assert.InDelta(t, fakenvml.Energy(flat, at-every/2), g.joules("GPU-sick")["counter"], 0.001, "it hangs")
		require.NoError(t, g.clock.Set(at+every/2))
		assert.InDelta(t, fakenvml.Energy(flat, at+every/2), g.read("GPU-sick").value, 0.001)
		if i == 4 {
			settled = g.threads()
		}
	}
	assert.LessOrEqual(t, g.threads(), settled+3)
	assert.Zero(t, g.stop())
}

func (g *gpus) threads() int {
	g.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	require.NoError(g.tb, err)
	n, err := strconv.Atoi(regexp.MustCompile(`Threads:\s+(\d+)`).FindStringSubmatch(string(status))[1])
	require.NoError(g.tb, err)
	return n
}

// A driver that is loaded anew counts from 0, and all handles are stale.
func TestDriverReload(t *testing.T) {
	t.Parallel()
	const before, at, after = 1900 * time.Millisecond, 2 * time.Second, 3 * time.Second
	flat := fakenvml.Const{Watts: 100}
	for name, reload := range map[string]fakenvml.Reload{
		"at once":       {At: at},
		"after a while": {At: at, Until: at + 500*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startScenario(t, fakenvml.Scenario{
				Clock: newClock(t), Reloads: []fakenvml.Reload{reload},
				GPUs: []fakenvml.GPU{{UUID: uuid(1), Name: h100, Power: flat, Initial: 1e9}, {UUID: uuid(2), Name: h100, Power: flat, Initial: 1e9}},
			})
			for _, id := range []string{uuid(1), uuid(2)} {
				g.read(id)
			}
			require.NoError(t, g.clock.Set(before))
			for _, id := range []string{uuid(1), uuid(2)} {
				assert.InDelta(t, fakenvml.Energy(flat, before), g.read(id).value, 0.001)
			}
			require.NoError(t, g.clock.Set(at+time.Millisecond))
			g.eventually(func() bool {
				return reload.Until == 0 || g.state(uuid(1)) == "failed" && g.state(uuid(2)) == "failed"
			}, "the loss")
			require.NoError(t, g.clock.Set(after))
			for _, id := range []string{uuid(1), uuid(2)} {
				assert.InDelta(t, fakenvml.Energy(flat, before)+fakenvml.Energy(flat, after-at), g.read(id).value, 0.001)
			}
			assert.Zero(t, g.stop())
			g.assertMonotonic(t, uuid(1))
		})
	}
}

// A driver that is updated under a running process needs it restarted: the log and the health check say so.
func TestDriverUpdateNeedsARestart(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	url := "http://" + address + "/?verbose"
	g := prepare(t, fakenvml.Scenario{
		Clock: newClock(t), Mismatch: time.Second, GPUs: []fakenvml.GPU{{UUID: uuid(1), Name: h100, Power: fakenvml.Const{Watts: 300}}},
	}, nil, "yaml:extensions::health_check: {use_v2: true, http: {endpoint: "+address+", status: {enabled: true, path: /}}, component_health: {include_permanent_errors: true}}",
		"yaml:service::extensions: [health_check]")
	g.cmd.Args = append(g.cmd.Args, "--feature-gates=+extension.healthcheck.useComponentStatus")
	g.run()
	g.read(uuid(1))
	status, _ := get(t, url)
	assert.Equal(t, http.StatusOK, status)
	require.NoError(t, g.clock.Set(2*time.Second))
	var report string
	g.eventually(func() bool {
		status, report = get(t, url)
		return status == http.StatusInternalServerError
	}, "the health check")
	assert.Contains(t, report, "StatusPermanentError")
	assert.Equal(t, "failed", g.state(uuid(1)))
	assert.Contains(t, g.output.String(), "restart the collector")
	assert.Zero(t, g.stop())
	assert.Equal(t, 1, strings.Count(g.output.String(), "no NVIDIA GPU can be read"), "said once")
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(content)
}

// A change of MIG mode needs a GPU that nobody has open.
func TestPendingMIGChangeIsGivenWayTo(t *testing.T) {
	t.Parallel()
	flat := fakenvml.Const{Watts: 100}
	g := startGPUs(t, fakenvml.GPU{UUID: uuid(1), Name: h100, Power: flat, Initial: 1e9, Events: []fakenvml.Event{
		{At: time.Second, Kind: fakenvml.MIGPending}, {At: 2 * time.Second, Kind: fakenvml.MIGOn},
	}})
	g.read(uuid(1))
	require.NoError(t, g.clock.Set(time.Second))
	calls := func() map[string]uint64 {
		calls, err := fakenvml.ReadCalls(g.calls)
		require.NoError(t, err)
		return calls
	}
	g.eventually(func() bool { return calls()["nvmlShutdown"] > 0 }, "the driver to be let go")
	released, atRelease := time.Now(), calls()
	require.NoError(t, g.clock.Set(3*time.Second))
	g.eventually(func() bool { return time.Since(released) > 5*time.Second }, "the reset")
	assert.Equal(t, atRelease, calls(), "no call while it is let go")
	g.eventually(func() bool {
		return calls()["nvmlInit_v2"] > atRelease["nvmlInit_v2"] || time.Since(released) > 25*time.Second
	}, "some time")
	assert.InDelta(t, fakenvml.Energy(flat, 3*time.Second), g.read(uuid(1)).value, 0.001, "what was used meanwhile is counted")
	assert.Zero(t, g.stop())
}
