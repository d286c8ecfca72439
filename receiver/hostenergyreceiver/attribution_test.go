// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package hostenergyreceiver

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otelcol-carbon/otelcol-carbon/internal/ledger"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/metadatatest"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/sensor"
	"github.com/otelcol-carbon/otelcol-carbon/receiver/hostenergyreceiver/internal/usage"
)

// shares are the last values of workload.energy, by hw.id, who, and how sure that is.
func (r *rig) shares() map[string]float64 {
	found := map[string]float64{}
	for _, md := range r.sink.AllMetrics() {
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					if m.Name() != "workload.energy" {
						continue
					}
					for _, dp := range m.Sum().DataPoints().All() {
						found[shareOf(rm, dp)] = dp.DoubleValue()
					}
				}
			}
		}
	}
	return found
}

func shareOf(rm pmetric.ResourceMetrics, dp pmetric.NumberDataPoint) string {
	text := func(key string) string { v, _ := dp.Attributes().Get(key); return v.AsString() }
	who := text("workload.kind")
	for _, key := range []string{"systemd.unit", "container.id", "service.name"} {
		if v, ok := rm.Resource().Attributes().Get(key); ok {
			who = v.AsString()
			break
		}
	}
	return text("hw.id") + " " + who + " " + text("workload.attribution")
}

// cgroups writes the CPU time and resident memory of units.
type cgroups struct {
	tb   testing.TB
	root string
	used map[string]uint64
}

func newCGroups(tb testing.TB, root string) *cgroups {
	tb.Helper()
	c := &cgroups{tb, root, map[string]uint64{}}
	c.put("cgroup.controllers", "cpu memory\n")
	c.write("proc/meminfo", "MemTotal:       1048576 kB\nMemFree:         524288 kB\n")
	c.write("proc/uptime", "100000.00 0\n")
	c.write("proc/self/status", "Pid:\t4242\nNSpid:\t4242\n")
	c.machine(0)
	return c
}

// machine sets the CPU time of all.
func (c *cgroups) machine(microseconds uint64) {
	c.write("proc/stat", fmt.Sprintf("cpu  %d 0 0 1000 0 0 0 0 0 0\ncpu0 500 0 0 500 0 0 0 0 0 0\ncpu1 500 0 0 500 0 0 0 0 0 0\nbtime 1750000000\n", 1000+microseconds/10_000))
}

func (c *cgroups) write(name, content string) {
	path := filepath.Join(c.root, name)
	require.NoError(c.tb, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(c.tb, os.WriteFile(path, []byte(content), 0o600))
}

func (c *cgroups) put(name, content string) { c.write("sys/fs/cgroup/"+name, content) }

// use adds CPU time to a unit and to all above it.
func (c *cgroups) use(unit string, microseconds, resident uint64) {
	for _, path := range []string{"", "system.slice", "system.slice/" + unit} {
		c.used[path] += microseconds
		c.put(path+"/cpu.stat", fmt.Sprintf("usage_usec %d\n", c.used[path]))
		c.put(path+"/cgroup.procs", "")
	}
	c.machine(c.used[""])
	c.put("system.slice/"+unit+"/memory.stat", fmt.Sprintf("anon %d\nfile_mapped 0\nshmem 0\n", resident))
}

// The energy of a package is split by CPU time, that of its memory by resident size, and nothing is left or made.
func TestWhoUsedIt(t *testing.T) {
	const mebibyte = 1 << 20
	root := tree(t, "server")
	c := newCGroups(t, root)
	c.use("a.service", 0, 256*mebibyte)
	c.use("b.service", 0, 128*mebibyte)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) {
			cfg.Attribution.Enabled = true
			cfg.Model.IdlePowerPerCPU, cfg.Model.MaxPowerPerCPU = 15, 100 // 30 W of two CPUs, 10 W for each of three packages
		})
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		c.use("a.service", 6_000_000, 256*mebibyte)
		c.use("b.service", 2_000_000, 128*mebibyte)
		write(t, energyFile(root, "intel-rapl:0"), "501000000")  // 500 J
		write(t, energyFile(root, "intel-rapl:0:0"), "82000000") // 80 J
		time.Sleep(interval)
		synctest.Wait()
		want := map[string]float64{
			"package-0 idle measured_share":       100,
			"package-0 a.service estimated_share": 300,
			"package-0 b.service estimated_share": 100,
			// Half of the memory is free; of the rest half is a's and a quarter b's.
			"package-0/dram idle measured_share":         40,
			"package-0/dram a.service estimated_share":   20,
			"package-0/dram b.service estimated_share":   10,
			"package-0/dram unattributed measured_share": 10,
		}
		got := r.shares()
		for key := range got {
			if strings.HasPrefix(key, "package-1") { // stands still
				delete(got, key)
			}
		}
		assert.InDeltaMapValues(t, want, got, 0.002)

		c.use("a.service", 1_000_000, 256*mebibyte)
		write(t, energyFile(root, "intel-rapl:0"), "701000000")
		require.NoError(t, os.RemoveAll(root+"/sys/fs/cgroup/system.slice/b.service"))
		time.Sleep(interval)
		synctest.Wait()
		got = r.shares()
		assert.InDelta(t, 400.0, got["package-0 a.service estimated_share"]+got["package-0 a.service measured_share"], 0.002, "alone")
		assert.InDelta(t, 100.0, got["package-0 b.service estimated_share"], 0.002)
		sum := 0.0
		for key, joules := range got {
			if strings.HasPrefix(key, "package-0 ") {
				sum += joules
			}
		}
		assert.InEpsilon(t, 700.0, sum, 1e-12)
		imbalance, err := r.telemetry.GetMetric("otelcol_hostenergy.attribution.imbalance")
		require.NoError(t, err)
		assert.Zero(t, imbalance.Data.(metricdata.Gauge[float64]).DataPoints[0].Value)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// kernel adds CPU time that is in no cgroup below the root.
func (c *cgroups) kernel(microseconds uint64) {
	c.used[""] += microseconds
	c.machine(c.used[""])
}

// Who used the CPU in one window does not pay for the next one: neither a unit that is gone, nor the kernel at rest.
func TestActivityIsOfItsWindow(t *testing.T) {
	root := tree(t, "amd")
	c := newCGroups(t, root)
	c.use("a.service", 0, 0)
	c.use("b.service", 0, 0)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Attribution.Enabled, cfg.Attribution.Idle = true, ledger.IdleProportional })
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		c.kernel(6_000_000)
		c.use("b.service", 2_000_000, 0)
		write(t, energyFile(root, "intel-rapl:0"), "107000000") // 100 J
		time.Sleep(interval)
		synctest.Wait()
		c.use("a.service", 2_000_000, 0)
		require.NoError(t, os.RemoveAll(root+"/sys/fs/cgroup/system.slice/b.service"))
		write(t, energyFile(root, "intel-rapl:0"), "207000000")
		time.Sleep(interval)
		synctest.Wait()
		got := map[string]float64{}
		for key, joules := range r.shares() {
			if fields := strings.Fields(key); fields[0] == "package-0" {
				got[fields[1]] += joules
			}
		}
		assert.InDeltaMapValues(t, map[string]float64{"unattributed": 75, "b.service": 25, "a.service": 100}, got, 0.002)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestWhoPaysForIdle(t *testing.T) {
	for policy, want := range map[ledger.IdlePolicy]map[string]float64{
		ledger.IdleEqual:        {"a.service": 350, "b.service": 150},
		ledger.IdleProportional: {"a.service": 375, "b.service": 125},
		ledger.IdleReserved:     {"a.service": 300, "b.service": 100, "idle": 100},
	} {
		t.Run(string(policy), func(t *testing.T) {
			root := tree(t, "amd")
			c := newCGroups(t, root)
			c.use("a.service", 0, 0)
			c.use("b.service", 0, 0)
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, root, func(cfg *Config) {
					cfg.Attribution.Enabled, cfg.Attribution.Idle = true, policy
					cfg.Model.IdlePowerPerCPU, cfg.Model.MaxPowerPerCPU = 5, 100
				})
				require.NoError(t, r.Start(t.Context(), nil))
				synctest.Wait()
				c.use("a.service", 6_000_000, 0)
				c.use("b.service", 2_000_000, 0)
				write(t, energyFile(root, "intel-rapl:0"), "507000000")
				time.Sleep(interval)
				synctest.Wait()
				got := map[string]float64{}
				for key, joules := range r.shares() {
					if fields := strings.Fields(key); fields[0] == "package-0" {
						got[fields[1]] += joules
					}
				}
				assert.InDeltaMapValues(t, want, got, 0.002)
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

// Where it cannot be read who used the CPU, nobody is told to have.
func TestNobodyIsKnown(t *testing.T) {
	root := tree(t, "amd")
	require.NoError(t, os.RemoveAll(root+"/proc/stat"))
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Attribution.Enabled = true })
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		write(t, energyFile(root, "intel-rapl:0"), "507000000")
		time.Sleep(interval)
		synctest.Wait()
		sum := 0.0
		for key, joules := range r.shares() {
			assert.NotContains(t, key, "otelcol")
			sum += joules
		}
		assert.InEpsilon(t, 500.0, sum, 1e-12)
		assert.Equal(t, 1, r.logs.FilterMessageSnippet("attributed to nobody").Len())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestTooManyWorkloads(t *testing.T) {
	root := tree(t, "amd")
	c := newCGroups(t, root)
	for i := range 5 {
		c.use(fmt.Sprintf("%d.service", i), 0, 0)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Attribution.Enabled, cfg.Attribution.MaxWorkloads = true, 2 })
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		for i := range 5 {
			c.use(fmt.Sprintf("%d.service", i), 1_000_000, 0)
		}
		write(t, energyFile(root, "intel-rapl:0"), "507000000")
		time.Sleep(interval)
		synctest.Wait()
		got := r.shares()
		assert.Contains(t, fmt.Sprint(got), "package-0 other")
		refused, err := r.telemetry.GetMetric("otelcol_hostenergy.workloads.refused")
		require.NoError(t, err)
		assert.EqualValues(t, 3, refused.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// told says how many workloads of a kind of name are told apart on a device.
func (r *rig) told(device, prefix string) (n int) {
	for key := range r.shares() {
		if strings.HasPrefix(key, device+" "+prefix) {
			n++
		}
	}
	return n
}

// generation has three units use the CPU instead of those before.
func (c *cgroups) generation(name string) {
	require.NoError(c.tb, os.RemoveAll(filepath.Join(c.root, "sys/fs/cgroup/system.slice")))
	for i := range 3 {
		c.use(fmt.Sprintf("%s%d.service", name, i), 0, 0)
	}
}

func (c *cgroups) work(name string) {
	for i := range 3 {
		c.use(fmt.Sprintf("%s%d.service", name, i), 1_000_000, 0)
	}
}

// Workloads of an estimate that has ended hold no slots.
func TestSlotsOfAnEstimateThatEnds(t *testing.T) {
	root := tree(t, "amd")
	c := newCGroups(t, root)
	c.generation("old")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) {
			cfg.Attribution.Enabled, cfg.Attribution.MaxWorkloads, cfg.Attribution.Idle = true, 4, ledger.IdleProportional
		})
		var granted sync.Mutex
		open := false
		r.reading(func(path string) ([]byte, error) {
			granted.Lock()
			defer granted.Unlock()
			if !open && filepath.Base(path) == "energy_uj" {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
			}
			return os.ReadFile(path)
		})
		require.NoError(t, r.Start(t.Context(), nil))
		microjoules := 7_000_000
		step := func(name string) {
			c.work(name)
			microjoules += 100_000_000
			write(t, energyFile(root, "intel-rapl:0"), strconv.Itoa(microjoules))
			time.Sleep(interval)
			synctest.Wait()
		}
		synctest.Wait()
		step("old")
		require.Equal(t, 3, r.told("cpu", "old"))
		granted.Lock()
		open = true
		granted.Unlock()
		step("old") // the last of the estimate
		step("old")
		require.Equal(t, 3, r.told("package-0", "old"))
		c.generation("new")
		step("new")
		step("new")
		r.sink.Reset()
		step("new")
		assert.Equal(t, 3, r.told("package-0", "new"))
		assert.Len(t, r.scraper.attribution.slots, 3)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Nor do those of a device that has been away for long. What it counted meanwhile is nobody's, and nothing is lost.
func TestSlotsOfADeviceThatIsAway(t *testing.T) {
	root := tree(t, "server")
	c := newCGroups(t, root)
	c.generation("old")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Attribution.Enabled, cfg.Attribution.MaxWorkloads = true, 4 })
		require.NoError(t, r.Start(t.Context(), nil))
		synctest.Wait()
		zones := map[string]int{"intel-rapl:0": 1_000_000, "intel-rapl:0:0": 2_000_000}
		step := func(name string) {
			c.work(name)
			for zone := range zones {
				zones[zone] += 100_000_000
				write(t, energyFile(root, zone), strconv.Itoa(zones[zone]))
			}
			time.Sleep(interval)
			synctest.Wait()
		}
		step("old")
		require.Equal(t, 3, r.told("package-0", "old"))
		file := energyFile(root, "intel-rapl:0")
		hidden := energyFile(root, "lost")
		require.NoError(t, os.MkdirAll(filepath.Dir(hidden), 0o755))
		require.NoError(t, os.Rename(file, hidden))
		delete(zones, "intel-rapl:0")
		c.generation("new")
		for range int(patience/interval) + 2 {
			step("new")
		}
		assert.Empty(t, r.scraper.attribution.slots)

		zones["intel-rapl:0"] = 101_000_000
		require.NoError(t, os.Rename(hidden, file))
		r.sink.Reset()
		step("new")
		assert.Zero(t, r.told("package-0", "old"), "it has ended")
		step("new")
		assert.Equal(t, 3, r.told("package-0", "new"))
		imbalance, err := r.telemetry.GetMetric("otelcol_hostenergy.attribution.imbalance")
		require.NoError(t, err)
		assert.Zero(t, imbalance.Data.(metricdata.Gauge[float64]).DataPoints[0].Value)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A device that something else covers from now on keeps no slots.
func TestSlotsOfADeviceThatIsWithheld(t *testing.T) {
	d, grace := fake("package-0", sensor.Package)
	held := 0
	begin := time.Now().Add(-time.Hour)
	d.ledger = ledger.New(ledger.Config{
		Admit:   func(*workload.Workload) bool { held++; return true },
		Release: func(*workload.Workload) { held-- },
	}, begin)
	w := &workload.Workload{Kind: workload.Unit, Attributes: map[string]string{"systemd.unit": "a.service"}}
	d.ledger.Presence(begin.Add(time.Second), ledger.Presence{Known: true, Residents: []ledger.Resident{active(w, 1)}})
	d.ledger.Energy(begin.Add(time.Second), 1000)
	d.ledger.Flush()
	d.ledger.Tell(func(ledger.Account) {})
	grace.microjoules = 1e6
	require.Equal(t, 1, held)
	l := &ladder{devices: []*device{d}}
	l.retire()
	assert.Zero(t, held)
	assert.Zero(t, d.ledger.Imbalance())
}

func TestLimitsAreCounted(t *testing.T) {
	root := tree(t, "amd")
	c := populate(t, root, 51)
	c.put("cgroup.procs", "1\n2\n3\n")
	for pid := range 3 {
		write(t, fmt.Sprintf("%s/proc/%d/stat", root, pid+1), "1 (x) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 500 1000 10 1\n")
	}
	r := newRig(t, root, func(cfg *Config) { cfg.Attribution.Enabled = true })
	require.NoError(t, r.scraper.start(t.Context(), nil))
	defer r.scraper.close(t.Context())
	defer r.scraper.stop()
	r.scraper.attribution.tracker = usage.New(usage.Config{
		Host: r.scraper.cfg.Host, Resolver: workload.NewResolver(workload.Config{ProcRoot: root + "/proc"}), MaxCGroups: 100, MaxProcesses: 1,
	})
	_, err := r.scraper.scrape(t.Context())
	require.NoError(t, err)
	metadatatest.AssertEqualHostenergyUsageRefused(t, r.telemetry, []metricdata.DataPoint[int64]{
		// Of 104: the root, kubepods.slice, 51 pods with a container each.
		{Value: 4, Attributes: attribute.NewSet(attribute.String("limit", "cgroups"))},
		{Value: 2, Attributes: attribute.NewSet(attribute.String("limit", "processes"))},
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

// containers are those of pods, with four processes each.
type containers struct {
	*cgroups
	made   int
	paths  []string
	hidden bool // the PIDs of every other one are: it is in another PID namespace
}

func (c *containers) add() {
	i := c.made
	c.made++
	slice := fmt.Sprintf("kubepods.slice/kubepods-pod%08x_93c7_4c6b_8f0a_1d2e3f4a5b6c.slice", i)
	path := slice + "/cri-containerd-" + fmt.Sprintf("%064x", i+1) + ".scope"
	var pids strings.Builder
	for k := range 4 {
		pid := 10_000 + 4*i + k
		if c.hidden && i%2 > 0 {
			pids.WriteString("0\n")
			continue
		}
		fmt.Fprintln(&pids, pid)
		dir := fmt.Sprintf("proc/%d", pid)
		c.write(dir+"/stat", fmt.Sprintf("%d (x) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 500 1000 10 1\n", pid))
		c.write(dir+"/cgroup", "0::/"+path+"\n")
		c.write(dir+"/environ", "")
	}
	c.put(slice+"/cgroup.procs", "")
	c.put(path+"/cgroup.procs", pids.String())
	c.put(path+"/memory.stat", "anon 1048576\nfile_mapped 0\nshmem 0\n")
	c.paths = append(c.paths, path)
}

// use has all of them use the CPU.
func (c *containers) use() {
	for i, path := range c.paths {
		c.used[path] += uint64(1000 + i)
		c.used[""] += uint64(1000 + i)
		used := fmt.Sprintf("usage_usec %d\n", c.used[path])
		c.put(path+"/cpu.stat", used)
		c.put(filepath.Dir(path)+"/cpu.stat", used)
	}
	all := fmt.Sprintf("usage_usec %d\n", c.used[""])
	c.put("kubepods.slice/cpu.stat", all)
	c.machine(c.used[""])
}

// replace the oldest by as many new ones.
func (c *containers) replace(n int) {
	for _, path := range c.paths[:n] {
		delete(c.used, path)
		require.NoError(c.tb, os.RemoveAll(filepath.Join(c.root, "sys/fs/cgroup", filepath.Dir(path))))
	}
	oldest := c.made - len(c.paths)
	for pid := 10_000 + 4*oldest; pid < 10_000+4*(oldest+n); pid++ {
		require.NoError(c.tb, os.RemoveAll(filepath.Join(c.root, "proc", strconv.Itoa(pid))))
	}
	c.paths = slices.Delete(c.paths, 0, n)
	for range n {
		c.add()
	}
}

// populate makes so many.
func populate(tb testing.TB, root string, n int) *containers {
	tb.Helper()
	c := &containers{cgroups: newCGroups(tb, root)}
	for range n {
		c.add()
	}
	c.use()
	return c
}

// One collection of two packages with memory, 500 containers and 2,000 processes.
func BenchmarkCollection(b *testing.B) {
	b.Setenv("TMPDIR", "/dev/shm") // cgroups are in memory as well
	root := tree(b, "server")
	c := populate(b, root, 500)
	r := newRig(b, root, func(cfg *Config) { cfg.Attribution.Enabled = true; cfg.Controller.InitialDelay = time.Hour })
	require.NoError(b, r.scraper.start(b.Context(), nil))
	defer r.scraper.close(b.Context())
	defer r.scraper.stop()
	collect := func(round int) {
		c.use()
		for _, zone := range []string{"intel-rapl:0", "intel-rapl:0:0"} {
			require.NoError(b, os.WriteFile(energyFile(root, zone), fmt.Appendf(nil, "%d", 10_000_000+round*500_000), 0o600))
		}
		b.StartTimer()
		md, err := r.scraper.scrape(b.Context())
		b.StopTimer()
		if err != nil || round > 30 && md.ResourceMetrics().Len() < 500 {
			b.Fatal(err, md.ResourceMetrics().Len())
		}
	}
	for round := range 31 {
		collect(round)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.StopTimer()
	for i := range b.N {
		collect(31 + i)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e9*100, "%core_at_1s")
}

// An hour of virtual time at one collection a second, while containers come and go: what is kept does not grow.
func TestMemoryStaysFlat(t *testing.T) {
	if f, err := os.Stat("/dev/shm"); err == nil && f.IsDir() { // many small files
		t.Setenv("TMPDIR", "/dev/shm")
	}
	root := tree(t, "amd")
	c := &containers{cgroups: newCGroups(t, root), hidden: true}
	for range 21 {
		c.add()
	}
	c.use()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, func(cfg *Config) { cfg.Attribution.Enabled = true })
		// Without the controller, whose spans the test's telemetry keeps.
		require.NoError(t, r.scraper.start(t.Context(), nil))
		defer r.scraper.close(t.Context())
		defer r.scraper.stop()
		heap := func() uint64 {
			for range 3 { // pools take two
				runtime.GC()
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		var warm uint64
		told := 0
		for second := range 3600 {
			if second%60 == 30 {
				c.replace(12)
			}
			if second%10 == 0 {
				c.use()
			}
			write(t, energyFile(root, "intel-rapl:0"), strconv.Itoa(7_000_000+second*50_000_000))
			time.Sleep(time.Second)
			md, err := r.scraper.scrape(t.Context())
			require.NoError(t, err)
			told = max(told, md.ResourceMetrics().Len())
			if second == 600 {
				warm = heap()
			}
		}
		assert.Greater(t, told, 21, "there is something to keep")
		assert.LessOrEqual(t, len(r.scraper.attribution.slots), 2*21)
		assert.Less(t, float64(heap()), 1.02*float64(warm)+50_000)
	})
}
