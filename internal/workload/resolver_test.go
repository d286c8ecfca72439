// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestReusedPIDIsAnotherProcess(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	tr.process(42, fixture{cgroup: "0::/", start: 100})
	first, err := r.Resolve(42)
	require.NoError(t, err)
	assert.True(t, r.Alive(42))

	tr.process(42, fixture{cgroup: "0::/", start: 200})
	assert.False(t, r.Alive(42), "the one that was resolved is gone")
	second, err := r.Resolve(42)
	require.NoError(t, err)
	assert.NotEqual(t, first.ID(), second.ID())
	assert.True(t, r.Alive(42))
}

func TestEqualWorkloadsAreOnePointer(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	for pid := 1; pid <= 3; pid++ {
		tr.process(pid, fixture{cgroup: "0::/system.slice/docker-" + idA + ".scope", start: 100 * pid})
	}
	first, err := r.Resolve(1)
	require.NoError(t, err)
	for pid := uint32(2); pid <= 3; pid++ {
		w, err := r.Resolve(pid)
		require.NoError(t, err)
		assert.Same(t, first, w)
	}
}

func TestGone(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	w, err := r.Resolve(42)
	require.ErrorIs(t, err, ErrGone)
	assert.Nil(t, w)
	assert.False(t, r.Alive(42))

	tr.process(42, fixture{cgroup: "0::/system.slice/a.service"})
	known, err := r.Resolve(42)
	require.NoError(t, err)
	tr.write("proc/42/stat", statLine(42, "python3", 'Z', 100))
	assert.False(t, r.Alive(42), "a zombie")
	tr.remove("proc/42")
	w, err = r.Resolve(42)
	require.ErrorIs(t, err, ErrGone)
	require.NotErrorIs(t, err, ErrUnreadable)
	assert.Same(t, known, w, "its last joules still have an owner")

	r.Sweep()
	w, err = r.Resolve(42)
	require.ErrorIs(t, err, ErrGone)
	assert.Nil(t, w)
	assert.Zero(t, r.Stats().Known)
}

func TestUnreadable(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	tr.process(42, fixture{cgroup: "0::/system.slice/a.service", env: []string{"WANDB_RUN_ID=r"}})
	tr.remove("proc/42/environ")
	require.NoError(t, os.Mkdir(tr.root+"/proc/42/environ", 0o755)) // root may read any file, and no folder
	w, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"systemd.unit": "a.service"}, w.Attributes)
	assert.EqualValues(t, 1, r.Stats().EnvironUnreadable)

	tr.remove("proc/42/cgroup")
	require.NoError(t, os.Mkdir(tr.root+"/proc/42/cgroup", 0o755))
	tr.write("proc/42/stat", statLine(42, "python3", 'S', 200))
	_, err = r.Resolve(42)
	require.ErrorIs(t, err, ErrUnreadable)
	require.NotErrorIs(t, err, ErrGone)

	for _, text := range []string{"", "42", "42 (x", "42 (x) S 1", statLine(42, "x", 'S', -1)} {
		tr.write("proc/42/stat", text)
		_, err = r.Resolve(42)
		require.ErrorIs(t, err, ErrUnreadable, "%q", text)
	}
}

func TestYoungProcessIsReadAgain(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	young := fixture{cgroup: "0::/system.slice/launcher.service", start: 99950}
	tr.process(42, young)
	before, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Equal(t, "launcher.service", before.Attributes["systemd.unit"])

	young.cgroup, young.env = "0::/system.slice/docker-"+idA+".scope", []string{"WANDB_RUN_ID=r1"}
	tr.process(42, young)
	same, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Same(t, before, same, "not at each look")

	tr.write("proc/uptime", "1000.50 7000.00\n")
	settled, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Equal(t, Container, settled.Kind)
	assert.Equal(t, "r1", settled.Attributes["workload.run.id"])

	young.env = []string{"WANDB_RUN_ID=r2"}
	tr.process(42, young)
	again, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Same(t, settled, again, "once")
}

func TestNamesThatComeLate(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	now := time.Unix(1000, 0)
	r.pods.now = func() time.Time { return now }
	tr.process(42, fixture{cgroup: "0::/kubepods/pod" + uidU + "/" + idA, start: 99800}) // 2 s old
	unnamed, err := r.Resolve(42)
	require.NoError(t, err)
	assert.NotContains(t, unnamed.Attributes, "k8s.pod.name")
	again, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Same(t, unnamed, again)

	tr.logs("ml", "train-0", "pytorch", idA, uidU, 0)
	now = now.Add(time.Second)
	named, err := r.Resolve(42)
	require.NoError(t, err)
	assert.Equal(t, "train-0", named.Attributes["k8s.pod.name"])

	// After 10 s it is what it is: a stream does not change its resource for good.
	tr.process(43, fixture{cgroup: "0::/kubepods/pod" + uidV + "/" + idB, start: 98900})
	unnamed, err = r.Resolve(43)
	require.NoError(t, err)
	tr.logs("ml", "train-1", "pytorch", idB, uidV, 0)
	now = now.Add(time.Second)
	again, err = r.Resolve(43)
	require.NoError(t, err)
	assert.Same(t, unnamed, again)
}

func TestKnownIsBounded(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	r.limit = 3
	now := time.Unix(1000, 0)
	r.now = func() time.Time { return now }
	for pid := 1; pid <= 5; pid++ {
		tr.process(pid, fixture{cgroup: "0::/"})
		w, err := r.Resolve(uint32(pid))
		require.NoError(t, err)
		assert.Equal(t, strconv.Itoa(pid), w.Attributes["process.pid"])
	}
	assert.Equal(t, Stats{Known: 3, Unremembered: 2}, r.Stats())
	for pid := uint32(1); pid <= 3; pid++ {
		assert.True(t, r.Alive(pid), "live ones are kept")
	}
	tr.remove("proc/2")
	_, err := r.Resolve(5)
	require.NoError(t, err)
	assert.Equal(t, Stats{Known: 3, Unremembered: 3}, r.Stats(), "a sweep each minute at most")
	now = now.Add(sweeping)
	w, err := r.Resolve(5)
	require.NoError(t, err)
	again, err := r.Resolve(5)
	require.NoError(t, err)
	assert.Same(t, w, again)
	assert.Equal(t, Stats{Known: 3, Unremembered: 3}, r.Stats(), "the place of the one that ended")
}

func TestConcurrentUse(t *testing.T) {
	tr := newTree(t)
	r := tr.resolver()
	for pid := 1; pid <= 4; pid++ {
		tr.process(pid, fixture{cgroup: "0::/system.slice/docker-" + idA + ".scope"})
	}
	w, err := r.Resolve(1)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				got, err := r.Resolve(uint32(1 + (g+i)%4))
				assert.True(t, err == nil && got == w, "%v %v", got, err)
				r.Owner(Holder{Namespace: "a", Pod: "b", Container: "c"})
				r.Sweep()
			}
		})
	}
	wg.Wait()
}

func TestNoBootTime(t *testing.T) {
	tr := newTree(t)
	tr.remove("proc/stat")
	tr.process(42, fixture{cgroup: "0::/"})
	core, logs := observer.New(zap.WarnLevel)
	r := NewResolver(Config{ProcRoot: tr.root + "/proc", Logger: zap.New(core)})
	w, err := r.Resolve(42)
	require.NoError(t, err)
	assert.NotContains(t, w.Attributes, "process.creation.time")
	assert.Equal(t, 1, logs.Len())
}
