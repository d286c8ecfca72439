// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// identify prefers what the kernel proves to what a process says of itself, and the narrower to the
// wider: container, job, unit, process. It is named unless a pod's container is not in the kubelet's logs,
// where it may come to be.
func (r *Resolver) identify(pid uint32, s stat) (w *Workload, named bool, err error) {
	text, err := r.proc.read(pid, "cgroup", maxCGroup)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without cgroups
		return nil, false, err
	}
	cgroup := ParseCGroup(string(text))

	text, err = r.proc.read(pid, "environ", maxEnviron)
	switch {
	case errors.Is(err, ErrUnreadable):
		r.count(func(s *Stats) { s.EnvironUnreadable++ })
	case err != nil:
		return nil, false, err
	}
	env := parseEnviron(string(text))

	w, named = &Workload{Attributes: map[string]string{}}, true
	proven := attributes{of: w.Attributes}
	proven.container(cgroup)
	proven.job(cgroup, env)
	switch {
	case cgroup.contained():
		w.Kind = Container
		if cgroup.PodUID != "" {
			names := r.pods.find(cgroup.ContainerID, cgroup.PodUID)
			proven.pod(names)
			named = names.container != ""
		}
	case len(w.Attributes) > 0:
		w.Kind = Job
	case cgroup.Unit != "" || cgroup.Machine != "":
		w.Kind = Unit
	default:
		w.Kind = Process
		proven.process(pid, strings.ToValidUTF8(r.proc.executable(pid), "\uFFFD"), r.started(s))
	}
	if w.Kind == Container || w.Kind == Unit {
		proven.unit(cgroup)
	}
	if rejected := env.claim(w.Attributes); rejected > 0 {
		r.count(func(s *Stats) { s.Rejected += int64(rejected) })
	}
	return w, named, nil
}

// attributes sets those that have a value.
type attributes struct{ of map[string]string }

func (a attributes) set(key, value string) {
	if value != "" {
		a.of[key] = value
	}
}

func (a attributes) container(c CGroup) {
	a.set("container.id", c.ContainerID)
	a.set("container.runtime.name", c.Runtime)
	a.set("k8s.pod.uid", c.PodUID)
	a.set("aws.ecs.task.id", c.ECSTask)
}

func (a attributes) pod(n podNames) {
	a.set("k8s.namespace.name", n.namespace)
	a.set("k8s.pod.name", n.pod)
	a.set("k8s.container.name", n.container)
}

// job believes the environment only as far as the cgroup does not say otherwise.
func (a attributes) job(c CGroup, env environ) {
	a.set("slurm.job.sluid", c.SLUID)
	a.set("slurm.job.id", c.SlurmJob)
	for _, s := range schedulers {
		id := env.vars[s.variable]
		switch {
		case id == "", c.SlurmJob != "" && (s.attribute != "slurm.job.id" || id != c.SlurmJob):
			continue
		case c.SLUID != "" && s.attribute != "slurm.job.id":
			continue
		}
		a.set(s.attribute, id)
		for variable, attribute := range s.more {
			a.set(attribute, env.vars[variable])
		}
		return
	}
}

func (a attributes) unit(c CGroup) {
	a.set("systemd.unit", c.Unit)
	a.set("user.id", c.UserID)
	a.set("libvirt.domain.name", c.Machine)
}

func (a attributes) process(pid uint32, executable, started string) {
	a.set("process.pid", strconv.FormatUint(uint64(pid), 10))
	a.set("process.executable.name", executable)
	a.set("process.creation.time", started)
}

func (r *Resolver) started(s stat) string {
	if r.booted.IsZero() {
		return ""
	}
	return r.booted.Add(s.sinceBoot()).UTC().Format("2006-01-02T15:04:05.00Z07:00")
}

func (r *Resolver) count(add func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add(&r.stats)
}

// userHZ is the unit of times in /proc, part of Linux' interface to programs on all architectures of Go.
const userHZ = 100

func (s stat) sinceBoot() time.Duration {
	return time.Duration(s.start) * (time.Second / userHZ)
}

// OfCGroup is what the path of a control group proves, where none of its processes can be asked; nil if that is nothing.
func (r *Resolver) OfCGroup(path string) *Workload {
	cgroup := ParseCGroup("0::" + path)
	w := &Workload{Attributes: map[string]string{}}
	proven := attributes{of: w.Attributes}
	proven.container(cgroup)
	proven.job(cgroup, environ{})
	switch {
	case cgroup.contained():
		w.Kind = Container
		if cgroup.PodUID != "" {
			proven.pod(r.pods.find(cgroup.ContainerID, cgroup.PodUID))
		}
	case len(w.Attributes) > 0:
		w.Kind = Job
	case cgroup.Unit != "" || cgroup.Machine != "":
		w.Kind = Unit
	default:
		return nil
	}
	if w.Kind == Container || w.Kind == Unit {
		proven.unit(cgroup)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.intern(w)
}
