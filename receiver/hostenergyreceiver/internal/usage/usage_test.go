// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelcol-carbon/otelcol-carbon/internal/host"
	"github.com/otelcol-carbon/otelcol-carbon/internal/workload"
)

// machine is a root file system whose cgroups and processes a test sets.
type machine struct {
	t    require.TestingT
	root string
	v1   bool
	own  uint64 // µs of the collector's
	held uint64 // bytes of the collector's
	view string // the root file system as the collector sees it; that of the machine if empty
	cpu  map[string]uint64
	now  time.Time
	*Tracker
}

func newMachine(t require.TestingT, dir string, v1 bool) *machine {
	m := &machine{t: t, root: dir, v1: v1, cpu: map[string]uint64{}, now: time.Now()}
	m.write("proc/uptime", "100000.00 0\n")
	m.write("proc/self/ns/.keep", "")
	m.write("proc/self/status", "Name:\totelcol-carbon\nPid:\t4242\nNSpid:\t4242\n")
	m.home("/")
	m.write("proc/meminfo", "MemTotal:       16384 kB\nMemFree:         4096 kB\n")
	if v1 {
		m.write("sys/fs/cgroup/cpuacct/cpuacct.usage", "0\n")
		m.write("sys/fs/cgroup/cpuacct/release_agent", "\n")
	} else {
		m.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
	}
	m.group("/", 0, 0)
	return m
}

func (m *machine) start() *machine {
	resolver := workload.NewResolver(workload.Config{ProcRoot: m.root + "/proc"})
	m.Tracker = newTracker(Config{Host: host.Config{RootPath: m.root}, Resolver: resolver, Memory: true}, cmp.Or(m.view, m.root))
	m.self.measure, m.self.resident = func() uint64 { return m.own }, func() uint64 { return m.held }
	m.look()
	return m
}

// home puts the collector into a cgroup.
func (m *machine) home(path string) {
	m.write("proc/self/cgroup", "3:cpu,cpuacct:"+path+"\n0::"+path+"\n")
}

// contain puts the collector into a container with namespaces of its own, in which the machine's root is mounted elsewhere.
func (m *machine) contain(path string) {
	m.view = filepath.Join(m.root, "var/lib/container")
	m.write("var/lib/container/proc/self/cgroup", "3:cpu,cpuacct:/\n0::/\n")
	mount, own := "sys/fs/cgroup", "sys/fs/cgroup"
	if m.v1 {
		mount, own = "sys/fs/cgroup/cpuacct", "sys/fs/cgroup/cpuacct"
	}
	link := filepath.Join(m.view, own)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(link), 0o755))
	require.NoError(m.t, os.Symlink(filepath.Join(m.root, mount, path), link))
	// Only the root of a hierarchy v2 has no such file.
	m.write(filepath.Join(mount, path, "cgroup.controllers"), "cpu memory\n")
}

func (m *machine) write(name, content string) {
	path := filepath.Join(m.root, name)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(m.t, os.WriteFile(path, []byte(content), 0o600))
}

// group sets what a cgroup has used, with all above it, and what is resident in it.
func (m *machine) group(path string, used, resident uint64, pids ...int) {
	for p := path; ; p = filepath.Dir(p) {
		m.cpu[p] += used
		m.put(p)
		if p == "/" {
			break
		}
	}
	var list strings.Builder
	for _, pid := range pids {
		fmt.Fprintln(&list, pid)
	}
	if m.v1 {
		m.write("sys/fs/cgroup/cpuacct"+path+"/cgroup.procs", list.String())
		m.write("sys/fs/cgroup/memory"+path+"/memory.stat", fmt.Sprintf("cache 9\ntotal_rss %d\ntotal_mapped_file 0\n", resident))
	} else {
		m.write("sys/fs/cgroup"+path+"/cgroup.procs", list.String())
		m.write("sys/fs/cgroup"+path+"/memory.stat", fmt.Sprintf("anon %d\nfile 999\nfile_mapped 0\nshmem 0\n", resident))
	}
}

func (m *machine) put(path string) {
	if m.v1 {
		m.write("sys/fs/cgroup/cpuacct"+path+"/cpuacct.usage", strconv.FormatUint(1000*m.cpu[path], 10)+"\n")
	} else {
		m.write("sys/fs/cgroup"+path+"/cpu.stat", fmt.Sprintf("usage_usec %d\nuser_usec 1\n", m.cpu[path]))
	}
	if path == "/" { // finer than the kernel's hundredths, so that sums are exact
		m.write("proc/stat", fmt.Sprintf("cpu  %g 0 0 1000 0 0 0 50 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\nbtime 1750000000\n", float64(m.cpu["/"])/10_000))
	}
}

func (m *machine) remove(path string) {
	mount := "sys/fs/cgroup"
	if m.v1 {
		mount += "/cpuacct"
	}
	for p := range m.cpu {
		if p == path || strings.HasPrefix(p, path+"/") {
			for _, file := range []string{"cpu.stat", "cpuacct.usage"} { // who has it open reads no more
				if name := filepath.Join(m.root, mount, p, file); os.Truncate(name, 0) == nil {
					require.NoError(m.t, os.Remove(name))
				}
			}
			delete(m.cpu, p)
		}
	}
	require.NoError(m.t, os.RemoveAll(filepath.Join(m.root, mount, path)))
}

// process sets the CPU time of a process, in ticks.
func (m *machine) process(pid int, cgroup string, ticks int, env string) {
	dir := "proc/" + strconv.Itoa(pid)
	m.write(dir+"/stat", fmt.Sprintf("%d (a b) c) S 1 1 1 0 -1 4194560 1 0 0 0 %d 0 0 0 20 0 1 0 500 1000 10 18446744073709551615\n", pid, ticks))
	m.write(dir+"/cgroup", "0::"+cgroup+"\n")
	m.write(dir+"/environ", env)
	m.write(dir+"/comm", "worker\n")
}

// look returns what was used since the last look, by who used it.
func (m *machine) look() (cpu, resident map[string]uint64) {
	m.now = m.now.Add(time.Second)
	used, err := m.Sample(m.now)
	require.NoError(m.t, err)
	cpu, resident = map[string]uint64{}, map[string]uint64{}
	for _, p := range used.Parties {
		name := "nobody"
		if p.Workload != nil {
			a := p.Workload.Attributes
			for _, key := range []string{"container.id", "k8s.pod.uid", "slurm.job.id", "systemd.unit", "process.pid"} {
				if a[key] != "" {
					name = a[key]
					break
				}
			}
		}
		if p.CPU > 0 {
			cpu[name] += p.CPU
		}
		if p.Memory > 0 {
			resident[name] += p.Memory
		}
	}
	return cpu, resident
}

const pod = "6b1f0c1e-93c7-4c6b-8f0a-1d2e3f4a5b6c"

var (
	idA, idB = strings.Repeat("a", 64), strings.Repeat("b", 64)
	podSlice = "/kubepods.slice/kubepods-pod" + strings.ReplaceAll(pod, "-", "_") + ".slice"
	inPod    = podSlice + "/cri-containerd-" + idA + ".scope"
)

func TestWhoUsedWhat(t *testing.T) {
	for name, v1 := range map[string]bool{"v1": true, "v2": false} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, t.TempDir(), v1)
			m.process(100, inPod, 0, "WANDB_RUN_ID=r1\x00")
			m.process(200, "/system.slice/ollama.service", 0, "")
			m.process(300, "/", 0, "")
			m.group(inPod, 5_000_000, 4096, 100)
			m.group("/system.slice/ollama.service", 1_000_000, 8192, 200)
			m.group("/", 0, 0, 300)
			m.start()
			cpu, resident := m.look()
			assert.Empty(t, cpu, "nothing was used")
			assert.Equal(t, map[string]uint64{idA: 4096, "ollama.service": 8192}, resident, "a process by itself is told of when it does something")

			m.group(inPod, 700_000, 4096, 100)
			m.group("/system.slice/ollama.service", 200_000, 8192, 200)
			m.process(300, "/", 5, "")
			m.group("/", 60_000, 0, 300)
			m.group(podSlice, 30_000, 0)                   // a container that came and went
			m.group("/system.slice/cron.service", 1000, 0) // and a unit that is new
			cpu, resident = m.look()
			assert.Equal(t, 10*uint64(os.Getpagesize()), resident["300"])
			assert.Equal(t, map[string]uint64{
				idA: 700_000, pod: 30_000, "ollama.service": 200_000, "300": 50_000, "nobody": 10_000, "cron.service": 1000,
			}, cpu)

			m.remove(inPod)
			m.group(podSlice, 40_000, 0) // its last
			cpu, _ = m.look()
			assert.Equal(t, map[string]uint64{pod: 40_000}, cpu)
		})
	}
}

// parts is what was used since the last look, by service.name, container.id and systemd.unit.
func (m *machine) parts() map[string]uint64 {
	m.now = m.now.Add(time.Second)
	used, err := m.Sample(m.now)
	require.NoError(m.t, err)
	got := map[string]uint64{}
	for _, p := range used.Parties {
		name := "nobody"
		if p.Workload != nil {
			a := p.Workload.Attributes
			name = a["service.name"] + a["container.id"] + a["systemd.unit"]
		}
		if p.CPU > 0 {
			got[name] += p.CPU
		}
	}
	return got
}

// The collector is a party of its own, taken out of where it is.
func TestTheCollectorItself(t *testing.T) {
	for home, left := range map[string]string{"/system.slice/otelcol.service": "otelcol.service", "/": "nobody", "/unknown/below": "nobody"} {
		m := newMachine(t, t.TempDir(), false)
		m.home(home)
		path := home
		if left == "nobody" {
			path = "/"
		}
		m.group(path, 0, 0)
		m.start()
		m.own = 30_000
		m.group(path, 100_000, 0)
		assert.Equal(t, map[string]uint64{"otelcol-carbon": 30_000, left: 70_000}, m.parts())
	}
}

// In a container, its path is that of a cgroup namespace, where "/" is not the machine's.
func TestTheCollectorInAContainer(t *testing.T) {
	for name, v1 := range map[string]bool{"v1": true, "v2": false} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, t.TempDir(), v1)
			m.group(inPod, 0, 0)
			m.group("/docker/"+idB, 0, 0)
			m.contain(inPod)
			m.start()
			m.own = 30_000
			m.group(inPod, 31_000, 0)
			m.group("/docker/"+idB, 5000, 0)
			m.group("/", 50_000, 0) // the kernel's
			assert.Equal(t, map[string]uint64{"otelcol-carbon": 30_000, idA: 1000, idB: 5000, "nobody": 50_000}, m.parts())
			assert.NotContains(t, fmt.Sprint(m.Report()), "collector itself")
		})
	}
}

// Where its cgroup is not among those of the machine, it is not told twice.
func TestTheCollectorElsewhere(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.view = t.TempDir()
	m.start()
	m.own = 30_000
	m.group("/", 50_000, 0)
	assert.Equal(t, map[string]uint64{"nobody": 50_000}, m.parts())
	assert.Contains(t, fmt.Sprint(m.Report()), "collector itself")
}

// Without the host's PID namespace, the kernel calls processes by other numbers than the host's proc does.
func TestPIDsOfAnotherNamespace(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.write("proc/self/status", "Name:\totelcol-carbon\nPid:\t777\nNSpid:\t777\t1\n")
	m.process(1, "/init.scope", 0, "")                                       // the host's
	m.process(777, "/", 0, "OTEL_RESOURCE_ATTRIBUTES=service.version=1\x00") // as its cgroup namespace has it
	m.group("/init.scope", 0, 0, 0)
	m.group(inPod, 0, 0, 1) // the collector, as its own namespace has it
	m.contain(inPod)
	m.start()
	m.own = 30_000
	m.process(1, "/init.scope", 2, "")
	m.group("/init.scope", 20_000, 0, 0)
	m.group(inPod, 40_000, 0, 1)
	assert.Equal(t, map[string]uint64{"otelcol-carbon": 30_000, idA: 10_000, "init.scope": 20_000}, m.parts())
	own := m.self.workload.Attributes
	assert.Equal(t, "1", own["service.version"], "its own environment")
	assert.NotContains(t, own, "systemd.unit")
}

// Where nobody makes cgroups, the host's PID 1 is told like others: the collector leaves out itself, not its number elsewhere.
func TestProcessOneIsLooseToo(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	require.NoError(t, os.RemoveAll(m.root+"/sys"))
	m.write("proc/self/status", "Pid:\t777\nNSpid:\t777\t1\n")
	m.process(1, "/", 0, "")
	m.process(777, "/", 0, "")
	m.write("proc/stat", "cpu  1000 0 0 1000 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")
	m.start()
	m.own = 30_000
	m.process(1, "/", 2, "")
	m.process(777, "/", 3, "")
	m.write("proc/stat", "cpu  1005 0 0 1000 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")
	cpu, _ := m.look()
	assert.Equal(t, map[string]uint64{"1": 20_000, "777": 30_000}, cpu)
}

// Who came when another went is found by and by; what it used until then is that of what is above it, and nothing counts twice.
func TestFoundLate(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.group("/system.slice/a.service", 0, 0)
	m.start()
	m.remove("/system.slice/a.service")
	m.group("/system.slice/b.service", 100_000, 0)
	total := uint64(0)
	found := false
	for range 15 {
		m.group("/system.slice/b.service", 100_000, 0)
		cpu, _ := m.look()
		for name, used := range cpu {
			total += used
			found = found || name == "b.service"
		}
	}
	assert.True(t, found)
	assert.EqualValues(t, 1_600_000, total)
}

func TestWithoutCGroups(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	require.NoError(t, os.RemoveAll(m.root+"/sys"))
	m.process(300, "/", 100, "")
	m.process(301, "/", 100, "")
	m.write("proc/stat", "cpu  1000 0 0 1000 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")
	m.start()
	m.process(300, "/", 130, "")
	m.process(301, "/", 110, "")
	m.write("proc/stat", "cpu  1050 0 0 1000 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")
	cpu, _ := m.look()
	assert.Equal(t, map[string]uint64{"300": 300_000, "301": 100_000, "nobody": 100_000}, cpu)
	assert.Contains(t, fmt.Sprint(m.Report()), "split by process")
}

// A container that sees but its own cgroup knows that the rest is somebody's.
func TestInAContainer(t *testing.T) {
	for name, v1 := range map[string]bool{"v1": true, "v2": false} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, t.TempDir(), v1)
			if v1 {
				require.NoError(t, os.Remove(m.root+"/sys/fs/cgroup/cpuacct/release_agent"))
			} else {
				m.write("sys/fs/cgroup/cgroup.events", "populated 1\n")
			}
			m.process(300, "/", 0, "")
			m.group("/", 0, 0, 300)
			m.start()
			m.cpu["/"] += 400_000
			m.put("/")
			m.process(300, "/", 30, "")
			m.write("proc/stat", "cpu  100 0 0 1000 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")
			cpu, _ := m.look()
			assert.Equal(t, map[string]uint64{"300": 300_000, "nobody": 700_000}, cpu)
		})
	}
}

// Two receivers in one collector share nothing.
func TestTrackersInParallel(t *testing.T) {
	var both sync.WaitGroup
	for i := range 2 {
		m := newMachine(t, t.TempDir(), false)
		used := uint64(1000 * (i + 1))
		m.group("/system.slice/a.service", 0, 4096)
		m.start()
		both.Go(func() {
			for range 50 {
				m.group("/system.slice/a.service", used, 4096)
				cpu, _ := m.look()
				assert.Equal(t, map[string]uint64{"a.service": used}, cpu)
			}
		})
	}
	both.Wait()
}

// What is beyond the limits is counted, and lost to nobody.
func TestTooMany(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	for i := range 5 {
		m.process(300+i, "/", 0, "")
		m.group(fmt.Sprintf("/system.slice/%d.service", i), 0, 0)
	}
	pids := []int{300, 301, 302, 303, 304}
	m.group("/", 0, 0, pids...)
	m.Tracker = newTracker(Config{
		Host: host.Config{RootPath: m.root}, Resolver: workload.NewResolver(workload.Config{ProcRoot: m.root + "/proc"}),
		MaxCGroups: 4, MaxProcesses: 3,
	}, m.root)
	m.look()
	for i := range 5 {
		m.process(300+i, "/", 1, "")
		m.group(fmt.Sprintf("/system.slice/%d.service", i), 10_000, 0)
	}
	m.group("/", 50_000, 0, pids...)
	cpu, _ := m.look()
	sum := uint64(0)
	for _, used := range cpu {
		sum += used
	}
	assert.EqualValues(t, 100_000, sum)
	assert.Equal(t, 3, m.usage.CGroupsRefused, "the root and its slice count as well")
	assert.Equal(t, 2, m.usage.ProcessesRefused)
	assert.Contains(t, fmt.Sprint(m.Report()), "more than 4")
	assert.Contains(t, fmt.Sprint(m.Report()), "more than 3")
}

// A unit that rests is still there, be its memory known or not.
func TestWhoRestsIsThere(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.group("/system.slice/a.service", 0, 0)
	m.start()
	parties := func() int {
		m.now = m.now.Add(time.Second)
		used, err := m.Sample(m.now)
		require.NoError(t, err)
		return len(used.Parties)
	}
	require.Equal(t, 1, parties(), "the collector")
	m.group("/system.slice/a.service", 5, 0)
	require.Equal(t, 2, parties())
	require.Equal(t, 2, parties())
	m.remove("/system.slice/a.service")
	require.Equal(t, 1, parties())
}

func TestCPUTimeCannotBeRead(t *testing.T) {
	m := newMachine(t, t.TempDir(), false).start()
	require.NoError(t, os.Remove(m.root+"/proc/stat"))
	_, err := m.Sample(m.now)
	require.ErrorContains(t, err, "proc/stat")
	assert.Contains(t, fmt.Sprint(m.Report()), "proc/stat")
}

// Whatever comes and goes, the parties have what the machine has.
func TestNothingIsLost(t *testing.T) {
	if f, err := os.Stat("/dev/shm"); err == nil && f.IsDir() { // many small files
		t.Setenv("TMPDIR", "/dev/shm")
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp(dir, "") //nolint:usetesting // one for each try
		require.NoError(t, err)
		m := newMachine(t, root, rapid.Bool().Draw(t, "v1"))
		paths := []string{"/", "/system.slice", inPod, podSlice, "/system.slice/a.service", "/user.slice/user-1000.slice/session-3.scope", "/docker/" + idB}
		for _, path := range paths {
			m.group(path, 1, 0)
		}
		m.start()
		before, total := m.cpu["/"], uint64(0)
		for range rapid.IntRange(1, 25).Draw(t, "looks") {
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				path := rapid.SampledFrom(paths).Draw(t, "path")
				if path != "/" && rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
					m.remove(path)
					continue
				}
				m.group(path, rapid.Uint64Range(0, 1e6).Draw(t, "used"), 0)
			}
			cpu, _ := m.look()
			for _, used := range cpu {
				total += used
			}
		}
		m.remove("/nothing")
		require.LessOrEqual(t, total, m.cpu["/"]-before)
		for range 12 { // until all is found
			cpu, _ := m.look()
			for _, used := range cpu {
				total += used
			}
		}
		require.Equal(t, m.cpu["/"]-before, total)
		m.Close()
	})
}

// Shared memory that is mapped is in file_mapped and in shmem of memory.stat (mm/rmap.c counts NR_FILE_MAPPED for every page
// that is not anonymous, shmem as well): it counts once.
func TestSharedMemoryCountsOnce(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.group("/system.slice/postgres.service", 0, 0)
	m.group("/system.slice/redis.service", 0, 4<<20)
	m.write("sys/fs/cgroup/system.slice/postgres.service/memory.stat", fmt.Sprintf("anon 0\nfile %d\nfile_mapped %[1]d\nshmem %[1]d\n", 4<<20))
	m.start()
	_, resident := m.look()
	assert.Equal(t, map[string]uint64{"postgres.service": 4 << 20, "redis.service": 4 << 20}, resident)
}

// The collector has its memory as well, and what it runs in the rest.
func TestOwnMemory(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.home("/system.slice/otelcol.service")
	m.process(4242, "/system.slice/otelcol.service", 0, "")
	m.group("/system.slice/otelcol.service", 0, 3<<20, 4242)
	m.held = 1 << 20
	m.start()
	used, err := m.Sample(m.now.Add(time.Second))
	require.NoError(t, err)
	resident := map[bool]uint64{}
	for _, p := range used.Parties {
		resident[p.Workload == m.self.workload] += p.Memory
	}
	assert.Equal(t, map[bool]uint64{true: 1 << 20, false: 2 << 20}, resident)
	assert.NotZero(t, ownMemory())
}

// A job is named by its processes, which are in its tasks: as nvmlenergy names it.
func TestSlurmJobIsNamedAsByNVML(t *testing.T) {
	for name, c := range map[string]struct {
		v1   bool
		job  string
		task string
	}{
		"v2": {false, "/system.slice/slurmstepd.scope/job_4711", "/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0"},
		"v1": {true, "/slurm/uid_1000/job_4711", "/slurm/uid_1000/job_4711/step_0/task_0"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, t.TempDir(), c.v1)
			m.process(100, c.task, 0, "SLURM_JOB_ID=4711\x00SLURM_JOB_NAME=train\x00WANDB_RUN_ID=r1\x00")
			m.group(c.task, 0, 0, 100)
			m.start()
			m.group(c.task, 50_000, 0, 100)
			m.now = m.now.Add(1e9)
			used, err := m.Sample(m.now)
			require.NoError(t, err)
			want, err := m.config.Resolver.Resolve(100)
			require.NoError(t, err)
			for _, p := range used.Parties {
				if p.CPU > 0 {
					assert.Equal(t, want.Attributes, p.Workload.Attributes)
				}
			}
		})
	}
}

// A process with the number of a thread of the kernel that has ended is no such thread.
func TestKernelThreadsNumberIsUsedAgain(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.write("proc/300/stat", "300 (kworker) S 2 0 0 0 -1 69238880 1 0 0 0 0 0 0 0 20 0 1 0 500 0 0 18446744073709551615\n")
	m.group("/", 0, 0, 300)
	m.start()
	m.write("proc/300/stat", "300 (cc1) S 1 1 1 0 -1 4194560 1 0 0 0 5 0 0 0 20 0 1 0 900 1000 10 18446744073709551615\n")
	m.write("proc/300/cgroup", "0::/\n")
	m.write("proc/300/environ", "")
	m.write("proc/300/comm", "cc1\n")
	m.group("/", 50_000, 0, 300)
	for range 60 { // of each thread it is looked up now and then
		m.look()
	}
	m.process(300, "/", 10, "")
	m.group("/", 50_000, 0, 300)
	cpu, _ := m.look()
	assert.Equal(t, map[string]uint64{"300": 50_000}, cpu)
}

// The root's usage_usec has steal in it from Linux 5.9 to 6.13 (kernel/cgroup/rstat.c, root_cgroup_cputime): that is nobody's work.
func TestStealIsNoUse(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	m.group("/system.slice/a.service", 0, 0)
	m.start()
	m.group("/system.slice/a.service", 1_000_000, 0)
	m.write("sys/fs/cgroup/cpu.stat", fmt.Sprintf("usage_usec %d\nuser_usec 1\n", m.cpu["/"]+500_000))
	cpu, _ := m.look()
	assert.Equal(t, map[string]uint64{"a.service": 1_000_000}, cpu)
}

// Threads of the kernel, of which a machine with 768 CPUs has more than 5000, take no places of processes.
func TestKernelThreadsTakeNoPlaces(t *testing.T) {
	m := newMachine(t, t.TempDir(), false)
	var pids []int
	for pid := 10; pid < 15; pid++ {
		m.write(fmt.Sprintf("proc/%d/stat", pid), fmt.Sprintf("%d (ksoftirqd/1) S 2 0 0 0 -1 69238880 1 0 0 0 0 0 0 0 20 0 1 0 5 0 0 18446744073709551615\n", pid))
		pids = append(pids, pid)
	}
	pids = append(pids, 300)
	m.process(300, "/", 0, "")
	m.group("/", 0, 0, pids...)
	m.start()
	m.loose.limit = 5
	m.loose.known = map[uint32]*process{}
	m.look()
	m.process(300, "/", 5, "")
	m.group("/", 50_000, 0, pids...)
	cpu, _ := m.look()
	assert.Equal(t, map[string]uint64{"300": 50_000}, cpu)
}
